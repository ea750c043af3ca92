"""Bytes at the peak of a save, the write rate that a limit survives, and the inverses of both.

    peak = base + C + page tables of the child + the child's kernel memory + buffers + files in memory

`base` is what the cgroup holds already and cannot give back. Everything but C, the copies, and what the buffers take
per write is fixed, so the peak is monotone in the write rate and the budget is its exact inverse (docs/model.md).

The inverses begin where the formula for pages that are all alike has its own, or at a straight line; what the formula
leaves out is searched for. Whatever they begin with, they end where one evaluation fits and the next does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from checker.model.cow import (
    copied_bytes,
    copies_of,
    live_copies,
    touched_per_write,
    worst_copied_bytes,
    writes_for_occupancy,
)
from checker.model.lifetime import cpu_stretch_ratio
from checker.model.workload import Workload
from checker.units import KIB

PAGE_TABLE_ENTRY_BYTES = 8

FORK_KERNEL_BYTES = 200 * KIB
"""Task, stack, mm and VMA slabs of the child, charged at once in fork() (kernel/fork.c)."""

SEARCH_RATIO = 1e-9
"""Where the search for a budget ends: far below anything that can be measured, and always on the side that fits."""

STRIDE = 1000.0
"""How much longer each next step away from a guess is: five span all that SEARCH_RATIO tells apart."""

HIGHEST_RATE_PER_SECOND = 1e12
"""No server takes as many writes per second; where even these fit, any rate fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """One child's life: what it works on, for how long, and what stands in memory beside it."""

    workload: Workload
    seconds: float  # without the CPU limit, where there is one
    base_bytes: float  # unreclaimable now: resident, page tables, other processes, tmpfs
    child_page_tables_bytes: float
    buffer_bytes_per_write: float = 0.0  # replica output and AOF rewrite buffers: grow with every write
    buffer_limit_bytes: float = inf  # … up to here
    memory_file_bytes: float = 0.0  # what the save writes to a tmpfs of the same cgroup
    cpu_limit_cores: float | None = None  # None: no limit, or `seconds` was measured or stated with it


def lifetime_seconds(save: Save, write_rate_per_second: float) -> float:
    """How long the child lives at this write rate: writes take CPU time from it, where that is limited."""
    return save.seconds * cpu_stretch_ratio(save.cpu_limit_cores, write_rate_per_second)


def page_table_bytes(resident: float, page: int) -> float:
    """Last-level page tables of `resident` bytes: 8 bytes a page, R/512 with 4 KiB pages (copy_page_range())."""
    return resident * PAGE_TABLE_ENTRY_BYTES / page


def peak_bytes(save: Save, write_rate_per_second: float) -> float:
    """Expected bytes at the peak, at this write rate."""
    return _peaks_of(save)(write_rate_per_second)


def _peaks_of(save: Save) -> Callable[[float], float]:
    """`peak_bytes` of one save, as a function of the write rate."""
    fixed, copies = _fixed_bytes(save), copies_of(save.workload)
    per_write, most = save.buffer_bytes_per_write, save.buffer_limit_bytes

    def peak(rate: float) -> float:
        writes = rate * lifetime_seconds(save, rate)
        return fixed + copies(writes) + (min(most, per_write * writes) if per_write else 0.0)

    return peak


def held_while_saving(save: Save, write_rate_per_second: float) -> Callable[[float, float], float]:
    """Progress (0 … 1) of the child, and copied / predicted → bytes that are held at that moment.

    With all copies as predicted, the peak is the most of it: files in memory and buffers grow until the end.
    """
    writes = write_rate_per_second * lifetime_seconds(save, write_rate_per_second)
    copies, most = live_copies(save.workload, writes), worst_copied_bytes(save.workload)
    fixed, file = _fixed_bytes(save) - save.memory_file_bytes, save.memory_file_bytes
    per_write, limit = save.buffer_bytes_per_write, save.buffer_limit_bytes

    def held(progress: float, ratio: float) -> float:
        buffers = min(limit, per_write * writes * progress) if per_write else 0.0
        return fixed + file * progress + min(most, copies(progress) * ratio) + buffers

    return held


def worst_peak_bytes(save: Save) -> float:
    """Bytes at the peak when every resident page is written while the child lives and the buffers are full."""
    buffers = save.buffer_limit_bytes if save.buffer_bytes_per_write else 0.0
    return _fixed_bytes(save) + worst_copied_bytes(save.workload) + buffers


def write_budget_per_second(save: Save, limit_bytes: float) -> float:
    """Highest write rate whose expected peak fits the limit: infinite where any rate fits, 0 where none does."""
    peaks = _peaks_of(save)
    with_no_write = peaks(0.0)
    if with_no_write > limit_bytes:
        return 0.0
    if peaks(HIGHEST_RATE_PER_SECOND) <= limit_bytes:
        return inf
    begin = _rate_by_formula(save, limit_bytes - with_no_write)
    return largest(lambda rate: peaks(rate) - limit_bytes, begin, HIGHEST_RATE_PER_SECOND)


