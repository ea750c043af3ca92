"""Who dies when the copies overrun the limit?

Why: with memory.oom.group=1, the kubelet's default on cgroup v2 since 1.28, an OOM in the child takes everything in the
container; Redis' own `oom-score-adj` cannot help. Without it the kernel takes the larger process: the server.
Source: mm/oom_kill.c oom_badness(); docs/model.md, "Who is killed".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule, unread_finding
from checker.rules.sizing import carefree_limit_bytes
from checker.rules.words import SYSTEMD, named, raise_limit, words_for
from checker.verdict import Finding

ID = "group-oom-kill"


def check(evidence: Evidence) -> Finding | None:
    """Speak only where a kill is possible: a limit, and a worst case beyond it."""
    limit, numbers = evidence.limit.value, evidence.numbers
    if not isinstance(limit, int) or isinstance(numbers, Unread) or evidence.forks is False:
        return None
    if numbers.estimate.peak_worst_bytes <= limit:
        return Finding(ID, "pass", "even the worst case fits the limit: nothing is killed")
    group, words = evidence.server.oom_group, words_for(evidence)
    assumed = ""
    if isinstance(group, Unread):
        if evidence.server.subject.source not in ("manifest", "cluster", "plan"):
            return unread_finding(ID, "who would be killed is not known", group)
        assumed = " (assumed: what the kubelet sets on cgroup v2 since Kubernetes 1.28)"
    if group:
        raised = raise_limit(evidence, carefree_limit_bytes(evidence, numbers))
        return Finding(
            ID,
            "warn",
            f"memory.oom.group is 1{assumed}: an OOM during the save kills everything in the container, the server too",
            f"{raised}; or {named(evidence, words.kill_one)}, with oom-score-adj yes in redis.conf",
        )
    if evidence.server.config.oom_score_adj is True:
        stops = ", then systemd stops the service unless OOMPolicy=continue" if words is SYSTEMD else ""
        said = "memory.oom.group is 0 and oom-score-adj is yes: the child is killed first, at times the server with it"
        return Finding(ID, "pass", said + stops)
    return Finding(
        ID,
        "warn",
        "an OOM during the save kills the server, not the child: it is the larger of the two",
        "set oom-score-adj yes in redis.conf: the child is killed first, and in most cases it alone",
    )


RULE = Rule(ID, check)
