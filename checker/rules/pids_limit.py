"""Does pids.max leave room for the child?

Why: fork() then fails with EAGAIN, which looks like a memory problem in the server's log and is none.
Source: KERNEL A12.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Cgroup, Unlimited, Unread
from checker.rules.rule import Rule
from checker.verdict import Finding

ID = "pids-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare pids.current with pids.max on the level with least room."""
    cgroup = evidence.server.cgroup
    if evidence.forks is False or not isinstance(cgroup, Cgroup):
        return None
    limit, current = cgroup.pids_max, cgroup.pids_current
    if isinstance(limit, Unlimited):
        return Finding(ID, "pass", "pids.max is not set")
    if isinstance(limit, Unread) or isinstance(current, Unread):
        return Finding(
            ID, "unknown", f"pids.max could not be compared: {limit if isinstance(limit, Unread) else current}"
        )
    numbers = f"{current} of pids.max {limit} are taken"
    if current >= limit:
        return Finding(ID, "fail", f"{numbers}: fork will fail with EAGAIN", f"raise pids.max above {current + 1}")
    return Finding(ID, "pass", numbers)


RULE = Rule(ID, check)
