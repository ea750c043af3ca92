"""How many bytes copy-on-write duplicates while a child lives.

A save copies the *distinct pages written*, not the bytes written. Worst case: all of them. Expected case: page
occupancy, either for pages that are all alike (`occupancy_bytes`) or, where the shape of the data is known, region by
region of equal allocations (`regions_bytes`). Source: docs/model.md; checked by `bgsafe verify` against real forks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, expm1, inf, isinf, log1p

from checker.facts import Engine, Node, Population, Process
from checker.model.access import touched_ratio
from checker.model.allocators import jemalloc_size_class, jemalloc_slab_bytes
from checker.model.layouts import (
    Keyspace,
    Layout,
    Region,
    embedded_object_bytes,
    key_footprint_bytes,
    layout_of,
    sds_bytes,
    string_regions,
)
from checker.model.overcommit import kernel_version
from checker.policy import Distribution
from checker.units import KIB

PAGES_PER_SMALL_WRITE = 3
"""Upper bound for a value below a page: table entry, object, value (measured: SET 2.2, SETEX 2.8, ZADD up to 3)."""

PIPELINED_PAGES = 1
"""Valkey 9 with glibc parses pipelined commands ahead, and malloc scatters them: 3.6 pages a write were measured."""

BASE_PAGE_COW_KERNEL = (5, 8)
"""Since commit 3917c80280c9 (Linux 5.8) a write to a shared huge page copies one base page, not all."""

CHILD_BYTES = {"jemalloc": 560 * KIB, "libc": 280 * KIB}
"""What an idle save copies: stacks, globals, arenas. Measured 0.52–0.65 MB with jemalloc, 0.18–0.31 MB with glibc."""

COMPRESSION_BYTES = 512 * KIB
"""LZF's hash table, 2^16 pointers, written once a value is compressed (src/lzfP.h HLOG; measured +0.47 MB)."""

COMPRESSION_MIN_BYTES = 20
"""rdbSaveRawString() compresses strings longer than this (src/rdb.c)."""

CHILD_FREES_BYTES = 450 * KIB
"""Arena state that a child dirties which frees what it has saved. Measured on valkey 8.1.1: 0.4–0.7 MB."""

EXTENT_METADATA_BYTES = 128
"""jemalloc's edata_t: one per slab or large allocation, written when a value inside is freed."""

LZF_STATIC_BUFFER_BYTES = 8 * KIB
"""Valkey ≥ 8.1 allocates a buffer per key for longer values (src/rdb.c rdbSaveLzfStringObject)."""

JEMALLOC_TCACHE_MAX_BYTES = 32 * KIB
"""Largest class that the thread cache hands out again last in, first out (opt.tcache_max of jemalloc 5.3)."""

DISMISS_STEPS = 32
"""Moments of a save at which the live copies are counted to find their peak; the curve has one smooth maximum."""


SHAPE_EXPLAINS_RATIO = 0.5
"""Below this share of what a stated shape would occupy, the shape does not describe the data and is not used."""

SPREAD_TOLERANCE_RATIO = 1.25
"""Resident over the shape's own footprint up to which nothing is spread: freed buffers of the load, slab ends, and the
server's own few MB (measured on fresh data of 60 MB and more: 1.00–1.18)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is written to, and how: all that decides how many pages a number of writes copies."""

    resident_bytes: int
    page_size_bytes: int
    copy_unit_bytes: int  # what one write to a shared page copies; the page but for huge pages before Linux 5.8
    engine: Engine
    shape: tuple[Population, ...]  # () is not known
    distribution: Distribution
    compression: bool  # rdbcompression
    average_value_bytes: float | None = None  # where the shape is not known but the mean is
    measured_pages_per_write: float | None = None  # counted on the server itself: takes the place of any shape
    writes_before: float = inf  # since the data was loaded: overwritten values lie apart from their keys (glibc)

    @property
    def regions_known(self) -> bool:
        """True where the region model applies: a shape that accounts for the memory, copied in base pages."""
        if not self.shape or self.copy_unit_bytes != self.page_size_bytes or self.measured_pages_per_write is not None:
            return False
        return self.resident_bytes >= SHAPE_EXPLAINS_RATIO * shape_footprint_bytes(self)


def copied_bytes(workload: Workload, writes: float) -> float:
    """Bytes that a child's life with `writes` writes copies, the child's own included; at most all of them.

    Monotone in `writes`. The peak over the child's life, where the child gives pages back while it saves.
    """
    own = child_bytes(workload)
    if any(child_copies_values(population, workload) for population in workload.shape):
        own += _bytes_of_values(workload)
    if workload.regions_known:
        clients = regions_bytes(workload, writes)
    else:
        unit = workload.copy_unit_bytes
        clients = occupancy_bytes(
            workload.resident_bytes, writes, pages_per_write=touched_per_write(workload), page=unit
        )
    return min(worst_copied_bytes(workload), own + clients)


