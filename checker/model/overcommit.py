"""Will fork() be granted by the kernel's overcommit accounting?

fork() charges every VMA whose smaps VmFlags have `ac` and not `dc`; resident size plays no part (dup_mmap() in
kernel/fork.c, mm/mmap.c since 7.x). What the charge is compared with depends on vm.overcommit_memory
(__vm_enough_memory() in mm/util.c). Source: docs/model.md; checked against recorded forks on kernels 5.10 to 7.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from checker.facts import Maybe, Node, Process, Unread, Vma, major_minor
from checker.units import MIB, format_bytes

SINGLE_VMA_RULE_KERNEL = (5, 2)
"""Mode 0 compares one mapping with all of RAM and swap since commit 8c7829b04c52 (Linux 5.2)."""

GUESS_TOLERANCE_RATIO = 0.05
"""Before 5.2 mode 0 compares with free memory, which moves between our look and the fork: a judgement, of MemTotal."""

CHILD_MALLOC_BYTES = 4 * MIB
"""Mode 2: what the child itself allocates while saving, for a server started in mode 2 (measured: up to 0.8 MB)."""

CHILD_EXTENT_RATIO = 0.25
"""Mode 2, server started in mode 0 or 1: the child's next extent is charged whole (measured: 192 of 900 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Will fork() be granted? `unknown` at the kernel's own tolerance, or where a fact is missing: the reason says.

    `charge_bytes` and `allowed_bytes` are what the kernel compares: mode 0, the largest single mapping with RAM and
    swap; mode 2, the sum of the mappings with CommitLimit less the reserves, of which `committed_bytes` are taken.
    """

    outcome: Literal["granted", "refused", "unknown"]
    overcommit_memory: int | None
    charge_bytes: int | None
    allowed_bytes: int | None
    reason: str
    committed_bytes: int | None = None
    tolerance_bytes: int = 0
    child_needs_bytes: int = 0  # mode 2: what a granted fork still needs to become a finished save

    @property
    def margin_bytes(self) -> int | None:
        """Room that is left after the charge; the kernel grants where it is positive, within the tolerance."""
        if self.charge_bytes is None or self.allowed_bytes is None:
            return None
        return self.allowed_bytes - (self.committed_bytes or 0) - self.charge_bytes


def judge_fork(node: Node, process: Process) -> Fork:
    """Decide from what was read. Cheap exits come first, so that VMAs are needed only where they decide."""
    mode = node.overcommit_memory
    match mode:
        case Unread():
            return _unknown(None, f"vm.overcommit_memory is unread: {mode}")
        case 0:
            return _judge_mode_0(node, process)
        case 1:
            return Fork(
                outcome="granted",
                overcommit_memory=1,
                charge_bytes=None,
                allowed_bytes=None,
                reason="vm.overcommit_memory=1: the kernel never refuses a fork for memory",
            )
        case 2:
            return _judge_mode_2(node, process)
    return _unknown(None, f"vm.overcommit_memory={mode} is not a mode that Linux knows (0, 1 or 2)")


def charged_vmas(vmas: tuple[Vma, ...]) -> tuple[Vma, ...] | None:
    """The mappings that fork charges, in address order; None where VmFlags were not read (maps instead of smaps)."""
    if any(vma.flags is None for vma in vmas):
        return None
    return tuple(vma for vma in vmas if vma.flags is not None and "ac" in vma.flags and "dc" not in vma.flags)


def counter_slack_pages(mem_total_pages: int, cpu_count: int) -> int:
    """Pages by which the kernel's per-CPU commit counter may be off on one CPU (mm_compute_batch() in mm/mm_init.c)."""
    return _batch_pages(mem_total_pages, cpu_count) - 1


