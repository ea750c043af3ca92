"""What if all servers of this machine save at once?

Why: `save 60 10000` fires everywhere at the same moment after a burst, and each server was sized as if it were alone.
Source: DESIGN, rules.
"""

from __future__ import annotations

from checker.estimate import Evidence, gather
from checker.facts import Unread
from checker.rules.limit_unset import added_bytes
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "node-forks-together"


def check(evidence: Evidence) -> Finding | None:
    """Add up what every server's save adds, and compare with what the machine has available."""
    node = evidence.node
    if node is None or not evidence.neighbours or evidence.forks is False:
        return None
    if isinstance(node.mem_available, Unread):
        return Finding(ID, "unknown", f"what the machine has available is not known: {node.mem_available}")
    expected = worst = 0
    for server in (evidence.server, *evidence.neighbours):
        each = gather(server, node, evidence.assumptions, evidence.policy)
        if each.forks is not False and not isinstance(each.numbers, Unread):
            added = added_bytes(each.numbers)
            expected, worst = expected + added[0], worst + added[1]
    numbers = (
        f"{len(evidence.neighbours) + 1} servers saving at once add {format_bytes(expected)} expected, "
        f"{format_bytes(worst)} at worst; {format_bytes(node.mem_available)} are available"
    )
    if expected > node.mem_available:
        return Finding(ID, "warn", numbers, "stagger the saves, or move servers to another machine")
    return Finding(ID, "pass", numbers)


RULE = Rule(ID, check, decides=True)
