"""How many bytes copy-on-write duplicates while a child lives.

A save copies the *distinct pages written*, not the bytes written. Worst case: all of them. Expected case: page
occupancy, either for pages that are all alike (`occupancy_bytes`) or, where the shape of the data is known, region by
region of equal allocations (`_regions_of`). Source: docs/model.md; checked by `bgsafe verify` against real forks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil, expm1, inf, isinf, log1p

from checker.facts import Node, Process, major_minor
from checker.model.access import touched_ratio
from checker.model.child import child_bytes, copied_by_child_bytes
from checker.model.layouts import Keyspace, Region, layout_of
from checker.model.workload import Workload, shape_footprint_bytes, workload_regions
from checker.model.writes import SAMPLED_KEYS

PAGES_PER_SMALL_WRITE = 3
"""Upper bound for a value below a page: table entry, object, value (measured: SET 2.2, SETEX 2.8, ZADD up to 3)."""

PAGES_PER_MOVED_MEMBER = 8.5
"""ZADD with another score, in a skiplist: nodes before and after on every level (measured: 4.7 to 8.3)."""

EVICTED_PAGES = 1.5
"""A write that evicts a key writes its table entry too (measured with eviction: 3.1 to 4.4, on Valkey 9.1 to 6.9)."""

PIPELINED_PAGES = 1
"""Valkey 9 with glibc parses pipelined commands ahead, and malloc scatters them: 3.6 pages a write were measured."""

BASE_PAGE_COW_KERNEL = (5, 8)
"""Since commit 3917c80280c9 (Linux 5.8) a write to a shared huge page copies one base page, not all."""

SPREAD_TOLERANCE_RATIO = 1.25
"""Resident over the shape's own footprint up to which nothing is spread: freed buffers of the load, slab ends, and the
server's own few MB (measured on fresh data of 60 MB and more: 1.00–1.18)."""

DISMISS_STEPS = 32
"""Moments of a save at which the live copies are counted to find their peak; the curve has one smooth maximum."""


def copied_bytes(workload: Workload, writes: float) -> float:
    """Bytes that a child's life with `writes` writes copies, the child's own included; at most all of them.

    Monotone in `writes`. The peak over the child's life, where the child gives pages back while it saves.
    """
    return copies_of(workload)(writes)


def copies_of(workload: Workload) -> Callable[[float], float]:
    """`copied_bytes` of one workload, as a function of the writes: a search asks it many times."""
    live = _live_of(workload)
    if not gives_back(workload):
        return lambda writes: live(writes, 1.0)
    return lambda writes: max(live(writes, step / DISMISS_STEPS) for step in range(1, DISMISS_STEPS + 1))


def live_copies(workload: Workload, writes: float) -> Callable[[float], float]:
    """Bytes copied and not given back, by the progress (0 … 1) of a child whose life sees `writes` writes."""
    live = _live_of(workload)
    return lambda progress: live(writes, progress)


def gives_back(workload: Workload) -> bool:
    """Does the child give whole pages back while it saves, so that the most copies live before its end?"""
    if not workload.regions_known:
        return False
    regions, _ = workload_regions(workload)
    page = workload.page_size_bytes
    return any(region.dismissable and whole_pages_per_slot(region, page) > 0 for region in regions)


def _live_of(workload: Workload) -> Callable[[float, float], float]:
    """Writes and progress → bytes that live, the child's own included; at most all of them."""
    child, values = child_bytes(workload), copied_by_child_bytes(workload)
    most = workload.resident_bytes + child
    if workload.regions_known:
        regions = _regions_of(workload)
        return lambda writes, progress: min(most, child + values * progress + regions(writes, progress))
    resident, unit, each = workload.resident_bytes, workload.copy_unit_bytes, touched_per_write(workload)
    return lambda writes, progress: min(
        most,
        child + values * progress + occupancy_bytes(resident, writes * progress, pages_per_write=each, page=unit),
    )


def worst_copied_bytes(workload: Workload) -> float:
    """Every resident page written once while the child lives, and the child's own."""
    return workload.resident_bytes + child_bytes(workload)


def touched_per_write(workload: Workload) -> float:
    """Pages that one isolated write touches: of the regions where they are known, else the bound k."""
    page = workload.page_size_bytes
    if workload.regions_known:
        regions, keys = workload_regions(workload)
        displaced = _displaced_ratio(workload, keys, 1.0)
        touches = (
            pages_per_slot(region, page, displaced) * region.slots * region.target_ratio * region.chance
            for region in regions
        )
        return sum(touches) / keys
    if workload.measured_pages_per_write is not None:
        return workload.measured_pages_per_write
    layout = layout_of(workload.engine)
    each = pages_per_write(workload.average_value_bytes or 0, page)
    if layout.keyspace is Keyspace.KEY_IN_OBJECT and layout.allocator.name == "libc":
        each += PIPELINED_PAGES
    if workload.evicts:
        each += EVICTED_PAGES + (SAMPLED_KEYS if layout.decays_when_read else 0)
    if not workload.sorted_set_ratio:
        return each
    moved = max(each, PAGES_PER_MOVED_MEMBER)
    return each + workload.sorted_set_ratio * (moved - each)


def copy_unit_bytes(node: Node, process: Process | None) -> int:
    """What one write to a shared page copies: a base page, or before Linux 5.8 with THP a huge page."""
    version = major_minor(node.kernel_release)
    if version is None or version >= BASE_PAGE_COW_KERNEL or node.thp_enabled != "always":
        return node.page_size_bytes
    if process is not None and process.thp_enabled is False:
        return node.page_size_bytes
    return huge_page_bytes(node.page_size_bytes)


