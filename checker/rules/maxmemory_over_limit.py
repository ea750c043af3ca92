"""Does the dataset alone, grown to maxmemory, reach the limit before any fork?

Why: maxmemory counts what the server asked for, the limit counts resident pages; fragmentation lies between them.
Source: DOMAIN §3.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.units import format_bytes, format_redis_memory, round_down_size
from checker.verdict import Finding

ID = "maxmemory-over-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare maxmemory × fragmentation with the limit."""
    limit, declared = evidence.limit.value, evidence.server.declared.maxmemory
    maxmemory = evidence.server.config.maxmemory if declared is None else declared
    if not isinstance(limit, int) or isinstance(maxmemory, Unread) or maxmemory == 0:
        return None  # maxmemory-unset and limit-unset speak of these
    ratio = evidence.assumptions.fragmentation_ratio or evidence.policy.fragmentation_ratio
    grown = round(maxmemory * ratio)
    numbers = f"maxmemory {format_bytes(maxmemory)} × fragmentation {ratio:g} = {format_bytes(grown)}"
    if grown >= limit:
        fits = format_redis_memory(round_down_size(int((limit - 1) / ratio)))
        return Finding(
            ID,
            "fail",
            f"{numbers} reaches the limit of {format_bytes(limit)} before any fork",
            f"lower maxmemory below {fits}, and further for the copies of a save, or raise resources.limits.memory",
        )
    return Finding(ID, "pass", f"{numbers} stays below the limit of {format_bytes(limit)}")


RULE = Rule(ID, check, decides=True)
