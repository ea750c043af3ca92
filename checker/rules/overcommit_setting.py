"""What does vm.overcommit_memory mean here, and does Redis' famous warning matter?

Why: people set it to 1 and believe that saves are safe; it says nothing about the memory limit, which is what kills.
Information only. Source: KERNEL A8, A9.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.overcommit import SINGLE_VMA_RULE_KERNEL, kernel_version
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
        case 1:
            text = "vm.overcommit_memory=1: forks are never refused; this does not protect against the memory limit"
        case 2:
            taken = f"{_of(node.committed_as)} of {_of(node.commit_limit)}"
            text = f"vm.overcommit_memory=2: {taken} are committed, and a fork adds to it"
        case _:
            text = _mode_0(evidence)
    return Finding(ID, "pass", text)


def _mode_0(evidence: Evidence) -> str:
    node = evidence.node
    assert node is not None  # noqa: S101 - narrowed by check()
    version = kernel_version(node.kernel_release)
    if version is not None and version >= SINGLE_VMA_RULE_KERNEL:
        return (
            f"vm.overcommit_memory=0 on kernel {node.kernel_release}: only a single mapping larger than RAM and swap "
            "is refused; the warning 'Memory overcommit must be enabled' does not matter here"
        )
    return (
        f"vm.overcommit_memory=0 on kernel {node.kernel_release}: a mapping larger than free memory, cache and swap "
        "may be refused, unless jemalloc 4.2 or later maps it without reserve; the warning may matter here"
    )


def _of(value: int | Unread) -> str:
    return "an unread amount" if isinstance(value, Unread) else format_bytes(value)


RULE = Rule(ID, check)
