"""Is there a memory limit, and nothing that keeps the dataset below it?

Why: without maxmemory the data grows until the limit kills the server, with or without a fork; nothing can be computed
about a size that nothing bounds. Source: DESIGN, verdict table; ANCHORS 3b.
"""

from __future__ import annotations

from checker.engines import FORKING
from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.peak import resident_that_fits
from checker.rules.rule import Rule
from checker.units import format_bytes, format_redis_memory, round_down_size
from checker.verdict import Finding, Status

ID = "maxmemory-unset"


def check(evidence: Evidence) -> Finding | None:
    """Fail where a forking server has a limit and no bound; warn where it never forks."""
    server, limit = evidence.server, evidence.limit.value
    if not isinstance(limit, int):
        return None
    if server.engine.name not in FORKING:
        return Finding(ID, "pass", f"{server.engine.name} does not fork to save")
    if server.declared.maxmemory is not None or server.declared.dataset is not None:
        return Finding(ID, "pass", "the dataset is declared by annotation")
    maxmemory = server.config.maxmemory
    if isinstance(maxmemory, Unread):
        return Finding(ID, "unknown", f"maxmemory is not known: {maxmemory}", maxmemory.remedy or None)
    if maxmemory > 0:
        source = server.config.sources.get("maxmemory", "its default")
        return Finding(ID, "pass", f"maxmemory {format_bytes(maxmemory)} bounds the dataset ({source})")
    status: Status = "warn" if evidence.forks is False else "fail"
    message = f"nothing bounds the dataset below the limit of {format_bytes(limit)}: maxmemory is not set"
    return Finding(ID, status, message, _remedy(evidence, limit))


def _remedy(evidence: Evidence, limit: int) -> str:
    fits = largest_maxmemory_bytes(evidence, limit)
    return f"set maxmemory, at most {format_redis_memory(fits)}" if fits else "set maxmemory below the limit"


def largest_maxmemory_bytes(evidence: Evidence, limit: int) -> int:
    """The largest maxmemory, in whole MiB, whose expected peak fits; 0 where none does or nothing is known."""
    if isinstance(evidence.numbers, Unread) or evidence.numbers.save.workload.resident_bytes <= 0:
        return 0
    numbers = evidence.numbers
    resident = resident_that_fits(numbers.save, numbers.estimate.write_rate_per_second, limit)
    return round_down_size(int(resident / numbers.fragmentation_ratio))


RULE = Rule(ID, check, decides=True)
