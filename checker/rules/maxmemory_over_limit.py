"""Does the dataset alone, grown to maxmemory, reach the limit before any fork?

Why: maxmemory counts what the server asked for, the limit counts resident pages; fragmentation lies between them.
Source: docs/model.md, "The peak".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.rules.sizing import grown_bytes, sufficient_limit_bytes
from checker.rules.words import raise_limit
from checker.units import format_bytes, format_redis_memory
from checker.verdict import Finding

ID = "maxmemory-over-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare maxmemory × fragmentation, and what the limit holds beside it, with the limit."""
    limit, grown, numbers = evidence.limit.value, grown_bytes(evidence), evidence.numbers
    if not isinstance(limit, int) or grown is None or isinstance(numbers, Unread):
        return None  # maxmemory-unset and limit-unset speak of these
    others = numbers.others_bytes
    maxmemory = numbers.estimate.maxmemory_bytes or 0
    said = f"maxmemory {format_bytes(maxmemory)} × fragmentation {evidence.fragmentation_ratio:g}"
    said += f" = {format_bytes(grown)}" + (f", beside {format_bytes(others)} of others," if others else "")
    if grown + others < limit:
        return Finding(ID, "pass", f"{said} stays below the limit of {format_bytes(limit)}")
    fits = evidence.largest_maxmemory_bytes
    lower = f"lower maxmemory to {format_redis_memory(fits)}, or " if fits else ""
    return Finding(
        ID,
        "fail",
        f"{said} reaches the limit of {format_bytes(limit)}"
        + (", and nothing makes it fork" if evidence.forks is False else " before any fork"),
        lower + raise_limit(evidence, sufficient_limit_bytes(evidence, numbers)),
    )


RULE = Rule(ID, check, decides=True)
