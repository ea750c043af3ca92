"""Does a CPU limit slow the child, so that more is copied?

Why: copies grow with the time that the child lives, and child and server share the quota.
Source: kernel/sched/fair.c; docs/model.md, "What makes a save longer".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.lifetime import cpu_stretch_ratio
from checker.rules.rule import Rule
from checker.rules.words import named, words_for
from checker.verdict import Finding

ID = "cpu-limit-stretches-save"

NOTICEABLE_RATIO = 1.05
"""Less is within what any save time varies by."""


def check(evidence: Evidence) -> Finding | None:
    """Say by how much the save takes longer than on a core of its own."""
    limit = evidence.server.cpu_limit_cores
    if not isinstance(limit, float | int) or isinstance(evidence.numbers, Unread) or evidence.forks is False:
        return None
    estimate = evidence.numbers.estimate
    ratio = cpu_stretch_ratio(limit, estimate.write_rate_per_second)
    if ratio < NOTICEABLE_RATIO:
        return Finding(ID, "pass", f"the CPU limit of {limit:g} cores leaves the child nearly a core of its own")
    counted = "counted" if evidence.numbers.stretch_ratio > 1 else "the save time used was measured or stated"
    return Finding(
        ID,
        "warn",
        f"the CPU limit of {limit:g} cores makes a save take up to {ratio:.1f} times as long ({counted})",
        f"raise {named(evidence, words_for(evidence).two_cores)}, or remove it",
    )


RULE = Rule(ID, check)
