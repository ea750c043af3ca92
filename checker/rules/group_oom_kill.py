"""Who dies when the copies overrun the limit?

Why: with memory.oom.group=1, the kubelet's default on cgroup v2 since 1.28, an OOM in the child takes everything in the
container; Redis' own `oom-score-adj` cannot help. Without it the kernel takes the larger process: the server.
Source: KERNEL B8, D2.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.verdict import Finding

ID = "group-oom-kill"


def check(evidence: Evidence) -> Finding | None:
    """Speak only where a kill is possible: a limit, and a worst case beyond it."""
    limit, numbers = evidence.limit.value, evidence.numbers
    if not isinstance(limit, int) or isinstance(numbers, Unread) or evidence.forks is False:
        return None
    if numbers.estimate.peak_worst_bytes <= limit:
        return Finding(ID, "pass", "even the worst case fits the limit: nothing is killed")
    group = evidence.server.oom_group
    if isinstance(group, Unread):
        return Finding(ID, "unknown", f"who would be killed is not known: {group}", group.remedy or None)
    if group:
        return Finding(
            ID,
            "warn",
            "memory.oom.group is 1: an OOM during the save kills everything in the container, the server too",
            "raise resources.limits.memory; or singleProcessOOMKill: true in the kubelet (1.32 and later)",
        )
    if evidence.server.config.oom_score_adj is True:
        return Finding(ID, "pass", "memory.oom.group is 0 and oom-score-adj is yes: the child dies, not the server")
    return Finding(
        ID,
        "warn",
        "an OOM during the save kills the server, not the child: it is the larger of the two",
        "set oom-score-adj yes in redis.conf, which sends the kernel to the child first",
    )


RULE = Rule(ID, check)
