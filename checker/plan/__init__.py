"""`bgsafe plan`: from any two of maxmemory, limit and write rate the third, judged as a server of that size is."""

from __future__ import annotations

from math import isfinite, isinf

from checker.model.doubt import doubt_of
from checker.plan.snippets import snippets
from checker.plan.solving import LARGEST_BYTES, Circumstances, highest_rate, largest_maxmemory, smallest_limit
from checker.plan.subject import Persistence, Wish, dataset_bytes, node_of, parse_engine, server_of
from checker.plan.tables import rate_rows, rules_of_thumb
from checker.plan.words import answer, roomier
from checker.policy import Assumptions, Policy
from checker.report.planned import Plan, Unknown
from checker.rules import judge
from checker.units import MIB, format_bytes, format_count, format_quantity, format_redis_memory
from checker.verdict import Verdict

__all__ = ["Persistence", "PlanError", "Wish", "parse_engine", "plan"]


class PlanError(ValueError):
    """What was asked for contradicts itself or cannot be; the message has the numbers, and what would do."""


def plan(wish: Wish, assumptions: Assumptions, policy: Policy) -> tuple[Plan, Verdict]:
    """Answer, and judge the answer. Raises PlanError."""
    _check_sizes(wish, assumptions)
    case = Circumstances(wish, assumptions, policy)
    maxmemory, limit, rate = _maxmemory(case), wish.limit, assumptions.write_rate_per_second
    asked_for: Unknown | None = None
    if maxmemory is not None and limit is not None:
        if rate is None:
            asked_for, rate = "write rate", _rate(case, maxmemory, limit)
    elif limit is not None:
        asked_for, maxmemory = "maxmemory", _largest_maxmemory(case, limit, rate)
    elif maxmemory is not None:
        asked_for, limit = "limit", smallest_limit(case, maxmemory, rate)
    else:
        raise PlanError(
            "give two of --maxmemory, --limit and --write-rate, and the third follows; with one of the sizes alone, "
            f"{format_count(policy.write_rate_per_second)} writes/s are assumed (policy: {policy.source})"
        )
    return _planned(case, asked_for, maxmemory, limit, rate)


def _planned(
    case: Circumstances, asked_for: Unknown | None, maxmemory: int, limit: int, rate: float | None
) -> tuple[Plan, Verdict]:
    evidence, numbers = case.gather(maxmemory, limit, rate)
    server = server_of(case.wish, maxmemory, limit)
    verdict = judge(server, node_of(case.wish), case.stated(maxmemory, rate), case.policy)
    forks = evidence.forks is not False
    held = None if rate is None and asked_for == "write rate" else numbers.estimate.write_rate_per_second
    return (
        Plan(
            asked_for=asked_for,
            answer=answer(case, asked_for, evidence, numbers, maxmemory=maxmemory, limit=limit, rate=held),
            maxmemory_bytes=maxmemory,
            limit_bytes=limit,
            write_rate_per_second=held if forks else None,
            rates=rate_rows(case, maxmemory, limit, held) if forks else (),
            rules_of_thumb=rules_of_thumb(case, maxmemory, limit, limit_known=asked_for == "maxmemory"),
            snippets=snippets(case.wish, maxmemory, limit, held if forks else None),
            doubt=str(doubt_of(numbers.save.workload)),
            roomier=roomier(case, asked_for, maxmemory=maxmemory, limit=limit, rate=held) if forks else None,
        ),
        verdict,
    )


def _check_sizes(wish: Wish, assumptions: Assumptions) -> None:
    for option, size in (("--maxmemory", wish.maxmemory), ("--limit", wish.limit)):
        if size == 0:
            meaning = ' (0 is Redis\' own "no limit", which no memory limit holds)' if option == "--maxmemory" else ""
            raise PlanError(f"{option} 0: a plan needs a size{meaning}")
        if size is not None and not MIB <= size <= LARGEST_BYTES:
            span = f"{format_bytes(MIB)} to {format_bytes(LARGEST_BYTES)}"
            raise PlanError(f"{option} is {format_bytes(size)}: sizes from {span} can be planned")
    rate = assumptions.write_rate_per_second
    if rate is not None and not isfinite(rate):
        raise PlanError(f"--write-rate {rate} is not a number of writes per second")


def _maxmemory(case: Circumstances) -> int | None:
    """What was stated, or what the stated keys take, to the next MiB."""
    stated, keys = case.wish.maxmemory, case.assumptions.keys
    if keys is None:
        return stated
    data = dataset_bytes(keys, case.assumptions, case.wish.engine, case.page_size_bytes)
    if data > LARGEST_BYTES:
        raise PlanError(f"{format_count(keys)} keys take {format_bytes(data)}: more than any machine has")
    if stated is None:
        return -(-int(data) // MIB) * MIB
    if data > stated:
        raise PlanError(
            f"{format_count(keys)} keys with values of {case.assumptions.value_bytes} bytes take {format_bytes(data)}, "
            f"more than --maxmemory {format_bytes(stated)}: give fewer keys, or leave --maxmemory out"
        )
    return stated


def _rate(case: Circumstances, maxmemory: int, limit: int) -> float | None:
    """The highest write rate; None where any fits."""
    rate = highest_rate(case, maxmemory, limit)
    if rate is not None:
        return None if isinf(rate) else rate
    needed = format_quantity(smallest_limit(case, maxmemory, 0.0))
    lower = largest_maxmemory(case, limit, 0.0)
    ways = f"a limit of {needed}" + (f", or maxmemory {format_redis_memory(lower)}" if lower else "")
    raise PlanError(
        f"--limit {format_quantity(limit)} does not hold --maxmemory {format_redis_memory(maxmemory)} at any write "
        f"rate: it takes {ways}, before the first write"
    )


def _largest_maxmemory(case: Circumstances, limit: int, rate: float | None) -> int:
    found = largest_maxmemory(case, limit, rate)
    if found:
        return found
    needed = format_quantity(smallest_limit(case, MIB, rate))
    raise PlanError(f"--limit {format_quantity(limit)} holds no maxmemory at all: 1mb takes a limit of {needed}")
