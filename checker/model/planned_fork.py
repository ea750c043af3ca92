"""Would a kernel grant the fork of a server that does not run there yet?

Its mappings are not known, but what it will hold is: at least its resident bytes are mapped, and in mode 2 (where
jemalloc reserves nothing, see docs/model.md) all of them are charged twice, by the server and by its child.
"""

from __future__ import annotations

from typing import Literal

from checker.facts import Node, Unread, major_minor
from checker.model.overcommit import CHILD_MALLOC_BYTES, SINGLE_VMA_RULE_KERNEL, Fork, counter_slack_pages
from checker.units import format_bytes

USER_RESERVE_RATIO = 32
"""Mode 2 keeps a 32nd of the process's own size back (mm/util.c __vm_enough_memory())."""


def judge_planned_fork(node: Node, resident: int) -> Fork:
    """Refused only where no moment on this node would grant it; unknown where the moment decides, or a fact is missing.

    `resident` is what the server holds when it forks, in bytes.
    """
    match node.overcommit_memory:
        case 1:
            return _fork(node, "granted", "vm.overcommit_memory=1 never refuses a fork for memory")
        case 0:
            return _mode_0(node, resident)
        case 2:
            return _mode_2(node, resident)
    return _fork(node, "unknown", f"vm.overcommit_memory: {node.overcommit_memory}")


def _mode_0(node: Node, resident: int) -> Fork:
    """One mapping against RAM and swap (Linux 5.2 and later), or against what is free (before)."""
    version = major_minor(node.kernel_release)
    if version is None:
        return _fork(node, "unknown", f"vm.overcommit_memory=0, and the kernel's release: {node.kernel_release}")
    if version < SINGLE_VMA_RULE_KERNEL:
        free = node.guess_free
        # Free memory shrinks by the server itself before the largest possible mapping is compared with it.
        if isinstance(free, int) and 2 * resident <= free:
            return _fork(node, "granted", f"vm.overcommit_memory=0, with {format_bytes(free)} free")
        what = format_bytes(free) if isinstance(free, int) else "an unread amount of memory"
        why = f"vm.overcommit_memory=0 before Linux 5.2, with {what} free: jemalloc is granted it, libc malloc may not"
        return _fork(node, "unknown", why)
    if isinstance(node.mem_total, Unread) or isinstance(node.swap_total, Unread):
        return _fork(node, "unknown", "vm.overcommit_memory=0, and RAM or swap is unread")
    total = node.mem_total + node.swap_total
    if resident <= total:
        why = f"vm.overcommit_memory=0: no single mapping is larger than RAM and swap, {format_bytes(total)}"
        return _fork(node, "granted", why, resident, total)
    why = f"vm.overcommit_memory=0: {format_bytes(resident)} is more than RAM and swap, {format_bytes(total)}"
    return _fork(node, "unknown", why, resident, total)


def _mode_2(node: Node, resident: int) -> Fork:
    """The server and its child against CommitLimit, with all that others have committed by now, and without."""
    facts = (node.commit_limit, node.committed_as, node.mem_total, node.cpu_count)
    for fact in facts:
        if isinstance(fact, Unread):
            return _fork(node, "unknown", f"vm.overcommit_memory=2, and {fact}")
    limit, committed, total, cpus = (fact for fact in facts if not isinstance(fact, Unread))
    page, cpus = node.page_size_bytes, max(1, cpus)
    tolerance = cpus * counter_slack_pages(total // page, cpus) * page
    own = resident // USER_RESERVE_RATIO
    most = limit - (min(own, node.user_reserve_kbytes) if isinstance(node.user_reserve_kbytes, int) else own)
    allowed = most - (node.admin_reserve_kbytes if isinstance(node.admin_reserve_kbytes, int) else 0)
    charge = 2 * resident
    taken = f"{format_bytes(committed)} of {format_bytes(limit)} are committed"
    if charge > most + tolerance:
        why = f"vm.overcommit_memory=2: CommitLimit is {format_bytes(limit)}, and the server with its child takes more"
        return _fork(node, "refused", why, charge, allowed)
    if committed + charge + tolerance + CHILD_MALLOC_BYTES <= allowed:
        return _fork(node, "granted", f"vm.overcommit_memory=2: {taken}", charge, allowed)
    return _fork(node, "unknown", f"vm.overcommit_memory=2: {taken} at present", charge, allowed)


def _fork(
    node: Node,
    outcome: Literal["granted", "refused", "unknown"],
    reason: str,
    charge: int | None = None,
    allowed: int | None = None,
) -> Fork:
    mode = node.overcommit_memory
    return Fork(
        outcome=outcome,
        overcommit_memory=mode if isinstance(mode, int) else None,
        charge_bytes=charge,
        allowed_bytes=allowed,
        reason=reason,
    )
