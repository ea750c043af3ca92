"""Does the expected case fit the limit?

Why: this is the save that gets the server killed at today's write rate. A server that never forks is judged on its
resident memory alone. Source: model/peak.py; DOMAIN §2, §3.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unlimited, Unread
from checker.rules.rule import Rule
from checker.units import format_bytes, format_count, format_quantity, round_up_size
from checker.verdict import Estimate, Finding

ID = "expected-peak-over-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare the expected peak, or without a fork the resident size, with the limit."""
    limit = evidence.limit.value
    if isinstance(limit, Unlimited):
        return None
    if isinstance(limit, Unread):
        return Finding(ID, "unknown", f"the memory limit is not known: {limit}", limit.remedy or None)
    if isinstance(evidence.numbers, Unread):
        return _without_numbers(evidence, evidence.numbers)
    estimate = evidence.numbers.estimate
    if evidence.forks is False:
        return _resident_alone(round(evidence.numbers.save.base_bytes), limit)
    peak = estimate.peak_expected_bytes
    numbers = (
        f"at {format_count(estimate.write_rate_per_second)} writes/s a save of {estimate.save_seconds:.1f} s "
        f"peaks at {format_bytes(peak)}"
    )
    if peak > limit:
        return Finding(
            ID,
            "fail",
            f"{numbers}, {format_bytes(peak - limit)} over the limit of {format_bytes(limit)}: the kernel kills",
            f"raise resources.limits.memory to {format_quantity(round_up_size(peak))}, lower maxmemory, "
            f"or write less while it saves{_budget(estimate)}",
        )
    return Finding(ID, "pass", f"{numbers}, {format_bytes(limit - peak)} below the limit of {format_bytes(limit)}")


def _without_numbers(evidence: Evidence, why: Unread) -> Finding | None:
    if evidence.forks is False and evidence.server.process is None:
        return None  # it never forks and its size is not measured: maxmemory-unset has the word
    return Finding(ID, "unknown", f"the peak cannot be computed: {why}", why.remedy or None)


def _resident_alone(held: int, limit: int) -> Finding:
    numbers = f"it never forks, and holds {format_bytes(held)} of the limit of {format_bytes(limit)}"
    if held > limit:
        return Finding(ID, "fail", numbers, f"raise resources.limits.memory to {format_quantity(round_up_size(held))}")
    return Finding(ID, "pass", numbers)


def _budget(estimate: Estimate) -> str:
    budget = estimate.write_budget_per_second
    return f" (at most {format_count(budget)}/s)" if budget else ""


RULE = Rule(ID, check, decides=True)
