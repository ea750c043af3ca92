"""A fork while it lives: what its files say, from descriptors that are opened once.

Reading again from the start of an open file of /proc or of a cgroup costs a tenth of opening it, and the descriptor
goes on meaning this process when the pid has become another's: then it answers ESRCH.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from checker.agent.book import Cause, Labels
from checker.agent.seen import Key
from checker.agent.traces import READ_BYTES, StatLine, TempFile, cause_of, number_after, read_again
from checker.facts import Unread
from checker.probes.files import read_bytes
from checker.probes.proc import CLOCK_TICKS_PER_SECOND, parse_cmdline, read_cmdline, read_private_dirty
from checker.probes.servers import is_child_title
from checker.units import KIB

SAMPLE_GROWTH: Final = 1.5
"""The child's own pages are counted at ages that grow by this: the last count is not far from its end."""

SAMPLE_COST_RATIO: Final = 0.02
"""… and so seldom that counting takes at most this share of its life."""

FIRST_SAMPLE_SECONDS: Final = 0.1

FILE_SECONDS: Final = (0.0, 0.05, 0.2, 1.0)
"""When to look for the child's file, after its title: it opens one at once."""

SIGKILL: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server to watch, as the last scan saw it before it forked."""

    key: Key
    labels: Labels
    comm: str
    resident_bytes: int
    others_bytes: int | None  # anonymous bytes of its cgroup that are not its own; None: it is not alone there
    cgroup: tuple[int, Path] | None  # version and directory of its innermost memory cgroup
    countable: bool  # small enough to count its child's pages
    predicted_bytes: int | None
    child_pid: int | None  # a child that the scan saw


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A fork that has ended, as it was seen from outside."""

    target: Target
    child_pid: int
    cause: Cause
    age_at_copied: float  # seconds; how old the child was when `copied_bytes` was counted
    lifetime: float  # seconds
    copied_bytes: int | None
    exit_status: int | None  # as wait(2) gives it; None: it was reaped before it was seen, or may not be read
    server_ended: bool
    server_exit_status: int | None
    oom_kills: int | None  # by which the cgroup's count grew; None: not read
    file: TempFile | None  # what it wrote to; None: no file that was seen


@dataclass(slots=True)
class Live:
    """One child, from the moment that it was seen."""

    target: Target
    child_pid: int
    proc: Path
    start_ticks: int
    readable: bool  # may we read what ptrace rights are asked for, such as the exit status?
    child_fd: int
    server_fd: int
    status_fd: int
    stat_fd: int | None
    events_fd: int | None
    oom_kills_before: int | None = None
    cause: Cause = "other"
    copied: int | None = None
    copied_at: float = 0.0
    file: TempFile | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def age(self) -> float:
        """Seconds since the fork, by the clock that the kernel starts processes by: it never jumps."""
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.start_ticks / CLOCK_TICKS_PER_SECOND)

    def measure(self) -> None:
        """Count the copies, where the server is alone in its cgroup: what that holds, less what is the server's own.

        The peak is kept: a child may give pages back while it saves.
        """
        if self.stat_fd is None or self.target.others_bytes is None:
            return
        version = self.target.cgroup[0] if self.target.cgroup else 2
        held = number_after(read_again(self.stat_fd), b"total_rss " if version == 1 else b"anon ")
        resident = number_after(read_again(self.status_fd), b"RssAnon:")
        if held is None or resident is None:
            return
        copied = max(0, held - resident * KIB - self.target.others_bytes)
        if self.copied is None or copied >= self.copied:
            self.copied, self.copied_at = copied, self.age()

    def oom_kills(self) -> int | None:
        """How often the kernel has killed in this cgroup."""
        return None if self.events_fd is None else number_after(read_again(self.events_fd), b"oom_kill ")

    def accompany(self) -> None:
        """In a thread of its own, since it may hang: learn the cause, and count the child's pages where needed."""
        self._learn_cause()
        self._find_file()
        if self.target.others_bytes is not None or not self.target.countable:
            return
        due = FIRST_SAMPLE_SECONDS
        while not self.done.wait(max(0.0, due - self.age())):
            age, start = self.age(), time.thread_time()
            dirty = read_private_dirty(self.proc)
            if isinstance(dirty, Unread):
                return
            self.copied, self.copied_at = dirty, age
            cost = time.thread_time() - start
            due = max(age * SAMPLE_GROWTH, age + cost / SAMPLE_COST_RATIO)

    def _learn_cause(self) -> None:
        """The title, which the child gives itself soon after the fork."""
        while True:
            raw = read_cmdline(self.proc)
            if isinstance(raw, Unread):
                return
            title = "".join(parse_cmdline(raw)[:1])
            if is_child_title(title):
                self.cause = cause_of(title)
                return
            if self.done.wait(min(0.05 + self.age(), 5.0)):
                return

    def _find_file(self) -> None:
        """The file that the child writes to, once it has opened one; a full sync without disk never does."""
        for wait in FILE_SECONDS:
            if self.cause not in ("rdb", "aof") or self.done.wait(wait):
                return
            found = TempFile.of(self.proc)
            if found is not None:
                self.file = found
                return

    def close(self) -> None:
        """Let go of everything but the child's file, which goes with `Ended`."""
        self.done.set()
        for descriptor in (self.child_fd, self.server_fd, self.status_fd, self.stat_fd, self.events_fd):
            if descriptor is not None:
                with suppress(OSError):
                    os.close(descriptor)


