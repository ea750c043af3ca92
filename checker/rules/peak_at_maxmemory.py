"""Will a save still fit once the data has grown to maxmemory?

Why: the verdict is on the next fork, with the memory that is resident now; a cache keeps growing until maxmemory.
Source: model/peak.py scaled(); docs/model.md, "The peak".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.rules.sizing import grown_peak_bytes, sufficient_limit_bytes
from checker.rules.words import raise_limit
from checker.units import format_bytes, format_redis_memory
from checker.verdict import Finding

ID = "peak-at-maxmemory"


def check(evidence: Evidence) -> Finding | None:
    """Scale the save to maxmemory × fragmentation and compare its expected peak with the limit."""
    limit, numbers = evidence.limit.value, evidence.numbers
    if not isinstance(limit, int) or isinstance(numbers, Unread) or evidence.forks is False:
        return None
    peak = grown_peak_bytes(evidence, numbers)
    if peak is None:
        return None  # it is judged at maxmemory already, or nothing bounds it
    message = f"grown to maxmemory {format_bytes(numbers.estimate.maxmemory_bytes or 0)}, a save peaks at "
    if peak > limit:
        fits = evidence.largest_maxmemory_bytes
        lower = f"lower maxmemory to {format_redis_memory(fits)}, or " if fits else ""
        remedy = lower + raise_limit(evidence, sufficient_limit_bytes(evidence, numbers))
        return Finding(ID, "warn", f"{message}{format_bytes(peak)}, over the limit of {format_bytes(limit)}", remedy)
    return Finding(ID, "pass", f"{message}{format_bytes(peak)}, within the limit of {format_bytes(limit)}")


RULE = Rule(ID, check)