def _rate_by_formula(save: Save, room_bytes: float) -> float:
    """The budget for pages that are all alike and nothing else that grows; else where to begin."""
    workload = save.workload
    writes = writes_for_occupancy(
        workload.resident_bytes,
        room_bytes,
        pages_per_write=touched_per_write(workload),
        page=workload.copy_unit_bytes,
    )
    rate = 0.0
    for _ in range(5 if save.seconds else 0):  # the writes themselves lengthen the save a little, where CPU is limited
        rate = writes / lifetime_seconds(save, rate)
    return rate


def resident_that_fits(save: Save, write_rate_per_second: float, limit_bytes: float) -> float:
    """Largest resident size of the same kind of data whose expected peak fits, at the same save throughput."""

    def over(resident: float) -> float:
        return peak_bytes(scaled(save, resident), write_rate_per_second) - limit_bytes

    # Without a shape the peak grows along a straight line, from what stays without data to what is needed now.
    resident = save.workload.resident_bytes
    others = max(0.0, save.base_bytes - resident - page_table_bytes(resident, save.workload.page_size_bytes))
    nothing = others + FORK_KERNEL_BYTES + copied_bytes(save.workload, 0.0)
    now = peak_bytes(save, write_rate_per_second)
    begin = (limit_bytes - nothing) / (now - nothing) * resident if nothing < now else limit_bytes
    return largest(over, begin, limit_bytes)


def scaled(save: Save, resident: float) -> Save:
    """The same save of more or less of the same data: keys, time and files grow in proportion, page tables by need."""
    workload, page = save.workload, save.workload.page_size_bytes
    ratio = resident / workload.resident_bytes if workload.resident_bytes else 0.0
    shape = tuple(replace(population, keys=round(population.keys * ratio)) for population in workload.shape)
    more = resident - workload.resident_bytes
    tables = page_table_bytes(more, page)
    return Save(
        workload=replace(workload, resident_bytes=round(resident), shape=shape),
        seconds=save.seconds * ratio,
        base_bytes=max(0.0, save.base_bytes + more + tables),
        child_page_tables_bytes=max(page_table_bytes(resident, page), save.child_page_tables_bytes + tables),
        buffer_bytes_per_write=save.buffer_bytes_per_write,
        buffer_limit_bytes=save.buffer_limit_bytes,
        memory_file_bytes=save.memory_file_bytes * ratio,
        cpu_limit_cores=save.cpu_limit_cores,
    )


def _fixed_bytes(save: Save) -> float:
    return save.base_bytes + save.child_page_tables_bytes + FORK_KERNEL_BYTES + save.memory_file_bytes


def largest(over: Callable[[float], float], begin: float, highest: float) -> float:
    """Largest value in [0, `highest`] at which a growing function is not above 0; 0 where it is nowhere.

    `begin` is a guess: the nearer, the fewer evaluations. The answer is always a value that was tried and found to fit.
    """
    value = min(max(begin, 0.0), highest)
    low, at_low, high, at_high = _step_out(over, value, over(value), highest)
    turn = side = 0
    while high - low > _hair(high):
        # False position (Illinois), which creeps on some curves: every third step halves. None is below half a hair,
        # so that the other end follows at once when one has arrived.
        turn += 1
        middle = low - at_low * (high - low) / (at_high - at_low) if turn % 3 else (low + high) / 2
        middle = min(max(middle, low + _hair(high) / 2), high - _hair(high) / 2)
        found = over(middle)
        if found <= 0:
            low, at_low, at_high = middle, found, at_high / 2 if side < 0 else at_high
            side = -1
        else:
            high, at_high, at_low = middle, found, at_low / 2 if side > 0 else at_low
            side = 1
    return low


def _step_out(
    over: Callable[[float], float], value: float, found: float, highest: float
) -> tuple[float, float, float, float]:
    """A value that fits and a larger one that does not, each with what was found there, around `value`."""
    step = _hair(value)
    while found <= 0 and value < highest:
        above = min(highest, value + step)
        at_above = over(above)
        if at_above > 0:
            return value, found, above, at_above
        value, found, step = above, at_above, step * STRIDE
    while found > 0 and value > 0:
        below = max(0.0, value - step)
        at_below = over(below)
        if at_below <= 0:
            return below, at_below, value, found
        value, found, step = below, at_below, step * STRIDE
    return value, found, value, found  # all of them fit, or none: there is nothing between


def _hair(value: float) -> float:
    return SEARCH_RATIO * max(1.0, value)  # below 1 it is absolute, so that a search near 0 ends
