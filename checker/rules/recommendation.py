"""What to change: the smallest limit, or the largest maxmemory, with which the answer becomes better."""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unlimited, Unread
from checker.rules.sizing import carefree_limit_bytes, expected_fits, sufficient_limit_bytes
from checker.rules.words import fits_machine
from checker.units import round_up_size
from checker.verdict import Grade, Recommendation


def recommend(evidence: Evidence, grade: Grade) -> Recommendation:
    """From unsafe: what makes the expected case fit. From risky: the limit with which even the worst case does.

    Either number alone suffices; but where nothing bounds the dataset, no limit does without a maxmemory.
    """
    numbers, limit = evidence.numbers, evidence.limit.value
    if isinstance(limit, Unread) or grade == "safe":
        return Recommendation()
    if isinstance(limit, Unlimited):
        needed = None if isinstance(numbers, Unread) else carefree_limit_bytes(evidence, numbers)
        return Recommendation(limit_bytes=_limit(evidence, needed))
    unbounded = evidence.maxmemory.value == 0 and evidence.server.declared.dataset is None
    if isinstance(numbers, Unread):
        return Recommendation(maxmemory_bytes=_maxmemory(evidence) if unbounded else None)
    if not expected_fits(evidence, numbers, limit):
        needed = sufficient_limit_bytes(evidence, numbers)
        return Recommendation(limit_bytes=_limit(evidence, needed), maxmemory_bytes=_maxmemory(evidence))
    if unbounded:
        return Recommendation(maxmemory_bytes=_maxmemory(evidence))
    if evidence.forks is not False and numbers.estimate.peak_worst_bytes > limit:
        return Recommendation(limit_bytes=_limit(evidence, carefree_limit_bytes(evidence, numbers)))
    return Recommendation()


def _maxmemory(evidence: Evidence) -> int | None:
    return evidence.largest_maxmemory_bytes or None


def _limit(evidence: Evidence, needed: int | None) -> int | None:
    """A limit that people write; None where this machine has not as much, or maxmemory would go with it."""
    if evidence.server.config.maxmemory_follows_limit:
        return None
    size = None if needed is None else round_up_size(needed)
    return size if size is not None and fits_machine(evidence, size) else None
