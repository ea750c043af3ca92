"""Does one write copy more than 4 KiB?

Why: before Linux 5.8 a write to a shared transparent huge page copied 2 MiB; kernels with 16 or 64 KiB pages (arm64)
copy a whole one each time. Source: mm/huge_memory.c do_huge_pmd_wp_page(); docs/model.md, "Page size and huge pages".
"""

from __future__ import annotations

from checker.estimate import DEFAULT_PAGE_SIZE_BYTES, Evidence
from checker.facts import Node, Unread, major_minor
from checker.model.cow import BASE_PAGE_COW_KERNEL
from checker.rules.rule import Rule, unread_finding
from checker.units import format_bytes
from checker.verdict import Finding

ID = "huge-page-copies"


def check(evidence: Evidence) -> Finding | None:
    """Compare what one write copies with a page of 4 KiB."""
    node, numbers = evidence.node, evidence.numbers
    if node is None or isinstance(numbers, Unread) or evidence.forks is False:
        return None
    workload = numbers.save.workload
    unit = workload.copy_unit_bytes
    factor = unit // DEFAULT_PAGE_SIZE_BYTES
    if unit > workload.page_size_bytes:
        return Finding(
            ID,
            "warn",
            f"kernel {node.kernel_release} with transparent huge pages 'always' copies {format_bytes(unit)} a write, "
            f"{factor} times a page of 4 KiB",
            "set transparent_hugepage/enabled to madvise or never on the node, or upgrade to Linux 5.8 or later",
        )
    if factor > 1:
        message = f"this machine's pages are {format_bytes(unit)}: each write copies {factor} times as much as on 4 KiB"
        return Finding(ID, "warn", message, "run it on nodes with 4 KiB pages, or leave room for it")
    process, thp = evidence.server.process, node.thp_enabled
    off = process is not None and process.thp_enabled is False
    if not off and (unread := _undecided(node)):
        return unread_finding(ID, "what one write copies is not known", unread)
    if thp == "always" and not off:
        message = "transparent huge pages are 'always': a write copies one page, but khugepaged may copy the rest again"
        return Finding(ID, "warn", message, "keep `disable-thp yes` (the default since Redis 6.2)")
    modes = "unread" if isinstance(thp, Unread) else thp
    here = "off for this process" if off else modes
    return Finding(ID, "pass", f"a write copies one page of {format_bytes(unit)} (transparent huge pages: {here})")


def _undecided(node: Node) -> Unread | None:
    """What keeps us from telling a huge copy from a small one: a kernel, or on an old one the mode, that is unread."""
    version, thp = major_minor(node.kernel_release), node.thp_enabled
    if version is not None and version >= BASE_PAGE_COW_KERNEL:
        return None
    if isinstance(thp, Unread):
        return thp
    if version is None and thp == "always":
        release = node.kernel_release
        return release if isinstance(release, Unread) else Unread("kernel release", f"{release!r} names no version")
    return None


RULE = Rule(ID, check)
