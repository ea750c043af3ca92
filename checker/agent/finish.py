"""What became of a fork that has ended: its result, what it copied, and what it teaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from checker.agent.book import Fork, Result
from checker.agent.live import SIGKILL, Ended
from checker.facts import WatchedFork
from checker.model.calibration import grown_to

SETTLED_SECONDS: Final = 0.5
"""A judgement: by then a server has put in place what its AOF child wrote; it does so as soon as it reaps it."""


LAST_LOOK_SECONDS: Final = 0.25
"""A judgement: copies counted so shortly before the end are the last count, and no peak before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the server itself said after its fork."""

    ok: bool | None  # whether the last save of this kind ended well; None: it does not say
    copied_bytes: int | None
    writes: float | None  # while the child lived


NOTHING_TOLD = Told(ok=None, copied_bytes=None, writes=None)


def result_of(ended: Ended, *, renamed: bool | None, told_ok: bool | None) -> Result:
    """How it ended: by its exit status, else by what it left behind, else by what the server says.

    A child that the kernel killed counts as `killed`, and so does a server that it killed beside its child: of two
    processes alike it takes the server (docs/model.md, "Who dies").
    """
    by_kernel = bool(ended.oom_kills)
    if ended.server_ended:
        if by_kernel or _signal(ended.server_exit_status) == SIGKILL:
            return "killed"
        return "unknown" if ended.oom_kills is None and ended.server_exit_status is None else "failed"
    if ended.exit_status is not None:
        if ended.exit_status == 0:
            return "saved"
        return "killed" if _signal(ended.exit_status) == SIGKILL else "failed"
    if by_kernel:
        return "killed"
    for sign in (renamed, told_ok):
        if sign is not None:
            return "saved" if sign else "failed"
    return "unknown"


def _signal(status: int | None) -> int | None:
    return None if status is None else status & 0x7F


class Finisher:
    """Turns ended forks into entries of the book."""

    def __init__(self, ask: Callable[[Ended], Told], sleep: Callable[[float], None] = time.sleep) -> None:
        self._ask = ask
        self._sleep = sleep

    def fork_of(self, ended: Ended, ended_at: float) -> Fork:
        """Everything that can be found out; takes as long as the server takes to answer."""
        told = NOTHING_TOLD if ended.server_ended else self._ask(ended)
        result = result_of(ended, renamed=self._renamed(ended), told_ok=told.ok)
        return Fork(
            cause=ended.cause,
            result=result,
            seconds=ended.lifetime,
            ended_at=ended_at,
            copied_bytes=_copied(ended, told, result),
            predicted_bytes=ended.target.predicted_bytes,
            lesson=_lesson(ended, told, result),
        )

    def _renamed(self, ended: Ended) -> bool | None:
        """Was its file put in place? Only where its exit status was missed. An RDB child does that itself."""
        if ended.file is None or ended.exit_status is not None or ended.server_ended:
            return None
        if ended.cause != "rdb":
            self._sleep(SETTLED_SECONDS)
        return ended.file.renamed()


def _told_copied(told: Told, result: Result) -> int | None:
    return told.copied_bytes if result == "saved" and told.copied_bytes else None


def _copied(ended: Ended, told: Told, result: Result) -> int | None:
    """What the server says, else what was counted; counted before its end, it has grown since as copies do.

    A peak that came long before the end of a child that was followed to it is the peak: it gave pages back.
    """
    said = _told_copied(told, result)
    if said is not None or ended.copied_bytes is None:
        return said
    followed = ended.target.others_bytes is not None
    if followed and ended.lifetime - ended.age_at_copied > LAST_LOOK_SECONDS:
        return ended.copied_bytes
    return round(
        grown_to(ended.lifetime, ended.target.resident_bytes, ended.copied_bytes, counted_at=ended.age_at_copied)
    )


def _lesson(ended: Ended, told: Told, result: Result) -> WatchedFork | None:
    """A save that did not end well says nothing of how long one takes, but what it copied until then it copied."""
    said = _told_copied(told, result)
    copied = said if said is not None else ended.copied_bytes
    seconds = ended.lifetime if said is not None else ended.age_at_copied
    if copied is None or seconds <= 0 or ended.target.resident_bytes <= 0 or result == "unknown":
        return None
    writes = told.writes
    if writes is not None and ended.lifetime > 0:
        writes *= seconds / ended.lifetime
    return WatchedFork(
        resident_bytes=ended.target.resident_bytes,
        copied_bytes=copied,
        seconds=seconds,
        lifetime_seconds=ended.lifetime if result == "saved" else 0.0,
        writes=writes,
    )
