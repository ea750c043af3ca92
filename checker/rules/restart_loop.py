"""Will the dataset on disk fit the limit when it is loaded?

Why: a server killed at its limit restarts, loads what it had saved, and is killed again. A compressed RDB takes more
memory than disk; an AOF may take less, so a server that has loaded its data is the better witness.
Source: src/rdb.c rdbLoad(), src/aof.c loadAppendOnlyFiles().
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.rules.words import raise_limit
from checker.units import format_bytes
from checker.verdict import Finding

ID = "restart-loop"


def check(evidence: Evidence) -> Finding | None:
    """Compare the files in the data directory with the limit, where what a load takes is not resident already."""
    limit, there = evidence.limit.value, evidence.server.volume.files_bytes
    if not isinstance(limit, int) or isinstance(there, Unread) or there == 0:
        return None
    numbers = f"{format_bytes(there)} on disk, limit {format_bytes(limit)}"
    if there <= limit:
        return Finding(ID, "pass", f"what is on disk is smaller than the limit: {numbers}")
    if _has_loaded(evidence):
        return Finding(ID, "pass", f"what is on disk is loaded, and the limit holds it: {numbers}")
    return Finding(
        ID,
        "warn",
        f"what is on disk may not fit the limit when it is loaded: {numbers}",
        f"{raise_limit(evidence, there)}, or rewrite the AOF",
    )


def _has_loaded(evidence: Evidence) -> bool:
    """A server that says it is not loading, with an AOF: what it has in memory is what the AOF holds."""
    server = evidence.server
    told = server.process is not None and server.info is not None and server.info.loading is False
    return told and server.config.appendonly is True


RULE = Rule(ID, check, decides=True)
