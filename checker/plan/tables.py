"""The tables of a plan: what each write rate needs, and what the usual rules of thumb would give."""

from __future__ import annotations

from math import isinf
from typing import Final

from checker.model.peak import write_budget_per_second
from checker.plan.solving import Circumstances
from checker.report.planned import RateRow, ThumbRow
from checker.rules.sizing import expected_fits
from checker.units import MIB

RATES: Final = (100.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0)
"""From a quiet cache to more than one thread writes."""

RULES_OF_THUMB: Final = (("25 % on top", 1.25), ("50 % on top", 1.5), ("twice", 2.0))
"""What documents and managed services advise to leave, as limit / maxmemory."""


def rate_rows(case: Circumstances, maxmemory: int, limit: int, rate: float | None) -> tuple[RateRow, ...]:
    """One row a write rate, that of the plan among them, and the worst case."""
    rates = sorted({*RATES, *(() if rate is None else (rate,))})
    rows = [_rate_row(case, maxmemory, limit, each) for each in rates]
    _, numbers = case.gather(maxmemory, limit, rates[-1])
    estimate = numbers.estimate
    worst = estimate.peak_worst_bytes
    return (*rows, RateRow(None, estimate.save_seconds, estimate.cow_worst_bytes, worst, worst <= limit))


def _rate_row(case: Circumstances, maxmemory: int, limit: int, rate: float) -> RateRow:
    evidence, numbers = case.gather(maxmemory, limit, rate)
    estimate = numbers.estimate
    fits = expected_fits(evidence, numbers, limit)
    return RateRow(rate, estimate.save_seconds, estimate.cow_expected_bytes, estimate.peak_expected_bytes, fits)


def rules_of_thumb(case: Circumstances, maxmemory: int, limit: int, *, limit_known: bool) -> tuple[ThumbRow, ...]:
    """For the limit that was given, the maxmemory of each rule; else for the maxmemory, the limit."""
    return tuple(
        _thumb(case, name, int(limit / factor) // MIB * MIB, limit)
        if limit_known
        else _thumb(case, name, maxmemory, int(maxmemory * factor))
        for name, factor in RULES_OF_THUMB
    )


def _thumb(case: Circumstances, name: str, maxmemory: int, limit: int) -> ThumbRow:
    evidence, numbers = case.gather(maxmemory, limit, 0.0)
    if not expected_fits(evidence, numbers, limit):
        return ThumbRow(name, maxmemory, limit, 0.0)
    budget = write_budget_per_second(numbers.save, limit)
    return ThumbRow(name, maxmemory, limit, None if evidence.forks is False or isinf(budget) else budget)
