"""A save as the numbers from which checker/report/page/model.js computes it again, for sliders.

The formulas are those of model/peak.py, cow.py and access.py; a test compares both over a grid, in a real browser.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, isinf
from typing import Any

from checker.facts import Population
from checker.model.child import child_bytes, copied_by_child_bytes
from checker.model.cow import (
    DISMISS_STEPS,
    SPREAD_TOLERANCE_RATIO,
    pages_per_slot,
    touched_per_write,
    whole_pages_per_slot,
)
from checker.model.doubt import doubt_of
from checker.model.layouts import (
    HASHTABLE_BUCKET,
    HASHTABLE_BUCKET_ENTRIES,
    POINTER,
    Keyspace,
    Layout,
    embedded_object_bytes,
    layout_of,
    table_bytes,
)
from checker.model.lifetime import WRITE_CPU_SECONDS
from checker.model.peak import FORK_KERNEL_BYTES, Save
from checker.model.workload import (
    SHAPE_EXPLAINS_RATIO,
    Workload,
    is_text,
    population_footprint_bytes,
    population_regions,
)
from checker.verdict import Estimate

CONSTANTS = {
    "forkKernelBytes": FORK_KERNEL_BYTES,
    "dismissSteps": DISMISS_STEPS,
    "spreadTolerance": SPREAD_TOLERANCE_RATIO,
    "shapeExplains": SHAPE_EXPLAINS_RATIO,
    "writeCpuSeconds": WRITE_CPU_SECONDS,
    "pointerBytes": POINTER,
    "bucketBytes": HASHTABLE_BUCKET,
    "bucketEntries": HASHTABLE_BUCKET_ENTRIES,
}
"""What the page's formulas share with the model's, written once."""


def parameters(save: Save, estimate: Estimate) -> dict[str, Any] | None:
    """What JSON can carry of a save; None where the page's formulas would not be the model's."""
    workload = save.workload
    if not isinf(workload.writes_before) or workload.resident_bytes <= 0:
        return None
    doubt = doubt_of(workload)
    child = child_bytes(workload)
    # The child's own copies are a part that stays and a part that grows with the keys.
    grows = child_bytes(_with_keys(workload, 2)) - child
    return {
        "resident": workload.resident_bytes,
        "page": workload.page_size_bytes,
        "unit": workload.copy_unit_bytes,
        "seconds": save.seconds,
        "cores": save.cpu_limit_cores,
        "base": save.base_bytes,
        "tables": save.child_page_tables_bytes,
        "perWrite": save.buffer_bytes_per_write,
        "bufferLimit": save.buffer_limit_bytes if isfinite(save.buffer_limit_bytes) else None,
        "file": save.memory_file_bytes,
        "child": child - grows,
        "childGrows": grows,
        "values": copied_by_child_bytes(workload),
        "touched": touched_per_write(replace(workload, shape=())),
        "distribution": [workload.distribution.kind, workload.distribution.parameter],
        "populations": _populations(workload) if _may_have_regions(workload) else [],
        "low": doubt.low_ratio,
        "high": doubt.high_ratio,
        "rate": estimate.write_rate_per_second,
        "limit": estimate.limit_bytes,
        "fragmentation": _fragmentation(estimate),
    }


def _may_have_regions(workload: Workload) -> bool:
    """All that `Workload.regions_known` asks but the size, which the sliders change."""
    return workload.copy_unit_bytes == workload.page_size_bytes and workload.measured_pages_per_write is None


def _with_keys(workload: Workload, times: int) -> Workload:
    shape = tuple(replace(population, keys=population.keys * times) for population in workload.shape)
    return replace(workload, shape=shape)


def _fragmentation(estimate: Estimate) -> float | None:
    """Resident / maxmemory where the one was computed from the other; None where it was measured."""
    computed = estimate.sources.get("resident_bytes", "").startswith("maxmemory")
    return estimate.resident_bytes / estimate.maxmemory_bytes if computed and estimate.maxmemory_bytes else None


def _populations(workload: Workload) -> list[dict[str, Any]]:
    layout, page = layout_of(workload.engine), workload.page_size_bytes
    return [_population(population, layout, page) for population in workload.shape]


def _population(population: Population, layout: Layout, page: int) -> dict[str, Any]:
    items = max(1, population.keys)
    in_buckets = layout.keyspace is Keyspace.KEY_IN_OBJECT
    sizes = round(population.key_bytes), round(population.value_bytes)
    embedded = in_buckets and is_text(population) and embedded_object_bytes(*sizes, layout) is not None
    regions = population_regions(population, layout, page)
    return {
        "keys": population.keys,
        "items": items,
        "itemBytes": population_footprint_bytes(population, layout, page) / items - table_bytes(items, layout) / items,
        "buckets": in_buckets,
        "regions": [
            [
                region.slots,
                0 if embedded and position == 0 else region.slot_bytes,  # 0: the bucket array, as wide as its keys need
                pages_per_slot(region, page, 1.0),
                region.target_ratio,
                whole_pages_per_slot(region, page) if region.dismissable else 0.0,
                region.chance,
            ]
            for position, region in enumerate(regions)
        ],
    }
