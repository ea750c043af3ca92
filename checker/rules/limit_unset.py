"""Is there no memory limit at all?

Why: then the machine is the bound, and its OOM killer chooses among everything that runs there. Source: DESIGN, verdict
table; KERNEL B8.
"""

from __future__ import annotations

from checker.estimate import Evidence, Numbers
from checker.facts import Unlimited, Unread
from checker.rules.rule import Rule
from checker.units import format_bytes, format_quantity, round_up_size
from checker.verdict import Finding

ID = "limit-unset"


def check(evidence: Evidence) -> Finding | None:
    """Without a limit, compare what a save adds with what the machine has available."""
    if not isinstance(evidence.limit.value, Unlimited):
        return None
    numbers, node = evidence.numbers, evidence.node
    if isinstance(numbers, Unread):
        return Finding(ID, "warn", "there is no memory limit: the node is the bound", "set resources.limits.memory")
    if evidence.forks is False:
        return Finding(ID, "pass", "there is no memory limit, and nothing makes this server fork")
    remedy = f"set a memory limit of {format_quantity(round_up_size(numbers.estimate.peak_worst_bytes))}"
    expected, worst = added_bytes(numbers)
    adds = f"a save adds {format_bytes(expected)} expected, {format_bytes(worst)} at worst"
    if evidence.server.process is None or node is None:
        return Finding(ID, "warn", f"there is no memory limit, the node is the bound: {adds}", remedy)
    available = node.mem_available
    if isinstance(available, Unread):
        return Finding(ID, "unknown", f"no memory limit, and what the machine has is not known: {available}", remedy)
    has = f"the machine has {format_bytes(available)} available"
    if expected > available:
        return Finding(ID, "fail", f"there is no memory limit; {adds}, and {has}: the kernel will kill", remedy)
    return Finding(ID, "warn", f"there is no memory limit, the machine is the bound: {adds}, and {has}", remedy)


def added_bytes(numbers: Numbers) -> tuple[int, int]:
    """What a save adds to what is held already: expected, and at worst."""
    base = numbers.save.base_bytes
    return round(numbers.estimate.peak_expected_bytes - base), round(numbers.estimate.peak_worst_bytes - base)


RULE = Rule(ID, check, decides=True)
