"""Bytes at the peak of a save, the write rate that a limit survives, and the inverses of both.

    peak = base + C + page tables of the child + the child's kernel memory + buffers + files in memory

`base` is what the cgroup holds already and cannot give back. Everything but C, the copies, and what the buffers take
per write is fixed, so the peak is monotone in the write rate and the budget is its exact inverse (docs/model.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from checker.model.cow import copied_bytes, worst_copied_bytes
from checker.model.workload import Workload
from checker.units import KIB

PAGE_TABLE_ENTRY_BYTES = 8

FORK_KERNEL_BYTES = 200 * KIB
"""Task, stack, mm and VMA slabs of the child, charged at once in fork() (kernel/fork.c)."""

SEARCH_RATIO = 1e-9
"""Where the search for a budget ends: far below anything that can be measured, and always on the side that fits."""

HIGHEST_RATE_PER_SECOND = 1e12
"""No server takes as many writes per second; where even these fit, any rate fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """One child's life: what it works on, for how long, and what stands in memory beside it."""

    workload: Workload
    seconds: float
    base_bytes: float  # unreclaimable now: resident, page tables, other processes, tmpfs
    child_page_tables_bytes: float
    buffer_bytes_per_write: float = 0.0  # replica output and AOF rewrite buffers: grow with every write
    buffer_limit_bytes: float = inf  # … up to here
    memory_file_bytes: float = 0.0  # what the save writes to a tmpfs of the same cgroup


def page_table_bytes(resident: float, page: int) -> float:
    """Last-level page tables of `resident` bytes: 8 bytes a page, R/512 with 4 KiB pages (copy_page_range())."""
    return resident * PAGE_TABLE_ENTRY_BYTES / page


def peak_bytes(save: Save, write_rate_per_second: float) -> float:
    """Expected bytes at the peak, at this write rate."""
    writes = write_rate_per_second * save.seconds
    return _fixed_bytes(save) + copied_bytes(save.workload, writes) + _buffer_bytes(save, writes)


def worst_peak_bytes(save: Save) -> float:
    """Bytes at the peak when every resident page is written while the child lives and the buffers are full."""
    buffers = save.buffer_limit_bytes if save.buffer_bytes_per_write else 0.0
    return _fixed_bytes(save) + worst_copied_bytes(save.workload) + buffers


def write_budget_per_second(save: Save, limit_bytes: float) -> float:
    """Highest write rate whose expected peak fits the limit: infinite where any rate fits, 0 where none does."""
    if peak_bytes(save, HIGHEST_RATE_PER_SECOND) <= limit_bytes:
        return inf
    return _largest(lambda rate: peak_bytes(save, rate) <= limit_bytes, 0.0, HIGHEST_RATE_PER_SECOND)


def resident_that_fits(save: Save, write_rate_per_second: float, limit_bytes: float) -> float:
    """Largest resident size of the same kind of data whose expected peak fits, at the same save throughput."""

    def fits(resident: float) -> bool:
        return peak_bytes(scaled(save, resident), write_rate_per_second) <= limit_bytes

    return _largest(fits, 0.0, limit_bytes)


def scaled(save: Save, resident: float) -> Save:
    """The same save of more or less of the same data: keys, time and files grow in proportion, page tables by need."""
    workload, page = save.workload, save.workload.page_size_bytes
    ratio = resident / workload.resident_bytes if workload.resident_bytes else 0.0
    shape = tuple(replace(population, keys=round(population.keys * ratio)) for population in workload.shape)
    more = resident - workload.resident_bytes
    tables = page_table_bytes(more, page)
    return replace(
        save,
        workload=replace(workload, resident_bytes=round(resident), shape=shape),
        seconds=save.seconds * ratio,
        base_bytes=max(0.0, save.base_bytes + more + tables),
        child_page_tables_bytes=max(page_table_bytes(resident, page), save.child_page_tables_bytes + tables),
        memory_file_bytes=save.memory_file_bytes * ratio,
    )


def _fixed_bytes(save: Save) -> float:
    return save.base_bytes + save.child_page_tables_bytes + FORK_KERNEL_BYTES + save.memory_file_bytes


def _buffer_bytes(save: Save, writes: float) -> float:
    return min(save.buffer_limit_bytes, save.buffer_bytes_per_write * writes) if save.buffer_bytes_per_write else 0.0


def _largest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Largest value for which a property holds that never comes back once it is lost; `low` where it never holds."""
    if not holds(low):
        return low
    while high - low > SEARCH_RATIO * max(1.0, high):  # below 1 the ratio is absolute, so that it ends near 0 too
        # Halve the exponent while the answer may be orders of magnitude away, then the interval.
        middle = (low * high) ** 0.5 if 0 < 16 * low < high else (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
