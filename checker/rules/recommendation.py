"""What to change: the smallest limit, or the largest maxmemory, with which the answer becomes better."""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.maxmemory_unset import largest_maxmemory_bytes
from checker.units import MIB, round_up_size
from checker.verdict import Grade, Recommendation


def recommend(evidence: Evidence, grade: Grade) -> Recommendation:
    """From unsafe: what makes the expected case fit. From risky: the limit with which even the worst case does."""
    numbers, limit = evidence.numbers, evidence.limit.value
    if isinstance(numbers, Unread) or grade == "safe":
        return Recommendation()
    estimate = numbers.estimate
    if not isinstance(limit, int):
        return Recommendation(
            limit_bytes=None if isinstance(limit, Unread) else round_up_size(estimate.peak_worst_bytes)
        )
    if estimate.peak_expected_bytes > limit:
        needed = max(estimate.peak_expected_bytes, _grown_bytes(evidence) + MIB)
        return Recommendation(
            limit_bytes=round_up_size(needed), maxmemory_bytes=largest_maxmemory_bytes(evidence, limit) or None
        )
    if estimate.maxmemory_bytes == 0 or _grown_bytes(evidence) >= limit:
        return Recommendation(maxmemory_bytes=largest_maxmemory_bytes(evidence, limit) or None)
    if estimate.peak_worst_bytes > limit:
        return Recommendation(limit_bytes=round_up_size(estimate.peak_worst_bytes))
    return Recommendation()


def _grown_bytes(evidence: Evidence) -> int:
    maxmemory = evidence.server.config.maxmemory
    ratio = evidence.assumptions.fragmentation_ratio or evidence.policy.fragmentation_ratio
    return 0 if isinstance(maxmemory, Unread) else round(maxmemory * ratio)
