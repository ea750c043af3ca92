"""Will the kernel's overcommit accounting refuse the fork?

Why: a refused fork fails every save, and with `stop-writes-on-bgsave-error yes` the server then stops taking writes.
Source: model/overcommit.py; mm/util.c __vm_enough_memory().
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.overcommit import Fork
from checker.rules.rule import Rule
from checker.units import format_bytes, format_quantity, round_up_size
from checker.verdict import Finding

ID = "fork-refused"


def check(evidence: Evidence) -> Finding | None:
    """Answer from the fork decision; a granted fork in mode 2 still needs room for the child's own allocations."""
    fork = evidence.fork
    if evidence.forks is False:
        return Finding(ID, "pass", "nothing makes this server fork")
    if evidence.landing_forks:
        return _where_it_may_land(evidence)
    if evidence.node is None or (evidence.server.process is None and fork.outcome == "unknown"):
        return None  # no node, no process: nothing to ask the kernel's rule about
    if fork.outcome == "refused":
        return Finding(ID, "fail", f"the kernel will refuse the fork: {fork.reason}", _remedy(fork))
    if fork.outcome == "unknown":
        remedy = _readable(evidence) if fork.charge_bytes is None else _remedy(fork)
        return Finding(ID, "unknown", f"the kernel may refuse the fork: {fork.reason}", remedy)
    margin = fork.margin_bytes
    needed = fork.tolerance_bytes + fork.child_needs_bytes
    if fork.overcommit_memory == 2 and margin is not None and margin <= needed:
        return Finding(
            ID,
            "warn",
            f"fork is granted with {format_bytes(margin)} to spare, but the child's own allocations are charged too "
            f"and take up to {format_bytes(needed)}: the save may fail",
            _remedy(fork),
        )
    spare = f", {format_bytes(margin)} to spare" if margin is not None else ""
    return Finding(ID, "pass", f"the fork is granted{spare}: {fork.reason}")


def _where_it_may_land(evidence: Evidence) -> Finding:
    """For a pod that is not placed yet: the nodes that it may be put on, of which agents have told."""
    fork, outcomes = evidence.fork, {fork.outcome for _, fork in evidence.landing_forks}
    if fork.outcome == "refused":
        return Finding(ID, "fail", fork.reason, "set vm.overcommit_memory=1 on them, or let the pod go to other nodes")
    if outcomes == {"granted"}:
        return Finding(ID, "pass", fork.reason)
    away = "set vm.overcommit_memory=1 on them, or keep the pod off them (nodeSelector, affinity)"
    return Finding(ID, "warn", fork.reason, away)


def _remedy(fork: Fork) -> str:
    """Mode 1 always helps; what else would, in bytes."""
    always = "set vm.overcommit_memory=1 on the node"
    if fork.margin_bytes is None:
        return always
    missing = format_quantity(round_up_size(fork.tolerance_bytes + fork.child_needs_bytes + 1 - fork.margin_bytes))
    if fork.overcommit_memory == 2:
        return f"{always}, or raise CommitLimit by {missing} (vm.overcommit_kbytes, vm.overcommit_ratio or swap)"
    return f"{always}, or add {missing} of swap or memory"


def _readable(evidence: Evidence) -> str | None:
    """What would make the fact readable that decides."""
    node, process = evidence.node, evidence.server.process
    vmas = process.vmas if process is not None else None
    for fact in (node.overcommit_memory if node else None, vmas):
        if isinstance(fact, Unread) and fact.remedy:
            return fact.remedy
    return "set vm.overcommit_memory=1 on the node"


RULE = Rule(ID, check, decides=True)
