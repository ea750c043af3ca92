"""Will a save still fit once the data has grown to maxmemory?

Why: the verdict is on the next fork, with the memory that is resident now; a cache keeps growing until maxmemory.
Source: DOMAIN §3.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.peak import peak_bytes, scaled
from checker.rules.maxmemory_unset import largest_maxmemory_bytes
from checker.rules.rule import Rule
from checker.units import format_bytes, format_redis_memory
from checker.verdict import Finding

ID = "peak-at-maxmemory"


def check(evidence: Evidence) -> Finding | None:
    """Scale the save to maxmemory × fragmentation and compare its expected peak with the limit."""
    limit, numbers, maxmemory = evidence.limit.value, evidence.numbers, evidence.server.config.maxmemory
    if not isinstance(limit, int) or isinstance(numbers, Unread) or isinstance(maxmemory, Unread) or maxmemory == 0:
        return None
    grown = maxmemory * numbers.fragmentation_ratio
    resident = numbers.save.workload.resident_bytes
    if evidence.server.process is None or evidence.forks is False or not 0 < resident < grown:
        return None  # a manifest is judged at maxmemory already
    peak = round(peak_bytes(scaled(numbers.save, grown), numbers.estimate.write_rate_per_second))
    message = f"grown to maxmemory {format_bytes(maxmemory)}, a save peaks at {format_bytes(peak)}"
    if peak > limit:
        fits = largest_maxmemory_bytes(evidence, limit)
        remedy = f"lower maxmemory to {format_redis_memory(fits)}" if fits else "raise resources.limits.memory"
        return Finding(ID, "warn", f"{message}, over the limit of {format_bytes(limit)}", remedy)
    return Finding(ID, "pass", f"{message}, within the limit of {format_bytes(limit)}")


RULE = Rule(ID, check)
