"""What is written to, and how: the shape of the data as regions of equal allocations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from checker.facts import Engine, Population
from checker.model.layouts import Layout, Region, key_footprint_bytes, layout_of, string_regions
from checker.policy import Distribution

SHAPE_EXPLAINS_RATIO = 0.5
"""Below this share of what a stated shape would occupy, the shape does not describe the data and is not used."""


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


def shape_footprint_bytes(workload: Workload) -> float:
    """Resident bytes that data of this shape takes when freshly loaded."""
    layout = layout_of(workload.engine)
    return sum(
        population.keys
        * max(1.0, population.elements if _is_table(population) else 1.0)
        * key_footprint_bytes(element_of(population), layout, workload.page_size_bytes)
        for population in workload.shape
    )


def workload_regions(workload: Workload) -> tuple[list[Region], int]:
    layout, page = layout_of(workload.engine), workload.page_size_bytes
    regions = [region for population in workload.shape for region in population_regions(population, layout, page)]
    return regions, sum(population.keys for population in workload.shape)


def population_regions(population: Population, layout: Layout, page: int) -> tuple[Region, ...]:
    """The regions that a write to one of these keys touches.

    Strings follow the server's own layout. An aggregate in one piece (listpack, intset) is like a string of its size;
    in one that is a table, a write touches one element.
    """
    regions = string_regions(element_of(population), layout, page)
    if population.type == "string" and population.encoding == "int":
        return regions[:2]  # the number sits in the object's pointer: there is no value to write
    if not _is_table(population):
        return regions
    elements = max(1.0, population.elements)
    return tuple(replace(region, target_ratio=region.target_ratio / elements) for region in regions)


def _is_table(population: Population) -> bool:
    return population.encoding in ("hashtable", "skiplist", "quicklist", "stream")


def element_of(population: Population) -> Population:
    """What a write changes, as a string: the key itself, or one of the elements of a table."""
    if population.type == "string" and population.encoding == "int":
        return replace(population, value_bytes=0.0)
    if not _is_table(population):
        return population
    elements = max(1.0, population.elements)
    each = population.value_bytes / elements
    return replace(population, keys=round(population.keys * elements), key_bytes=each, value_bytes=each)
