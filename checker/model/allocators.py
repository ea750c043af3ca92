"""How many bytes an allocation really takes, and how allocations lie on pages. Computed, not tabulated.

Sources: jemalloc 5.3 include/jemalloc/internal/sc.h (size classes) and src/sc.c (slab sizes); glibc 2.36
malloc/malloc.c (request2size).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, lcm
from typing import Literal

JEMALLOC_SMALL_PAGES = 3.5
"""Small classes end at 3.5 pages (14 KiB of 4 KiB pages); from 4 pages on an allocation has pages of its own."""

JEMALLOC_CACHELINE = 64
"""Large allocations start at a random cache line of their first page (opt.cache_oblivious, on by default)."""

GLIBC_HEADER = 8
GLIBC_ALIGNMENT = 16
GLIBC_SMALLEST_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Allocator:
    """`quantum`: spacing of jemalloc's smallest classes, 16 as Debian builds it, 8 as bundled with Redis and Valkey."""

    name: Literal["jemalloc", "libc"]
    quantum: int = 16

    def slot_bytes(self, size: int, page: int) -> int:
        """Distance between neighbours of an allocation of `size` bytes."""
        if self.name == "libc":
            chunk = -(-(size + GLIBC_HEADER) // GLIBC_ALIGNMENT) * GLIBC_ALIGNMENT
            return max(GLIBC_SMALLEST_CHUNK, chunk)
        rounded = jemalloc_size_class(size, self.quantum)
        return rounded + page if self.is_large(size, page) else rounded  # one page of padding (cache_oblivious)

    def is_large(self, size: int, page: int) -> bool:
        """True where the allocation has pages of its own, shared with no neighbour."""
        return self.name == "jemalloc" and jemalloc_size_class(size, self.quantum) > JEMALLOC_SMALL_PAGES * page

    def alignment(self, size: int, page: int) -> int:
        """Bytes between the places of a page at which such an allocation may begin."""
        if self.name == "libc":
            return GLIBC_ALIGNMENT
        if self.is_large(size, page):
            return JEMALLOC_CACHELINE
        return gcd(self.slot_bytes(size, page), page)


def jemalloc_size_class(size: int, quantum: int = 16) -> int:
    """Usable bytes of jemalloc's class for `size` bytes: multiples of the quantum, then four classes a doubling."""
    if size <= 8:
        return 8
    if size <= 8 * quantum:
        return -(-size // quantum) * quantum
    step = 1 << ((size - 1).bit_length() - 3)
    return -(-size // step) * step


def jemalloc_slab_bytes(size_class: int, page: int) -> int:
    """Bytes of the slab that holds a small class: the fewest pages that it divides without rest (src/sc.c)."""
    return lcm(size_class, page)