def worst_copied_bytes(workload: Workload) -> float:
    """Every resident page written once while the child lives, and the child's own."""
    return workload.resident_bytes + child_bytes(workload)


def touched_per_write(workload: Workload) -> float:
    """Pages that one isolated write touches: of the regions where they are known, else the bound k."""
    page = workload.page_size_bytes
    if workload.regions_known:
        regions, keys = _regions(workload)
        displaced = _displaced_ratio(workload, keys, 1.0)
        touches = (_pages_per_slot(region, page, displaced) * region.slots * region.target_ratio for region in regions)
        return sum(touches) / keys
    if workload.measured_pages_per_write is not None:
        return workload.measured_pages_per_write
    layout = layout_of(workload.engine)
    scattered = layout.keyspace is Keyspace.KEY_IN_OBJECT and layout.allocator.name == "libc"
    return pages_per_write(workload.average_value_bytes or 0, page) + (PIPELINED_PAGES if scattered else 0)


def copy_unit_bytes(node: Node, process: Process | None) -> int:
    """What one write to a shared page copies: a base page, or before Linux 5.8 with THP a huge page."""
    version = kernel_version(node.kernel_release)
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
    if copied >= resident:
        return inf
    return -log1p(-copied / resident) * resident / (pages_per_write * page)


def pages_per_write(value_bytes: float, page: int) -> float:
    """k for unknown shapes: 3 for small values, and the pages of the value itself above one page (docs/model.md)."""
    if value_bytes <= page:
        return PAGES_PER_SMALL_WRITE
    return 2 + value_bytes / page + 1


# --- regions of equal allocations ------------------------------------------------------------------------------------


def regions_bytes(workload: Workload, writes: float) -> float:
    """Bytes copied region by region; the writes fall on the populations by their number of keys."""
    page = workload.page_size_bytes
    regions, keys = _regions(workload)
    if keys <= 0:
        return 0.0
    # Memory that the shape does not account for is fragmentation: the same slots on more pages, fewer to each.
    spread = workload.resident_bytes / shape_footprint_bytes(workload)
    spread = spread if spread > SPREAD_TOLERANCE_RATIO else 1.0
    displaced = _displaced_ratio(workload, keys, writes)

    def live(progress: float) -> float:
        """Bytes copied and not yet given back when the child is `progress` (0 … 1) through the data."""
        touched = touched_ratio(workload.distribution, keys, writes * progress)
        return sum(
            _region_bytes(region, touched, displaced=displaced, progress=progress, page=page, spread=spread)
            for region in regions
        )

    if any(region.dismissable and _whole_pages_per_slot(region, page) > 0 for region in regions):
        return max(live(step / DISMISS_STEPS) for step in range(1, DISMISS_STEPS + 1))
    return live(1.0)


def _displaced_ratio(workload: Workload, keys: float, writes: float) -> float:
    """Of the keys that `writes` touch, the share overwritten before: |A ∩ B| = |A| + |B| − |A ∪ B|."""
    if isinf(workload.writes_before) or writes <= 0:
        return 1.0

    def touched(count: float) -> float:
        return touched_ratio(workload.distribution, keys, count)

    now, before = touched(writes), touched(workload.writes_before)
    return min(1.0, max(0.0, (now + before - touched(writes + workload.writes_before)) / now))


def shape_footprint_bytes(workload: Workload) -> float:
    """Resident bytes that data of this shape takes when freshly loaded."""
    layout = layout_of(workload.engine)
    return sum(
        population.keys
        * max(1.0, population.elements if _is_table(population) else 1.0)
        * key_footprint_bytes(_element(population), layout, workload.page_size_bytes)
        for population in workload.shape
    )


def _regions(workload: Workload) -> tuple[list[Region], int]:
    layout, page = layout_of(workload.engine), workload.page_size_bytes
    regions = [region for population in workload.shape for region in population_regions(population, layout, page)]
    return regions, sum(population.keys for population in workload.shape)


def population_regions(population: Population, layout: Layout, page: int) -> tuple[Region, ...]:
    """The regions that a write to one of these keys touches.

    Strings follow the server's own layout. An aggregate in one piece (listpack, intset) is like a string of its size;
    in one that is a table, a write touches one element.
    """
    regions = string_regions(_element(population), layout, page)
    if population.type == "string" and population.encoding == "int":
        return regions[:2]  # the number sits in the object's pointer: there is no value to write
    if not _is_table(population):
        return regions
    elements = max(1.0, population.elements)
    return tuple(replace(region, target_ratio=region.target_ratio / elements) for region in regions)


