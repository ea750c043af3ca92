"""How far the predicted copies were from real forks: the band that pictures draw around the expected case.

Fifth and ninety-fifth percentile of measured / predicted over the recorded forks of tests/fixtures/recorded_forks.jsonl
(docs/accuracy.md); a test computes them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from checker.model.layouts import layout_of
from checker.model.workload import Workload, is_text

LARGE_VALUE_BYTES: Final = 3000
"""From here on docs/accuracy.md counts values as large."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Measured / predicted copies: nine in ten forks lay between `low_ratio` and `high_ratio`."""

    low_ratio: float
    high_ratio: float
    forks: int
    of: str

    def __str__(self) -> str:
        band = f"{self.low_ratio - 1:+.0%} to {self.high_ratio - 1:+.0%}".replace("-", "−")
        return f"nine in ten of {self.forks} recorded forks copied {band} of the prediction ({self.of})"


JEMALLOC_SMALL: Final = Doubt(0.97, 1.01, 36, "shape of the data known, jemalloc, values below 3 KB")
JEMALLOC_LARGE: Final = Doubt(0.71, 1.01, 9, "shape of the data known, jemalloc, values of 3 KB and above")
LIBC: Final = Doubt(0.77, 1.14, 31, "shape of the data known, glibc malloc")
TYPES: Final = Doubt(0.66, 1.27, 99, "all data types and their writes, shape known, jemalloc")
TYPES_LIBC: Final = Doubt(0.50, 1.20, 49, "all data types and their writes, shape known, glibc malloc")
SHAPE_UNKNOWN: Final = Doubt(0.22, 1.0, 61, "shape of the data not known: the upper bound for values below 3 KB")


def doubt_of(workload: Workload) -> Doubt:
    """The recorded forks that are most like this one."""
    if not workload.regions_known:
        return SHAPE_UNKNOWN
    libc = layout_of(workload.engine).allocator.name == "libc"
    if not all(is_text(population) for population in workload.shape):
        return TYPES_LIBC if libc else TYPES
    if libc:
        return LIBC
    small = all(population.value_bytes < LARGE_VALUE_BYTES for population in workload.shape)
    return JEMALLOC_SMALL if small else JEMALLOC_LARGE
