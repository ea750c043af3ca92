"""What is written to, and how: the shape of the data as regions of equal allocations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from checker.facts import Engine, Population
from checker.model.layouts import Layout, Region, expiry_footprint_bytes, key_footprint_bytes, layout_of
from checker.model.writes import write_regions
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
    lfu: bool = False  # maxmemory-policy allkeys-lfu or volatile-lfu
    average_value_bytes: float | None = None  # where the shape is not known but the mean is
    sorted_set_ratio: float = 0.0  # of the writes, where the shape is not known: they touch more than others
    evicts: bool = False  # a write makes room for itself
    measured_pages_per_write: float | None = None  # counted on the server itself: takes the place of any shape
    write: str | None = None  # a name of writes.WRITES; None: each type's usual one
    writes_before: float = inf  # since the data was loaded: overwritten values lie apart from their keys (glibc)

    @property
    def regions_known(self) -> bool:
        """True where the region model applies: a shape that accounts for the memory, copied in base pages."""
        if not self.shape or self.copy_unit_bytes != self.page_size_bytes or self.measured_pages_per_write is not None:
            return False
        return self.resident_bytes >= SHAPE_EXPLAINS_RATIO * shape_footprint_bytes(self)


def shape_footprint_bytes(workload: Workload) -> float:
    """Resident bytes that data of this shape takes when freshly loaded."""
    layout, page = layout_of(workload.engine), workload.page_size_bytes
    return sum(population_footprint_bytes(population, layout, page) for population in workload.shape)


def population_footprint_bytes(population: Population, layout: Layout, page: int) -> float:
    """Resident bytes of one of its populations; that of a value which is no text was asked of the server."""
    plain = population if is_text(population) else replace(population, value_bytes=0.0)
    value = 0.0 if population.type == "string" else population.value_bytes
    each = key_footprint_bytes(plain, layout, page) + value
    if population.expiring_ratio:
        each += population.expiring_ratio * expiry_footprint_bytes(population.keys, layout, page)
    return population.keys * each


def is_text(population: Population) -> bool:
    """A string of bytes: no number, and none of the types that have elements."""
    return population.type == "string" and population.encoding != "int"


def workload_regions(workload: Workload) -> tuple[list[Region], int]:
    layout, page = layout_of(workload.engine), workload.page_size_bytes
    of_each = (population_regions(population, layout, page, workload.write) for population in workload.shape)
    return [region for regions in of_each for region in regions], sum(population.keys for population in workload.shape)


def population_regions(
    population: Population, layout: Layout, page: int, write: str | None = None
) -> tuple[Region, ...]:
    """The regions that a write to one of these keys touches (writes.py)."""
    return write_regions(population, write, layout, page)