def _batch_pages(mem_total_pages: int, cpu_count: int) -> int:
    return max(mem_total_pages // cpu_count // 256, 2 * cpu_count, 32)


def _unknown(mode: int | None, reason: str) -> Fork:
    return Fork(outcome="unknown", overcommit_memory=mode, charge_bytes=None, allowed_bytes=None, reason=reason)


# --- mode 0: guess ---------------------------------------------------------------------------------------------------


def _judge_mode_0(node: Node, process: Process) -> Fork:
    version = major_minor(node.kernel_release)
    if version is None:
        new, old = _judge_single_vma(node, process), _judge_free_memory(node, process)
        if new.outcome == old.outcome:
            return new
        return _unknown(0, f"kernel release {node.kernel_release}: mode 0 differs before and since Linux 5.2")
    return _judge_single_vma(node, process) if version >= SINGLE_VMA_RULE_KERNEL else _judge_free_memory(node, process)


def _judge_single_vma(node: Node, process: Process) -> Fork:
    """Linux 5.2 and later: refused iff one charged mapping is larger than MemTotal + SwapTotal. Exact."""
    if isinstance(node.mem_total, Unread) or isinstance(node.swap_total, Unread):
        return _unknown(0, "MemTotal or SwapTotal of /proc/meminfo is unread")
    allowed = node.mem_total + node.swap_total
    bound = f"RAM and swap, {format_bytes(allowed)}"

    def fork(outcome: Literal["granted", "refused"], charge: int | None, reason: str) -> Fork:
        return Fork(outcome=outcome, overcommit_memory=0, charge_bytes=charge, allowed_bytes=allowed, reason=reason)

    largest = _largest_charged(process, allowed)
    if largest is not None:
        outcome: Literal["granted", "refused"] = "refused" if largest > allowed else "granted"
        relation = "more than" if largest > allowed else "not more than"
        return fork(outcome, largest, f"mode 0: the largest mapping is {format_bytes(largest)}, {relation} {bound}")
    if isinstance(process.vm_size, int) and process.vm_size <= allowed:
        whole = f"mode 0: the whole process ({format_bytes(process.vm_size)} virtual) is not more than {bound}"
        return fork("granted", None, f"{whole}, so no single mapping is")
    return _unknown(
        0, f"mode 0 compares the largest mapping with {bound}, and the mappings are unread: {_why(process)}"
    )


def _judge_free_memory(node: Node, process: Process) -> Fork:
    """Before Linux 5.2: refused iff one charged mapping is as large as free memory, page cache and swap (A3)."""
    if isinstance(node.guess_free, Unread):
        return _unknown(0, f"mode 0 before Linux 5.2 compares with free memory, which is unread: {node.guess_free}")
    reserve = 0 if process.cap_sys_admin is True else _known(node.admin_reserve_kbytes, 0)
    allowed = max(0, node.guess_free - reserve)
    largest = _largest_charged(process, allowed)
    exact = largest is not None
    if largest is None:
        if isinstance(process.vm_size, Unread):
            return _unknown(0, f"mode 0: neither mappings nor VmSize could be read: {process.vm_size}")
        largest = process.vm_size
    tolerance = int(_known(node.mem_total, allowed) * GUESS_TOLERANCE_RATIO)
    outcome: Literal["granted", "refused", "unknown"] = "unknown"
    if largest < allowed - tolerance:
        outcome = "granted"
    elif exact and largest >= allowed + tolerance:
        outcome = "refused"
    return Fork(
        outcome=outcome,
        overcommit_memory=0,
        charge_bytes=largest if exact else None,
        allowed_bytes=allowed,
        tolerance_bytes=tolerance,
        reason=f"mode 0 before Linux 5.2: {'the largest mapping' if exact else 'at most'} {format_bytes(largest)} "
        f"against {format_bytes(allowed)} of free memory, cache and swap, which moves",
    )


def _largest_charged(process: Process, bound: int) -> int | None:
    """Bytes of the largest charged mapping; maps alone give it too where no private mapping exceeds `bound`."""
    if isinstance(process.vmas, Unread):
        return None
    charged = charged_vmas(process.vmas)
    if charged is not None:
        return max((vma.size for vma in charged), default=0)
    largest = max((vma.size for vma in process.vmas if vma.perms.endswith("p")), default=0)
    return largest if largest <= bound else None


# --- mode 2: never ---------------------------------------------------------------------------------------------------


def _judge_mode_2(node: Node, process: Process) -> Fork:
    """Refused iff Committed_AS + Σ charged ≥ CommitLimit − reserves, within the tolerance of the kernel's counter."""
    facts = (node.commit_limit, node.committed_as, node.mem_total, node.cpu_count, process.vm_size)
    for fact in facts:
        if isinstance(fact, Unread):
            return _unknown(2, f"mode 2 cannot be decided: {fact}")
    commit_limit, committed, mem_total, cpu_count, vm_size = (fact for fact in facts if not isinstance(fact, Unread))
    page = node.page_size_bytes
    cpus = max(1, cpu_count)
    slack = counter_slack_pages(mem_total // page, cpus) * page
    user_reserve = min(vm_size // 32, _known(node.user_reserve_kbytes, vm_size // 32)) // page * page
    admin_reserve = _known(node.admin_reserve_kbytes, 8 * MIB) // page * page
    # Where the capability is unread, the answer must hold with and without it: the reserve joins the tolerance.
    certain_reserve = admin_reserve if process.cap_sys_admin is False else 0
    doubt = admin_reserve if isinstance(process.cap_sys_admin, Unread) else 0
    allowed = commit_limit // page * page - user_reserve - certain_reserve

    def fork(outcome: Literal["granted", "refused", "unknown"], charge: int | None, tolerance: int, why: str) -> Fork:
        return Fork(
            outcome=outcome,
            overcommit_memory=2,
            charge_bytes=charge,
            allowed_bytes=allowed,
            committed_bytes=committed,
            tolerance_bytes=tolerance,
            child_needs_bytes=_child_needs(process),
            reason=why,
        )

    charged = None if isinstance(process.vmas, Unread) else charged_vmas(process.vmas)
    if charged is None:
        if committed + vm_size + cpus * slack + doubt < allowed:
            least = allowed - committed - vm_size
            return fork(
                "granted", None, cpus * slack, f"mode 2: at least {format_bytes(least)} stay free of the charge"
            )
        return fork(
            "unknown", None, cpus * slack, f"mode 2: the mappings that fork charges are unread: {_why(process)}"
        )

    charge = sum(vma.size for vma in charged)
    margin = allowed - committed - charge
    residue = _residue_pages([vma.size // page for vma in charged], slack // page + 1)
    if residue is None:
        tolerance = cpus * slack
    else:
        tolerance = (cpus - 1) * slack
        margin += residue * page
    taken = f"{format_bytes(committed)} of {format_bytes(allowed)} are committed"
    numbers = f"mode 2: fork charges {format_bytes(charge)}; {taken}"
    if margin - doubt > tolerance:
        return fork("granted", charge, tolerance + doubt, numbers)
    if margin <= -tolerance:
        return fork("refused", charge, tolerance, numbers)
    close = f"within the kernel's own tolerance of {format_bytes(tolerance + doubt)}: it may refuse"
    return fork("unknown", charge, tolerance + doubt, f"{numbers}, {close}")


def _residue_pages(charged_pages: list[int], batch: int) -> int | None:
    """Pages that this CPU's slot of the commit counter still hides after the last charge (lib/percpu_counter.c).

    A charge of at least 2·batch − 1 pages empties the slot whatever was in it; what follows adds up unfolded until it
    reaches the batch. None where no charge is that large: then the slot's content is not known.
    """
    residue: int | None = None
    for pages in charged_pages:
        if pages >= 2 * batch - 1:
            residue = 0
        elif residue is not None:
            residue = 0 if residue + pages >= batch else residue + pages
    return residue


def _child_needs(process: Process) -> int:
    """Commit that the child's own allocations take, after a granted fork in mode 2."""
    charged = None if isinstance(process.vmas, Unread) else charged_vmas(process.vmas)
    resident = _known(process.rss_anon, 0)
    if charged is not None and sum(vma.size for vma in charged) >= resident:
        return CHILD_MALLOC_BYTES  # the heap is charged: the server was started in mode 2
    return max(CHILD_MALLOC_BYTES, int(resident * CHILD_EXTENT_RATIO))


def _known(value: Maybe[int], otherwise: int) -> int:
    return otherwise if isinstance(value, Unread) else value


def _why(process: Process) -> str:
    return str(process.vmas) if isinstance(process.vmas, Unread) else "VmFlags of smaps were not read"
