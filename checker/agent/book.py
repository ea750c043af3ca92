"""What the agent remembers: of every server the forks that it watched, by the labels under which it is published.

A server that is restarted comes back under the same labels, and its history with it; one that has gone is forgotten
after `KEEP_SECONDS`, so that its last fork, which may have killed it, can still be scraped.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from checker.facts import WatchedFork
from checker.model.calibration import REMEMBERED_FORKS

KEEP_SECONDS: Final = 600.0
"""A judgement: many times any scrape interval."""

ERROR_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Of |predicted − copied| / copied: the bars of docs/accuracy.md, and what lies far outside them."""

Cause = Literal["rdb", "aof", "replication", "other"]
Result = Literal["saved", "failed", "killed", "unknown"]


class Labels(NamedTuple):
    """Under which a server is published."""

    namespace: str
    pod: str
    container: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A fork that has ended."""

    cause: Cause
    result: Result
    seconds: float  # lifetime of the child
    ended_at: float  # Unix time
    copied_bytes: int | None  # None: nobody could count them
    predicted_bytes: int | None  # before it happened; None: nothing could be predicted
    lesson: WatchedFork | None  # None: it teaches nothing

    def error_ratio(self) -> float | None:
        """|predicted − copied| / copied, of a save that ended well."""
        if self.copied_bytes is None or self.predicted_bytes is None or self.result != "saved" or not self.copied_bytes:
            return None
        return abs(self.predicted_bytes - self.copied_bytes) / self.copied_bytes


@dataclass(slots=True)
class History:
    """Of one server."""

    forks: Counter[tuple[Cause, Result]] = field(default_factory=Counter)
    last: Fork | None = None
    lessons: deque[WatchedFork] = field(default_factory=lambda: deque(maxlen=REMEMBERED_FORKS))
    errors: list[int] = field(default_factory=lambda: [0] * (len(ERROR_BUCKETS) + 1))  # by bucket; the last is +Inf
    error_sum: float = 0.0
    gone_since: float | None = None  # monotonic

    def add(self, fork: Fork) -> None:
        """Write down a fork."""
        self.forks[fork.cause, fork.result] += 1
        self.last = fork
        if fork.lesson is not None:
            self.lessons.append(fork.lesson)
        error = fork.error_ratio()
        if error is not None:
            bucket = next((i for i, bound in enumerate(ERROR_BUCKETS) if error <= bound), len(ERROR_BUCKETS))
            self.errors[bucket] += 1
            self.error_sum += error


class Book:
    """All histories. Scans read it, ended forks are written into it from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._histories: dict[Labels, History] = {}

    def add(self, labels: Labels, fork: Fork) -> None:
        """Write down a fork."""
        with self._lock:
            self._histories.setdefault(labels, History()).add(fork)

    def lessons(self, labels: Labels) -> tuple[WatchedFork, ...]:
        """What the forks of a server taught, newest last."""
        with self._lock:
            history = self._histories.get(labels)
            return tuple(history.lessons) if history else ()

    def present(self, labels: frozenset[Labels], now: float) -> None:
        """Say who is there; the others are forgotten in time. `now` is monotonic."""
        with self._lock:
            for each in labels:
                self._histories.setdefault(each, History()).gone_since = None
            for each, history in list(self._histories.items()):
                if each in labels:
                    continue
                history.gone_since = now if history.gone_since is None else history.gone_since
                if now - history.gone_since > KEEP_SECONDS:
                    del self._histories[each]

    def copy(self) -> Mapping[Labels, History]:
        """All of it, as it is now."""
        with self._lock:
            return {
                labels: History(
                    Counter(each.forks), each.last, deque(each.lessons), list(each.errors), each.error_sum,
                    each.gone_since,
                )
                for labels, each in self._histories.items()
            }  # fmt: skip
