"""Will memory.high throttle the save?

Why: above memory.high the kernel does not kill, it makes every fault slow: the save takes longer, and more is copied.
Source: KERNEL C3, D5.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Cgroup, Unread
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "memory-high-throttles"


def check(evidence: Evidence) -> Finding | None:
    """Compare the expected peak with the smallest memory.high."""
    cgroup, numbers = evidence.server.cgroup, evidence.numbers
    if not isinstance(cgroup, Cgroup) or isinstance(numbers, Unread) or evidence.forks is False:
        return None
    highs = [level.memory_high for level in cgroup.levels if isinstance(level.memory_high, int)]
    if not highs:
        return None
    high, peak = min(highs), numbers.estimate.peak_expected_bytes
    if peak > high:
        return Finding(
            ID,
            "warn",
            f"the expected peak of {format_bytes(peak)} is over memory.high {format_bytes(high)}: faults are throttled",
            "raise memory.high (Kubernetes: memoryThrottlingFactor of the kubelet)",
        )
    return Finding(ID, "pass", f"the expected peak of {format_bytes(peak)} is below memory.high {format_bytes(high)}")


RULE = Rule(ID, check)
