"""Does the expected case fit the limit?

Why: this is the save that gets the server killed at today's write rate. A server that never forks is judged on its
resident memory alone. Source: model/peak.py; docs/model.md, "The peak".
"""

from __future__ import annotations

from checker.estimate import Evidence, Numbers
from checker.facts import Unlimited, Unread
from checker.rules.rule import Rule, unread_finding
from checker.rules.sizing import sufficient_limit_bytes
from checker.rules.words import raise_limit
from checker.units import format_bytes, format_count, format_rate, format_redis_memory
from checker.verdict import Finding

ID = "expected-peak-over-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare the expected peak, or without a fork the resident size, with the limit."""
    limit, numbers = evidence.limit.value, evidence.numbers
    if isinstance(limit, Unlimited):
        return None
    if isinstance(limit, Unread):
        return unread_finding(ID, "the memory limit is not known", limit)
    if isinstance(numbers, Unread):
        return _without_numbers(evidence, numbers)
    if evidence.forks is False:
        return _resident_alone(evidence, numbers, limit)
    estimate = numbers.estimate
    peak = estimate.peak_expected_bytes
    said = (
        f"at {format_count(estimate.write_rate_per_second)} writes/s a save of {estimate.save_seconds:.1f} s "
        f"peaks at {format_bytes(peak)}"
    )
    if peak > limit:
        return Finding(
            ID,
            "fail",
            f"{said}, {format_bytes(peak - limit)} over the limit of {format_bytes(limit)}: {_then(evidence)}",
            _remedy(evidence, numbers),
        )
    return Finding(ID, "pass", f"{said}, {format_bytes(limit - peak)} below the limit of {format_bytes(limit)}")


def _without_numbers(evidence: Evidence, why: Unread) -> Finding | None:
    if evidence.server.process is None and evidence.server.info is None:
        return None  # nothing but maxmemory could tell: maxmemory-unset has the word
    return unread_finding(ID, "the peak cannot be computed", why)


def _resident_alone(evidence: Evidence, numbers: Numbers, limit: int) -> Finding:
    held = round(numbers.save.base_bytes)
    said = f"it never forks, and {format_bytes(held)} of the limit of {format_bytes(limit)} are held"
    if held > limit:
        return Finding(ID, "fail", said, raise_limit(evidence, sufficient_limit_bytes(evidence, numbers)))
    return Finding(ID, "pass", said)


def _then(evidence: Evidence) -> str:
    """What the kernel does at the limit; swap that the control group may use only puts it off."""
    node, level = evidence.node, evidence.limit_level
    if node is None or level is None or level.swap_max == 0 or node.swap_free == 0:
        return "the kernel kills"
    return "the kernel swaps, then kills"


def _remedy(evidence: Evidence, numbers: Numbers) -> str:
    ways = [raise_limit(evidence, sufficient_limit_bytes(evidence, numbers))]
    if fits := evidence.largest_maxmemory_bytes:
        ways.append(f"lower maxmemory to {format_redis_memory(fits)}")
    if budget := numbers.estimate.write_budget_per_second:
        ways.append(f"write less while it saves (at most {format_rate(budget)}/s)")
    return ", or ".join(ways)


RULE = Rule(ID, check, decides=True)
