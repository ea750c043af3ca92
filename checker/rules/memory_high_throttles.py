"""Will memory.high throttle the save?

Why: above memory.high the kernel does not kill, it makes every fault slow: the save takes longer, and more is copied.
Source: mm/memcontrol.c mem_cgroup_handle_over_high(); docs/model.md, "Control groups".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Cgroup, CgroupLevel, Unread
from checker.rules.rule import Rule
from checker.rules.words import named, words_for
from checker.units import format_bytes, format_quantity, round_up_size
from checker.verdict import Finding

ID = "memory-high-throttles"


def check(evidence: Evidence) -> Finding | None:
    """Compare what the save adds with the room below memory.high, on the level that has least."""
    cgroup, numbers = evidence.server.cgroup, evidence.numbers
    if not isinstance(cgroup, Cgroup) or isinstance(numbers, Unread) or evidence.forks is False:
        return None
    own = round(numbers.save.base_bytes) - numbers.others_bytes
    adds = numbers.estimate.peak_expected_bytes - round(numbers.save.base_bytes)
    held = [(level.memory_high, max(own, _held(level))) for level in cgroup.levels]
    bound = [(high, base + adds) for high, base in held if isinstance(high, int)]
    if not bound:
        return None
    high, peak = min(bound, key=lambda each: each[0] - each[1])
    if peak > high:
        raised = format_quantity(round_up_size(peak))
        return Finding(
            ID,
            "warn",
            f"the expected peak of {format_bytes(peak)} is over memory.high {format_bytes(high)}: faults are throttled",
            f"raise {named(evidence, words_for(evidence).high)} to {raised} or more",
        )
    return Finding(ID, "pass", f"the expected peak of {format_bytes(peak)} is below memory.high {format_bytes(high)}")


def _held(level: CgroupLevel) -> int:
    held = level.unreclaimable()
    return 0 if isinstance(held, Unread) else held


RULE = Rule(ID, check)
