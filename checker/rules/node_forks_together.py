"""What if all servers of this machine save at once?

Why: `save 60 10000` fires everywhere at the same moment after a burst, and each server was sized as if it were alone.
Source: redis.conf "save"; docs/model.md, "The peak".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.limit_unset import added_bytes
from checker.rules.rule import Rule, unread_finding
from checker.units import format_bytes, format_quantity, round_up_size
from checker.verdict import Finding

ID = "node-forks-together"


def check(evidence: Evidence) -> Finding | None:
    """Add up what every server's save adds, and compare with what the machine has available."""
    node = evidence.node
    here = [each for each in (evidence, *evidence.neighbours) if each.node is not None and each.forks is not False]
    if node is None or evidence.forks is False or len(here) < 2:
        return None
    if isinstance(node.mem_available, Unread):
        return unread_finding(ID, "what the machine has available is not known", node.mem_available)
    added = [added_bytes(each.numbers) for each in here if not isinstance(each.numbers, Unread)]
    expected, worst = (sum(each) for each in zip(*added, strict=True)) if added else (0, 0)
    missing = len(here) - len(added)
    numbers = (
        f"{len(added)} servers saving at once add {format_bytes(expected)} expected, {format_bytes(worst)} at worst; "
        f"{format_bytes(node.mem_available)} are available"
    ) + (f" ({missing} of unknown size not counted)" if missing else "")
    if expected > node.mem_available:
        short = format_quantity(round_up_size(expected - node.mem_available))
        return Finding(ID, "warn", numbers, f"free {short} on the machine, stagger the saves, or move servers away")
    return Finding(ID, "pass", numbers)


RULE = Rule(ID, check, decides=True)
