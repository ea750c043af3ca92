"""What a saving child copies by its own work, with no client writing. Source: docs/model.md, by the same name."""

from __future__ import annotations

from math import inf

from checker.facts import Population
from checker.model.allocators import jemalloc_size_class, jemalloc_slab_bytes
from checker.model.layouts import Layout, embedded_object_bytes, layout_of, sds_bytes
from checker.model.workload import Workload
from checker.model.writes import object_bytes
from checker.units import KIB

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


def child_writes_counters(workload: Workload) -> bool:
    """True where the child writes the LFU counter of every key that it saves, and so copies the page it lies on."""
    return workload.lfu and layout_of(workload.engine).decays_when_read


def copied_by_child_bytes(workload: Workload) -> float:
    """Bytes on pages that the child itself writes, beside `child_bytes`; all of them where the data is not known."""
    if not child_writes_counters(workload):
        return copied_values_bytes(workload)
    if not workload.regions_known:
        return workload.resident_bytes
    layout, page = layout_of(workload.engine), workload.page_size_bytes
    counters = sum(object_bytes(population, layout, page) for population in workload.shape)
    return copied_values_bytes(workload) + counters


def copied_values_bytes(workload: Workload) -> float:
    """Bytes on pages of values that the child itself writes."""
    allocator, page = layout_of(workload.engine).allocator, workload.page_size_bytes
    return sum(
        population.keys * allocator.slot_bytes(sds_bytes(round(population.value_bytes), 3), page)
        for population in workload.shape
        if child_copies_values(population, workload)
    )
