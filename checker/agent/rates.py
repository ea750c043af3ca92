"""How much a server is written to, from what INFO said again and again.

`rdb_changes_since_last_save` counts writes; a save sets it back to those since its fork, and a restart to nothing. So
only the growth between two answers with the same last save counts, and what lies across a save is made up for by what
remains after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from checker.facts import Maybe, Unread
from checker.probes.redis_info import count

WINDOW_SECONDS: Final = 300.0
"""A judgement: the rate of the last minutes. A busier hour before is for Prometheus to remember."""

LEAST_SECONDS: Final = 1.0
"""Answers that lie closer together say more about chance than about a rate."""

MOST_SAMPLES: Final = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer."""

    at: float  # monotonic
    changes: int
    saved: str  # what differs after a save, and after a restart

    @classmethod
    def of(cls, at: float, fields: Mapping[str, str], where: str) -> Sample | Unread:
        """Take it from INFO; Unread where the server does not count."""
        changes = count(fields, "rdb_changes_since_last_save", where)
        if isinstance(changes, Unread):
            return changes
        saved = (fields.get(name, "") for name in ("run_id", "rdb_last_save_time", "rdb_saves"))
        return cls(at, changes, " ".join(saved))


def growth_per_second(first: Sample, last: Sample) -> float | None:
    """Writes a second between two answers; None where a save or a restart lies between them, or hardly any time."""
    if last.saved != first.saved or last.changes < first.changes or last.at - first.at < LEAST_SECONDS:
        return None
    return (last.changes - first.changes) / (last.at - first.at)


def writes_between(samples: Sequence[Sample], start: float, end: float) -> float | None:
    """Writes while a child lived, from the last answer before it and the newest after its end.

    After an RDB save the count holds the writes since its fork; after anything else it has gone on growing.
    """
    before = [sample for sample in samples if sample.at <= start]
    after = [sample for sample in samples if sample.at >= end]
    if not before or not after or end <= start:
        return None
    first, last = before[-1], after[-1]
    if last.saved == first.saved:
        rate = growth_per_second(first, last)
        return None if rate is None else rate * (end - start)
    if last.saved.split(" ")[0] != first.saved.split(" ")[0]:
        return None  # another process: it was restarted
    return last.changes * (end - start) / (last.at - start)


@dataclass(slots=True)
class WriteRate:
    """Of one server."""

    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=MOST_SAMPLES))

    def add(self, sample: Sample) -> None:
        """Take in an answer; after a restart all before it is forgotten."""
        if self.samples and self.samples[-1].saved.split(" ")[0] != sample.saved.split(" ")[0]:
            self.samples.clear()
        self.samples.append(sample)

    def per_second(self, now: float, where: str) -> Maybe[float]:
        """The last growth, or its mean over the window: the larger, so that one quiet moment hides nothing."""
        pairs = zip(self.samples, list(self.samples)[1:], strict=False)
        recent = [(first, last) for first, last in pairs if now - last.at <= WINDOW_SECONDS]
        rates = [
            (rate, last.at - first.at) for first, last in recent if (rate := growth_per_second(first, last)) is not None
        ]
        if not rates:
            return Unread(f"INFO rdb_changes_since_last_save of {where}", "asked only once so far", "wait a moment")
        mean = sum(rate * seconds for rate, seconds in rates) / sum(seconds for _, seconds in rates)
        return max(rates[-1][0], mean)
