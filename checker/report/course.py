"""What pictures show: memory over the time of a save, and the write rate that each limit holds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from checker.model.doubt import Doubt, doubt_of
from checker.model.peak import Save, held_while_saving, lifetime_seconds, peak_bytes, worst_peak_bytes

STEPS = 96
"""Points of a curve: more cannot be told apart in a picture."""

LOWEST_RATE, HIGHEST_RATE = 10.0, 1e6
"""Write rates between which a budget is drawn."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Bytes held at a moment of the save: expected, and where nine in ten recorded forks would lie."""

    seconds: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A save, from the fork to the end of the child."""

    before_bytes: float  # held between saves
    seconds: float
    moments: tuple[Moment, ...]
    worst_bytes: float
    limit_bytes: int | None
    killed_at_seconds: float | None  # None: the expected case fits, or there is no limit
    doubt: Doubt


def course_of(save: Save, write_rate_per_second: float, limit_bytes: int | None, worst_bytes: float) -> Course:
    """Memory over time, at one write rate."""
    held, doubt = held_while_saving(save, write_rate_per_second), doubt_of(save.workload)
    seconds = lifetime_seconds(save, write_rate_per_second)
    moments = tuple(
        Moment(
            seconds * progress, held(progress, 1.0), held(progress, doubt.low_ratio), held(progress, doubt.high_ratio)
        )
        for progress in (step / STEPS for step in range(STEPS + 1))
    )
    return Course(
        before_bytes=save.base_bytes,
        seconds=seconds,
        moments=moments,
        worst_bytes=worst_bytes,
        limit_bytes=limit_bytes,
        killed_at_seconds=None if limit_bytes is None else _crossing(moments, limit_bytes),
        doubt=doubt,
    )


def _crossing(moments: tuple[Moment, ...], limit: int) -> float | None:
    """When the expected case passes the limit, on the straight line between two moments."""
    if moments[0].expected > limit:
        return 0.0
    for before, after in pairwise(moments):
        if after.expected > limit:
            share = (limit - before.expected) / (after.expected - before.expected)
            return before.seconds + share * (after.seconds - before.seconds)
    return None


def budgets(save: Save) -> tuple[tuple[float, float], ...]:
    """(limit in bytes, the highest write rate that it holds), from the smallest limit that holds any."""
    rates = [LOWEST_RATE * (HIGHEST_RATE / LOWEST_RATE) ** (step / STEPS) for step in range(STEPS + 1)]
    highest = worst_peak_bytes(save)
    return tuple((needed, rate) for rate in rates if (needed := peak_bytes(save, rate)) <= highest)
