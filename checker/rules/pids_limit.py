"""Does pids.max leave room for the child?

Why: fork() then fails with EAGAIN, which looks like a memory problem in the server's log and is none.
Source: kernel/cgroup/pids.c pids_can_fork().
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Cgroup, Unlimited, Unread
from checker.rules.rule import Rule, unread_finding
from checker.rules.words import named, words_for
from checker.verdict import Finding

ID = "pids-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare pids.current with pids.max on the level with least room; a child of this moment will have gone."""
    cgroup, process = evidence.server.cgroup, evidence.server.process
    if evidence.forks is False or not isinstance(cgroup, Cgroup):
        return None
    limit, current = cgroup.pids_max, cgroup.pids_current
    if isinstance(limit, Unlimited):
        return Finding(ID, "pass", "pids.max is not set")
    if isinstance(limit, Unread):
        return unread_finding(ID, "pids.max could not be read", limit)
    if isinstance(current, Unread):
        return unread_finding(ID, "pids.current could not be read", current)
    if process is not None and process.child is not None:
        current -= 1
    numbers = f"{current} of pids.max {limit} are taken"
    if current >= limit:
        remedy = f"raise {named(evidence, words_for(evidence).pids)} to {current + 1} or more"
        return Finding(ID, "fail", f"{numbers}: fork will fail with EAGAIN", remedy)
    return Finding(ID, "pass", numbers)


RULE = Rule(ID, check)
