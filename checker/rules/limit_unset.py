"""Is there no memory limit at all?

Why: then the machine is the bound, and its OOM killer chooses among everything that runs there.
Source: mm/oom_kill.c; docs/model.md, "Who is killed".
"""

from __future__ import annotations

from checker.estimate import Evidence, Numbers
from checker.facts import Cgroup, Unlimited, Unread
from checker.rules.rule import Rule, unread_finding
from checker.rules.sizing import carefree_limit_bytes
from checker.rules.words import named, set_limit, words_for
from checker.units import format_bytes, format_quantity, round_up_size
from checker.verdict import Finding

ID = "limit-unset"


def check(evidence: Evidence) -> Finding | None:
    """Without a limit, compare what a save adds with what the machine has available."""
    if not isinstance(evidence.limit.value, Unlimited):
        return None
    numbers, node, none = evidence.numbers, evidence.node, _none(evidence)
    if evidence.forks is False:
        return Finding(ID, "pass", f"{none}, and nothing makes this server fork")
    if isinstance(numbers, Unread):
        return Finding(
            ID,
            "warn",
            f"{none}, and the size of the dataset is not known: {numbers.where}: {numbers.why}",
            f"set {named(evidence, words_for(evidence).memory)}, and a maxmemory below it",
        )
    remedy = set_limit(evidence, carefree_limit_bytes(evidence, numbers))
    expected, worst = added_bytes(numbers)
    adds = f"a save adds {format_bytes(expected)} expected, {format_bytes(worst)} at worst"
    if evidence.server.process is None or node is None:
        return Finding(ID, "warn", f"{none}, the node is the bound: {adds}", remedy)
    available = node.mem_available
    if isinstance(available, Unread):
        return unread_finding(ID, f"{none}, and what the machine has is not known", available)
    has = f"the machine has {format_bytes(available)} available"
    if expected > available:
        missing = format_quantity(round_up_size(expected - available))
        way_out = f"free {missing} on the machine, or move the server to a larger one"
        return Finding(ID, "fail", f"{none}; {adds}, and {has}: the kernel will kill", way_out)
    return Finding(ID, "warn", f"{none}, the machine is the bound: {adds}, and {has}", remedy)


def added_bytes(numbers: Numbers) -> tuple[int, int]:
    """What a save adds to what is held already: expected, and at worst."""
    held = round(numbers.save.base_bytes)
    return numbers.estimate.peak_expected_bytes - held, numbers.estimate.peak_worst_bytes - held


def _none(evidence: Evidence) -> str:
    cgroup = evidence.server.cgroup
    if isinstance(cgroup, Cgroup) and cgroup.ancestors_hidden:
        return "no memory limit can be seen from inside (a pod's own cannot)"
    return "there is no memory limit"


RULE = Rule(ID, check, decides=True)
