"""Will the dataset on disk fit the limit when it is loaded?

Why: a server killed at its limit restarts, loads what it had saved, and is killed again. Source: ANCHORS 3b.9.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.units import format_bytes, format_quantity, round_up_size
from checker.verdict import Finding

ID = "restart-loop"


def check(evidence: Evidence) -> Finding | None:
    """Compare the files in the data directory, compressed as they may be, with the limit."""
    limit, there = evidence.limit.value, evidence.server.volume.files_bytes
    if not isinstance(limit, int) or isinstance(there, Unread) or there == 0:
        return None
    numbers = f"{format_bytes(there)} on disk, limit {format_bytes(limit)}"
    if there > limit:
        return Finding(
            ID,
            "warn",
            f"what is on disk will not fit the limit when it is loaded: {numbers}",
            f"raise resources.limits.memory above {format_quantity(round_up_size(there))}, or rewrite the AOF",
        )
    return Finding(ID, "pass", f"what is on disk fits when it is loaded: {numbers}")


RULE = Rule(ID, check, decides=True)