def huge_page_bytes(page: int) -> int:
    """A PMD huge page: one page table full of base pages (2 MiB of 4 KiB, 32 MiB of 16 KiB, 512 MiB of 64 KiB)."""
    return page * (page // 8)


# --- pages that are all alike ----------------------------------------------------------------------------------------


def occupancy_bytes(resident: float, writes: float, *, pages_per_write: float, page: int) -> float:
    """C = R · (1 − exp(−k·P·W / R)): bytes copied by `writes` writes spread evenly over `resident` bytes."""
    if resident <= 0 or writes <= 0:
        return 0.0
    return -resident * expm1(-pages_per_write * page * writes / resident)


def writes_for_occupancy(resident: float, copied: float, *, pages_per_write: float, page: int) -> float:
    """The inverse: how many writes copy `copied` bytes; infinite where the copy may be as large as the original."""
    if copied <= 0:
        return 0.0
    if copied >= resident or pages_per_write <= 0:
        return inf
    return -log1p(-copied / resident) * resident / (pages_per_write * page)


def pages_per_write(value_bytes: float, page: int) -> float:
    """k for unknown shapes: 3 for small values, and the pages of the value itself above one page (docs/model.md)."""
    if value_bytes <= page:
        return PAGES_PER_SMALL_WRITE
    return 2 + value_bytes / page + 1


# --- regions of equal allocations ------------------------------------------------------------------------------------


def _regions_of(workload: Workload) -> Callable[[float, float], float]:
    """Writes and progress → live copies, region by region; the writes fall on the populations by their keys."""
    page = workload.page_size_bytes
    regions, keys = workload_regions(workload)
    if keys <= 0:
        return lambda _writes, _progress: 0.0
    spread = spread_ratio(workload)
    displaced_of = lru_cache(maxsize=16)(lambda writes: _displaced_ratio(workload, keys, writes))

    def region_bytes(region: Region, writes: float, progress: float) -> float:
        touched = touched_ratio(workload.distribution, keys, writes * progress * region.chance)
        displaced = displaced_of(writes)
        return _region_bytes(region, touched, displaced=displaced, progress=progress, page=page, spread=spread)

    return lambda writes, progress: sum(region_bytes(region, writes, progress) for region in regions)


def spread_ratio(workload: Workload) -> float:
    """Memory that the shape does not account for is fragmentation: the same slots on more pages, fewer to each."""
    spread = workload.resident_bytes / shape_footprint_bytes(workload)
    return spread if spread > SPREAD_TOLERANCE_RATIO else 1.0


def _displaced_ratio(workload: Workload, keys: float, writes: float) -> float:
    """Of the keys that `writes` touch, the share overwritten before: |A ∩ B| = |A| + |B| − |A ∪ B|."""
    if isinf(workload.writes_before) or writes <= 0:
        return 1.0

    def touched(count: float) -> float:
        return touched_ratio(workload.distribution, keys, count)

    now, before = touched(writes), touched(workload.writes_before)
    return min(1.0, max(0.0, (now + before - touched(writes + workload.writes_before)) / now))


def _region_bytes(
    region: Region, touched: float, *, displaced: float, progress: float, page: int, spread: float
) -> float:
    """Live copies of one region: the pages that keep them, and the pages that the child has not yet passed."""
    touched *= region.target_ratio
    if touched <= 0:
        return 0.0
    total_pages = region.slots * region.slot_bytes * spread / page
    touching = pages_per_slot(region, page, displaced) * region.slots / total_pages  # slots that reach into a page
    if region.dismissable:
        whole = whole_pages_per_slot(region, page)
        if whole > 0:
            edge_pages = total_pages - whole * region.slots
            edge_touching = (pages_per_slot(region, page, displaced) - whole) * region.slots / max(edge_pages, 1e-9)
            edges = edge_pages * _any_of(edge_touching, touched) if edge_pages > 0 else 0.0
            return page * (edges + whole * region.slots * (1 - progress) * touched)
    return page * total_pages * _any_of(touching, touched)


def _any_of(count: float, ratio: float) -> float:
    """1 − (1 − ratio)^count: the chance that at least one of `count` slots was touched, `count` need not be whole."""
    if ratio >= 1:
        return 1.0 if count >= 1 else count
    if count < 1:
        return count * ratio  # fewer slots than pages: a share of the pages holds one slot, the rest none
    return -expm1(count * log1p(-ratio))


def pages_per_slot(region: Region, page: int, displaced: float) -> float:
    """Pages that a written slot reaches into, on average over where it may begin, and those of its other pieces."""
    written = ceil(region.written_bytes / region.alignment) * region.alignment
    elsewhere = region.scattered_pieces + displaced * region.displaced_pieces
    return 1 + (written - region.alignment) / page + elsewhere


def whole_pages_per_slot(region: Region, page: int) -> float:
    """Whole pages inside a slot, on average: what madvise gives back (zmadvise_dontneed() in src/zmalloc.c)."""
    usable = region.slot_bytes
    if region.alignment == _LARGE_ALIGNMENT:
        usable -= page  # the padding page of a large allocation is not part of it
    if usable < page:
        return 0.0
    starts = range(0, page, region.alignment)
    return sum((usable - (-start % page)) // page for start in starts) / len(starts)


_LARGE_ALIGNMENT = 64