def begin(root: Path, target: Target, child_pid: int) -> Live | None:
    """Start to follow a child; None where it is none of the server's own kind, or gone already."""
    proc, server = root / "proc" / str(child_pid), root / "proc" / str(target.key[0])
    opened: list[int] = []
    try:
        for path in (proc / "stat", server / "stat", server / "status"):
            opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        stat = StatLine.parse(os.pread(opened[0], READ_BYTES, 0))
    except OSError:
        stat = None
    if stat is None or stat.comm != target.comm:
        for descriptor in opened:
            os.close(descriptor)
        return None
    live = Live(
        target=target,
        child_pid=child_pid,
        proc=proc,
        start_ticks=stat.start_ticks,
        readable=stat.readable,
        child_fd=opened[0],
        server_fd=opened[1],
        status_fd=opened[2],
        stat_fd=_open_in_cgroup(target, "memory.stat", "memory.stat"),
        events_fd=_open_in_cgroup(target, "memory.oom_control", "memory.events"),
    )
    live.oom_kills_before = live.oom_kills()
    threading.Thread(target=live.accompany, name="bgsafe-fork", daemon=True).start()
    return live


def others_now(root: Path, target: Target) -> int | None:
    """Anonymous bytes of the cgroup that are not the server's own, read as close together as can be.

    A scan reads the two files milliseconds apart, in which a server that is being loaded grows by megabytes.
    """
    if target.cgroup is None or target.others_bytes is None:
        return target.others_bytes
    version, directory = target.cgroup
    status = root / "proc" / str(target.key[0]) / "status"
    texts = [read_bytes(path) for path in (status, directory / "memory.stat", status)]
    names = (b"RssAnon:", b"total_rss " if version == 1 else b"anon ", b"RssAnon:")
    before, held, after = (
        None if isinstance(text, Unread) else number_after(text, name) for text, name in zip(texts, names, strict=True)
    )
    if before is None or held is None or after is None:
        return None
    return held - (before + after) * KIB // 2


def end_of(live: Live) -> Ended | None:
    """Look whether the child, or its server, has ended; None while both live."""
    child, server = _state(live.child_fd), _state(live.server_fd)
    server_ended = not isinstance(server, StatLine) or server.dead
    if not server_ended and isinstance(child, StatLine) and not child.dead:
        return None
    exit_status = child.exit_status if isinstance(child, StatLine) and child.dead and live.readable else None
    server_exit = server.exit_status if isinstance(server, StatLine) and server.dead and live.readable else None
    before, now = live.oom_kills_before, live.oom_kills()
    lifetime = live.age()
    return Ended(
        target=live.target,
        child_pid=live.child_pid,
        cause=live.cause,
        age_at_copied=min(live.copied_at, lifetime),
        lifetime=lifetime,
        copied_bytes=live.copied,
        exit_status=exit_status,
        server_ended=server_ended,
        server_exit_status=server_exit,
        oom_kills=None if before is None or now is None else now - before,
        file=live.file,
    )


def _state(descriptor: int) -> StatLine | None:
    try:
        return StatLine.parse(os.pread(descriptor, READ_BYTES, 0))
    except OSError:
        return None


def _open_in_cgroup(target: Target, v1: str, v2: str) -> int | None:
    if target.cgroup is None:
        return None
    version, directory = target.cgroup
    try:
        return os.open(directory / (v1 if version == 1 else v2), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # a cgroup that is gone, or the true root: the copies are then not counted in it
