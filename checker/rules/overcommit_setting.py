"""What does vm.overcommit_memory mean here, and does Redis' famous warning matter?

Why: people set it to 1 and believe that saves are safe; it says nothing about the memory limit, which is what kills.
Information only. Source: mm/util.c __vm_enough_memory(); docs/model.md, "Overcommit: refused or granted".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Node, Unread, major_minor
from checker.model.overcommit import SINGLE_VMA_RULE_KERNEL
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "overcommit-setting"


def check(evidence: Evidence) -> Finding | None:
    """Explain the mode with this machine's numbers."""
    node = evidence.node
    if node is None or isinstance(node.overcommit_memory, Unread):
        return None
    match node.overcommit_memory:
        case 0:
            text = _mode_0(node)
        case 1:
            text = "forks are never refused; this does not protect against the memory limit"
        case 2:
            text = f"{_of(node.committed_as)} of {_of(node.commit_limit)} are committed, and a fork adds to it"
        case _:
            return None
    return Finding(ID, "pass", f"vm.overcommit_memory={node.overcommit_memory}: {text}")


def _mode_0(node: Node) -> str:
    version = major_minor(node.kernel_release)
    if version is None or version < SINGLE_VMA_RULE_KERNEL:
        return (
            "before Linux 5.2 a mapping larger than free memory, cache and swap is refused, unless jemalloc 4.2 or "
            "later made it: the warning 'Memory overcommit must be enabled' may matter here"
        )
    both = (
        _of(node.mem_total + node.swap_total)
        if isinstance(node.mem_total, int) and isinstance(node.swap_total, int)
        else _of(node.mem_total)
    )
    return (
        f"since Linux 5.2 only a single mapping larger than RAM and swap ({both}) is refused; "
        "the warning 'Memory overcommit must be enabled' does not matter here"
    )


def _of(value: int | Unread) -> str:
    return "an unread amount" if isinstance(value, Unread) else format_bytes(value)


RULE = Rule(ID, check)
