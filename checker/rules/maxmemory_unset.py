"""Is there a memory limit, and nothing that keeps the dataset below it?

Why: without maxmemory the data grows until the limit kills the server, with or without a fork; nothing can be computed
about a size that nothing bounds. Source: redis.conf "maxmemory"; docs/model.md, "The peak".
"""

from __future__ import annotations

from dataclasses import replace

from checker.engines import FORKING
from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule, unread_finding
from checker.units import format_bytes, format_redis_memory
from checker.verdict import Finding, Status

ID = "maxmemory-unset"


def check(evidence: Evidence) -> Finding | None:
    """Fail where a forking server has a limit and no bound; warn where it never forks."""
    server, limit, maxmemory = evidence.server, evidence.limit.value, evidence.maxmemory
    if not isinstance(limit, int):
        return None
    if server.engine.name not in FORKING:
        return Finding(ID, "pass", f"{server.engine.name} does not fork to save")
    bound = maxmemory.value
    if isinstance(bound, int) and bound > 0:
        return Finding(ID, "pass", f"maxmemory {format_bytes(bound)} bounds the dataset ({maxmemory.source})")
    if server.declared.dataset is not None:
        declared = format_bytes(server.declared.dataset)
        return Finding(ID, "pass", f"the dataset is declared to be {declared} (annotation bgsafe.io/dataset)")
    if isinstance(bound, Unread):
        return unread_finding(ID, "maxmemory is not known", _declarable(evidence, bound))
    status: Status = "warn" if evidence.forks is False else "fail"
    message = f"nothing bounds the dataset below the limit of {format_bytes(limit)}: maxmemory is not set"
    return Finding(ID, status, message, _remedy(evidence))


def _declarable(evidence: Evidence, bound: Unread) -> Unread:
    """The owner of a manifest may know what it does not say."""
    if not _by_manifest(evidence):
        return bound
    return replace(bound, remedy=f"{bound.remedy}, or declare it: annotation bgsafe.io/maxmemory")


def _remedy(evidence: Evidence) -> str:
    fits = evidence.largest_maxmemory_bytes
    at_most = f"at most {format_redis_memory(fits)}" if fits else "well below the limit"
    also = ", on the primary too: a replica follows it" if evidence.server.config.replicaof is True else ""
    where = " (args: --maxmemory, or redis.conf)" if _by_manifest(evidence) else ""
    return f"set maxmemory, {at_most}{where}{also}"


def _by_manifest(evidence: Evidence) -> bool:
    return evidence.server.subject.source in ("manifest", "cluster")


RULE = Rule(ID, check, decides=True)
