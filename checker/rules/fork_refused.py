"""Will the kernel's overcommit accounting refuse the fork?

Why: a refused fork fails every save, and with `stop-writes-on-bgsave-error yes` the server then stops taking writes.
Source: model/overcommit.py; KERNEL A, E.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "fork-refused"

REMEDY = "set vm.overcommit_memory=1 on the node, or leave more of CommitLimit free"


def check(evidence: Evidence) -> Finding | None:
    """Answer from the fork decision; a granted fork in mode 2 still needs room for the child's own allocations."""
    fork = evidence.fork
    if evidence.forks is False:
        return Finding(ID, "pass", "nothing makes this server fork")
    if evidence.node is None or (evidence.server.process is None and fork.outcome == "unknown"):
        return None  # no node, no process: nothing to ask the kernel's rule about
    if fork.outcome == "refused":
        return Finding(ID, "fail", f"the kernel will refuse the fork: {fork.reason}", REMEDY)
    if fork.outcome == "unknown":
        return Finding(ID, "unknown", f"the kernel may refuse the fork: {fork.reason}", REMEDY)
    margin = fork.margin_bytes
    needed = fork.tolerance_bytes + fork.child_needs_bytes
    if fork.overcommit_memory == 2 and margin is not None and margin <= needed:
        return Finding(
            ID,
            "warn",
            f"fork is granted with {format_bytes(margin)} to spare, but the child's own allocations are charged too "
            f"and take up to {format_bytes(needed)}: the save may fail",
            REMEDY,
        )
    spare = f", {format_bytes(margin)} to spare" if margin is not None else ""
    return Finding(ID, "pass", f"the fork is granted{spare}: {fork.reason}")


RULE = Rule(ID, check, decides=True)
