"""The first line of a plan: the answer, with its numbers."""

from __future__ import annotations

from math import inf

from checker.estimate import Evidence, Numbers
from checker.plan.solving import Circumstances, highest_rate, largest_maxmemory, smallest_limit
from checker.report.planned import Unknown
from checker.rules.sizing import expected_fits
from checker.units import format_bytes, format_quantity, format_rate, format_redis_memory


def answer(
    case: Circumstances,
    asked_for: Unknown | None,
    evidence: Evidence,
    numbers: Numbers,
    *,
    maxmemory: int,
    limit: int,
    rate: float | None,
) -> str:
    """One sentence; `rate` None: any."""
    data, size = f"maxmemory {format_redis_memory(maxmemory)}", format_quantity(limit)
    if evidence.forks is False:
        fits = expected_fits(evidence, numbers, limit)
        held = f"limit {size} {'holds' if fits else 'does not hold'} {data}"
        return f"{held}: nothing makes it fork" if fits else f"{held}, and nothing makes it fork"
    worst = f"the worst case needs {format_bytes(numbers.estimate.peak_worst_bytes)}"
    if rate is None:
        return f"limit {size} holds {data} at any write rate: {worst}"
    assumed = " (assumed)" if case.assumptions.write_rate_per_second is None else ""
    at = f"at {format_rate(rate)} writes/s{assumed}"
    if asked_for == "limit":
        return f"{data} {at} needs a limit of {size}; {worst}"
    if asked_for == "write rate":
        return f"limit {size} with {data} holds up to {format_rate(rate)} writes/s; {worst}"
    if asked_for == "maxmemory":
        return f"limit {size} holds {data} {at}; {worst}"
    if not expected_fits(evidence, numbers, limit):
        return f"limit {size} does not hold {data} {at}: it takes {_ways(case, maxmemory, limit, rate)}; {worst}"
    most = highest_rate(case, maxmemory, limit)
    up_to = "at any write rate" if most == inf else f"up to {format_rate(most or 0)}"
    return f"limit {size} holds {data} {at}, {up_to}; {worst}"


MORE_WRITES_RATIO = 1.1
"""Real saves on the edge were killed or not; with a tenth more writes planned for, none was (docs/plan.md, "Tried")."""


def roomier(
    case: Circumstances, asked_for: Unknown | None, *, maxmemory: int, limit: int, rate: float | None
) -> str | None:
    """The answer is an edge: what it is a step away from it."""
    if rate is None or rate <= 0:
        return None
    more = rate * MORE_WRITES_RATIO
    if asked_for == "limit":
        return f"a tenth more writes need a limit of {format_quantity(smallest_limit(case, maxmemory, more))}"
    if asked_for == "maxmemory" and (lower := largest_maxmemory(case, limit, more)):
        return f"for a tenth more writes, maxmemory {format_redis_memory(lower)}"
    return None


def _ways(case: Circumstances, maxmemory: int, limit: int, rate: float) -> str:
    ways = [f"a limit of {format_quantity(smallest_limit(case, maxmemory, rate))}"]
    if case.assumptions.keys is None and (lower := largest_maxmemory(case, limit, rate)):
        ways.append(f"maxmemory {format_redis_memory(lower)}")
    most = highest_rate(case, maxmemory, limit)
    if most:
        ways.append(f"at most {format_rate(most)} writes/s")
    return ", or ".join(ways)