def _is_table(population: Population) -> bool:
    return population.encoding in ("hashtable", "skiplist", "quicklist", "stream")


def _element(population: Population) -> Population:
    """What a write changes, as a string: the key itself, or one of the elements of a table."""
    if population.type == "string" and population.encoding == "int":
        return replace(population, value_bytes=0.0)
    if not _is_table(population):
        return population
    elements = max(1.0, population.elements)
    each = population.value_bytes / elements
    return replace(population, keys=round(population.keys * elements), key_bytes=each, value_bytes=each)


def _region_bytes(
    region: Region, touched: float, *, displaced: float, progress: float, page: int, spread: float
) -> float:
    """Live copies of one region: the pages that keep them, and the pages that the child has not yet passed."""
    touched *= region.target_ratio
    if touched <= 0:
        return 0.0
    total_pages = region.slots * region.slot_bytes * spread / page
    touching = _pages_per_slot(region, page, displaced) * region.slots / total_pages  # slots that reach into a page
    if region.dismissable:
        whole = _whole_pages_per_slot(region, page)
        if whole > 0:
            edge_pages = total_pages - whole * region.slots
            edge_touching = (_pages_per_slot(region, page, displaced) - whole) * region.slots / max(edge_pages, 1e-9)
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


def _pages_per_slot(region: Region, page: int, displaced: float) -> float:
    """Pages that a written slot reaches into, on average over where it may begin, and those of its other pieces."""
    written = ceil(region.written_bytes / region.alignment) * region.alignment
    elsewhere = region.scattered_pieces + displaced * region.displaced_pieces
    return 1 + (written - region.alignment) / page + elsewhere


def _whole_pages_per_slot(region: Region, page: int) -> float:
    """Whole pages inside a slot, on average: what madvise gives back (zmadvise_dontneed() in src/zmalloc.c)."""
    usable = region.slot_bytes
    if region.alignment == _LARGE_ALIGNMENT:
        usable -= page  # the padding page of a large allocation is not part of it
    if usable < page:
        return 0.0
    starts = range(0, page, region.alignment)
    return sum((usable - (-start % page)) // page for start in starts) / len(starts)


_LARGE_ALIGNMENT = 64


# --- the child itself ------------------------------------------------------------------------------------------------


def child_bytes(workload: Workload) -> float:
    """What the child copies by its own work, with no client writing (docs/model.md, "What the child copies itself")."""
    layout, page, shape = layout_of(workload.engine), workload.page_size_bytes, workload.shape
    total: float = CHILD_BYTES[layout.allocator.name]
    longest = max((population.value_bytes for population in shape), default=inf)
    if workload.compression and longest > COMPRESSION_MIN_BYTES:
        total += COMPRESSION_BYTES
    freed = sum(_freed_metadata_bytes(population, layout, page) for population in shape) if layout.child_frees else 0.0
    return total + freed + (CHILD_FREES_BYTES if freed else 0)


def _freed_metadata_bytes(population: Population, layout: Layout, page: int) -> float:
    """jemalloc's record of each slab or extent that holds a freed value, on pages shared with the parent."""
    key, value = round(population.key_bytes), round(population.value_bytes)
    if population.type != "string" or embedded_object_bytes(key, value, layout) is not None:
        return 0.0
    size = sds_bytes(value, 3)
    if layout.allocator.is_large(size, page):
        return population.keys * EXTENT_METADATA_BYTES
    size_class = jemalloc_size_class(size, layout.allocator.quantum)
    return population.keys * size_class / jemalloc_slab_bytes(size_class, page) * EXTENT_METADATA_BYTES


def child_copies_values(population: Population, workload: Workload) -> bool:
    """True where the child itself copies what it saves: it compresses into the memory that it has just freed."""
    return (
        layout_of(workload.engine).child_frees
        and workload.compression
        and population.type == "string"
        and LZF_STATIC_BUFFER_BYTES < population.value_bytes <= JEMALLOC_TCACHE_MAX_BYTES
    )


def _bytes_of_values(workload: Workload) -> float:
    """Bytes on pages of values that the child itself writes."""
    allocator, page = layout_of(workload.engine).allocator, workload.page_size_bytes
    return sum(
        population.keys * allocator.slot_bytes(sds_bytes(round(population.value_bytes), 3), page)
        for population in workload.shape
        if child_copies_values(population, workload)
    )
