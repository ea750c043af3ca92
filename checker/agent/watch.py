"""Sees every fork that lives for a moment, by asking the kernel ten times a second who the children of a server are.

Why not the kernel's process events: docs/decisions/0010-see-forks-by-polling.md.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from checker.agent.live import Ended, Live, Target, begin, end_of, others_now
from checker.agent.seen import Key
from checker.agent.troubles import Troubles
from checker.facts import Child, Unread
from checker.probes.files import exists

LOOK_SECONDS: Final = 0.1
"""How often children are looked for: a child of 0.3 s is looked at twice, even if one look is late."""

CHILDREN_BYTES: Final = 1024
"""A server that saves has one child; more than fit here are no saves."""

CLOSE_LOOK_SECONDS: Final = 0.025
"""While a child lives: its server reaps it within 0.1 s of its end (hz 10), and its exit status goes with it."""


@dataclass(slots=True)
class _Watched:
    target: Target
    children_fd: int | None
    live: Live | None = None
    done_with: set[int] = field(default_factory=set)  # children of another kind, or followed to their end


class Watcher:
    """Follows the servers of the last scan, in a thread of its own. It reads nothing that can hang."""

    def __init__(
        self, root: Path, troubles: Troubles, began: Callable[[Target], None], ended: Callable[[Ended], None]
    ) -> None:
        """`began` and `ended` are told of forks in this thread, and must return at once."""
        self._root = root
        self._troubles = troubles
        self._began = began
        self._ended = ended
        self._lock = threading.Lock()
        self._watched: dict[Key, _Watched] = {}
        self._measured_at = 0.0

    def follow(self, targets: Sequence[Target]) -> None:
        """Watch these servers from now on, and no others."""
        wanted = {target.key: replace(target, others_bytes=others_now(self._root, target)) for target in targets}
        with self._lock:
            for key in self._watched.keys() - wanted.keys():
                if self._watched[key].live is None:  # else its end is still to be seen
                    self._close(self._watched.pop(key))
            for key, target in wanted.items():
                watched = self._watched.get(key)
                if watched is None:
                    self._watched[key] = watched = _Watched(target, self._open(target))
                if watched.live is not None and target.others_bytes is None:
                    # Read while a child lives, copies and all: what the cgroup held before it still holds good.
                    target = replace(target, others_bytes=watched.target.others_bytes)  # noqa: PLW2901
                watched.target = target
                if watched.live is None and watched.children_fd is None and target.child_pid is not None:
                    self._begin(watched, target.child_pid)

    def child(self, key: Key) -> Child | None:
        """The child that a server has at this moment."""
        with self._lock:
            watched = self._watched.get(key)
            live = watched.live if watched else None
            if live is None:
                return None
            unread = Unread(f"/proc/{live.child_pid}/smaps_rollup", "not read while it lives")
            return Child(
                pid=live.child_pid,
                age_seconds=live.age(),
                private_dirty=unread if live.copied is None else live.copied,
            )

    def living(self) -> frozenset[Key]:
        """Servers with a child."""
        with self._lock:
            return frozenset(key for key, watched in self._watched.items() if watched.live is not None)

    def run(self, stop: threading.Event) -> None:
        """Look again and again until told to stop."""
        while not stop.wait(CLOSE_LOOK_SECONDS if self.look() else LOOK_SECONDS):
            pass
        with self._lock:
            for watched in self._watched.values():
                self._close(watched)
            self._watched = {}

    def look(self) -> bool:
        """Look once at all servers; True where a child lives."""
        now = time.monotonic()
        measure = now - self._measured_at >= LOOK_SECONDS
        if measure:
            self._measured_at = now
        alive = False
        with self._lock:
            for watched in list(self._watched.values()):
                alive |= self._look_at(watched, measure=measure)
        return alive

    def _look_at(self, watched: _Watched, *, measure: bool) -> bool:
        if watched.live is not None and self._lives(watched, watched.live, measure=measure):
            return True
        if not measure or watched.children_fd is None:
            return False
        try:
            raw = os.pread(watched.children_fd, CHILDREN_BYTES, 0)
        except OSError:
            return False  # it went away: the next scan leaves it out
        if not raw:
            if watched.done_with:
                watched.done_with.clear()
            return False
        children = {int(pid) for pid in raw.split()}
        watched.done_with &= children
        for pid in children - watched.done_with:
            if self._begin(watched, pid):
                return True
            watched.done_with.add(pid)
        return False

    def _lives(self, watched: _Watched, live: Live, *, measure: bool) -> bool:
        """Does the child still live? Its end is told, and its server's with it."""
        ended = end_of(live)
        if ended is None:
            if measure:
                live.measure()
            return True
        watched.live = None
        watched.done_with.add(live.child_pid)  # dead, but its server has not reaped it: it is still a child
        live.close()
        self._ended(ended)
        if ended.server_ended:
            self._close(self._watched.pop(watched.target.key))
            watched.children_fd = None
        return False

    def _begin(self, watched: _Watched, pid: int) -> bool:
        watched.live = begin(self._root, watched.target, pid)
        if watched.live is None:
            return False
        self._began(watched.target)
        return True

    def _open(self, target: Target) -> int | None:
        pid = target.key[0]
        path = self._root / f"proc/{pid}/task/{pid}/children"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            os.pread(descriptor, CHILDREN_BYTES, 0)
        except OSError as error:
            if not exists(self._root / f"proc/{pid}"):
                return None  # it went away since the scan
            why = f"{(error.strerror or str(error)).lower()}: only forks that a scan happens to meet are seen"
            self._troubles.add("children", Unread(str(path), why, "a kernel with CONFIG_PROC_CHILDREN shows them all"))
            return None
        return descriptor

    def _close(self, watched: _Watched) -> None:
        if watched.live is not None:
            watched.live.close()
        if watched.children_fd is not None:
            with suppress(OSError):
                os.close(watched.children_fd)
