"""Which allocations one write touches, per server family, version and allocator: the one table of layout facts.

Each kind of allocation is a *region* of equal slots. A write touches one slot of every region of its key; what a region
copies follows from how many slots share a page (model/cow.py). Sizes are computed from the structures of the named
sources; an unknown family or version gets the layout that copies most (DICT, with jemalloc).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Final

from checker.facts import Engine, Maybe, Population, Unread, major_minor
from checker.model.allocators import Allocator

POINTER: Final = 8
ROBJ: Final = 16
"""sizeof(robj): type, encoding, lru, refcount, ptr (src/server.h)."""

DICT_ENTRY: Final = 24
"""key, value, next (src/dict.c)."""

HASHTABLE_BUCKET: Final = 64
HASHTABLE_BUCKET_ENTRIES: Final = 7
"""Valkey since 8.1: a bucket is one cache line with up to 7 pointers (src/hashtable.c)."""

EMBSTR_LIMIT: Final = 44
"""Longest string that shares its allocation with its robj (src/object.c, OBJ_ENCODING_EMBSTR_SIZE_LIMIT)."""

EMBEDDING: Final = {(8, 1): (ROBJ, 64), (9, 0): (ROBJ - POINTER, 64), (9, 1): (ROBJ - POINTER, 128)}
"""Valkey embeds the value beside the key while the object is not larger than a limit, and since 9.0 in the place of its
pointer (src/object.c, createStringObjectWithKeyAndExpire, shouldEmbedStringObject): since → (bytes of robj, limit)."""


GLIBC_RAW_PIECES: Final = 1.5
GLIBC_EMBEDDED_PIECES: Final = 0.3
"""With glibc a write to Valkey ≥ 8.1 touches further places of the heap: the object apart from its value, chained
buckets, and the free neighbours that malloc links. Measured on valkey 9.1.2, comparing the memory of server and child:
0.3 a write for embedded values; 1 (one command at a time) to 2 (100 pipelined) for longer ones."""


class Keyspace(Enum):
    """How a server keeps a key."""

    DICT = "dictEntry → key sds, robj → value"  # Redis to 8.0, Valkey to 8.0, KeyDB: src/dict.c, src/db.c dbSetValue
    KEY_IN_OBJECT = "hashtable bucket → robj with the key → value"  # Valkey 8.1: src/hashtable.c, src/object.c


@dataclass(frozen=True, slots=True)
class Layout:
    """The facts of one server family and version that decide what a fork copies."""

    keyspace: Keyspace
    allocator: Allocator
    embedding: tuple[int, int]  # KEY_IN_OBJECT: bytes of robj before an embedded value, and the largest such object
    child_dismisses: bool  # gives saved values back by madvise (Redis ≥ 7.0 with jemalloc: src/object.c dismissObject)
    decays_when_read: bool  # writes a key's LFU counter when it is read (Valkey ≥ 9.0: src/lrulfu.c, src/object.c)
    child_frees: bool  # frees saved values (Valkey ≥ 8.1: src/object.c dismissSds → sdsfree)


@dataclass(frozen=True, slots=True)
class Region:
    """`slots` allocations, `slot_bytes` apart; a share `target_ratio` of them belongs to keys that may be written."""

    slots: float
    slot_bytes: int
    written_bytes: int  # of a slot, when it is written
    alignment: int  # places within a page at which a slot may begin
    target_ratio: float = 1.0
    chance: float = 1.0  # that a write to the key touches one particular of its slots; above 1 for several writes
    scattered_pieces: float = 0.0  # further places of the same pages that a write touches, away from the slot itself
    displaced_pieces: float = 0.0  # … once the key has been overwritten since it was loaded
    dismissable: bool = False  # the child may give whole pages inside a slot back once it has saved them


@lru_cache(maxsize=64)
def layout_of(engine: Engine) -> Layout:
    """The layout of a server; what is not known falls to the side that copies more."""
    version = major_minor(engine.version)
    allocator = allocator_of(engine.allocator)
    jemalloc = allocator.name == "jemalloc"
    key_in_object = engine.name == "valkey" and version is not None and version >= (8, 1)
    known = version or (0, 0)
    embedding = next((each for since, each in reversed(EMBEDDING.items()) if since <= known), (ROBJ, 64))
    redis_7 = engine.name in ("redis", "valkey") and version is not None and version >= (7, 0)
    return Layout(
        keyspace=Keyspace.KEY_IN_OBJECT if key_in_object else Keyspace.DICT,
        allocator=allocator,
        embedding=embedding,
        child_dismisses=jemalloc and redis_7 and not key_in_object,
        decays_when_read=key_in_object and known >= (9, 0),
        child_frees=jemalloc and key_in_object,
    )


def allocator_of(mem_allocator: Maybe[str]) -> Allocator:
    """From INFO's `mem_allocator`; jemalloc, the default of every build for Linux, where it is unread."""
    if isinstance(mem_allocator, Unread) or mem_allocator.startswith("jemalloc"):
        return Allocator("jemalloc")
    return Allocator("libc")


def sds_bytes(length: int, smallest_header: int = 1) -> int:
    """Bytes of an sds string: header, text, terminator (src/sds.c). Values never take the header of 1 byte."""
    for header, limit in ((1, 1 << 5), (3, 1 << 8), (5, 1 << 16)):
        if header >= smallest_header and length < limit:
            return header + length + 1
    return 9 + length + 1


def string_regions(population: Population, layout: Layout, page: int) -> tuple[Region, ...]:
    """What SET over an existing key touches, for a population of strings."""
    if layout.keyspace is Keyspace.KEY_IN_OBJECT:
        return _regions_with_key_in_object(population, layout, page)
    if layout.allocator.name == "libc":
        return _libc_neighbours(population, layout, page)
    return _regions_of_dict(population, layout, page)


def key_footprint_bytes(population: Population, layout: Layout, page: int) -> float:
    """Resident bytes of one key with all its allocations, its share of the table included."""
    slot = layout.allocator.slot_bytes
    key, value = round(population.key_bytes), round(population.value_bytes)
    if layout.keyspace is Keyspace.KEY_IN_OBJECT:
        table = table_bytes(population.keys, layout) / max(1, population.keys)
        embedded = embedded_object_bytes(key, value, layout)
        if embedded is not None:
            return table + slot(embedded, page)
        return table + slot(ROBJ + 1 + sds_bytes(key), page) + slot(sds_bytes(value, 3), page)
    table = table_bytes(population.keys, layout) / max(1, population.keys)
    pieces = slot(DICT_ENTRY, page) + slot(sds_bytes(key), page)
    if value <= EMBSTR_LIMIT:
        return table + pieces + slot(ROBJ + sds_bytes(value, 3), page)
    return table + pieces + slot(ROBJ, page) + slot(sds_bytes(value, 3), page)


def expiry_footprint_bytes(keys: float, layout: Layout, page: int) -> float:
    """What a key's time to live takes: an entry of a second table (src/db.c setExpire); since Valkey 8.1 8 bytes."""
    table = table_bytes(keys, layout) / max(1, keys)
    if layout.keyspace is Keyspace.KEY_IN_OBJECT:
        return table + POINTER
    return table + layout.allocator.slot_bytes(DICT_ENTRY, page)


def table_bytes(keys: float, layout: Layout) -> int:
    """The table that finds the keys: it grows by doubling."""
    if layout.keyspace is Keyspace.KEY_IN_OBJECT:
        return HASHTABLE_BUCKET * _hashtable_buckets(keys)
    return POINTER * _power_of_two_at_least(keys)


def _regions_of_dict(population: Population, layout: Layout, page: int) -> tuple[Region, ...]:
    """jemalloc: dictEntry (its value pointer), robj, and value, each kind on pages of its own size class."""
    keys, allocator = population.keys, layout.allocator
    key_slot = allocator.slot_bytes(sds_bytes(round(population.key_bytes)), page)
    value = round(population.value_bytes)
    entry = _region(keys, DICT_ENTRY, layout, page, written=POINTER)
    if value <= EMBSTR_LIMIT:
        return entry, _sharing_with(key_slot, _region(keys, ROBJ + sds_bytes(value, 3), layout, page))
    robj = _sharing_with(key_slot, _region(keys, ROBJ, layout, page))
    return entry, robj, _value_region(population, layout, page)


def _regions_with_key_in_object(population: Population, layout: Layout, page: int) -> tuple[Region, ...]:
    """Valkey 8.1: an embedded value is a new object and a new pointer in the bucket; a long one is swapped in place."""
    keys = population.keys
    key, value = round(population.key_bytes), round(population.value_bytes)
    embedded = embedded_object_bytes(key, value, layout)
    if embedded is not None:
        return _bucket_region(keys), _scattered(_region(keys, embedded, layout, page), layout, GLIBC_EMBEDDED_PIECES)
    obj = _region(keys, ROBJ + 1 + sds_bytes(key), layout, page, written=ROBJ)
    values = _value_region(population, layout, page)
    if layout.allocator.name == "jemalloc":
        return obj, values
    both = replace(values, slot_bytes=obj.slot_bytes + values.slot_bytes)
    return (_scattered(both, layout, GLIBC_RAW_PIECES),)


def _bucket_region(keys: float) -> Region:
    """The bucket array is one allocation, of whose pointers one a key is written."""
    pointer_spacing = HASHTABLE_BUCKET * _hashtable_buckets(keys) / max(1, keys)
    return Region(keys, max(1, round(pointer_spacing)), POINTER, POINTER)


def _scattered(region: Region, layout: Layout, pieces: float) -> Region:
    return replace(region, scattered_pieces=pieces) if layout.allocator.name == "libc" else region


def _libc_neighbours(population: Population, layout: Layout, page: int) -> tuple[Region, ...]:
    """glibc lays the pieces of a key side by side as they are loaded; an overwrite moves object and value elsewhere."""
    slot = layout.allocator.slot_bytes
    value = round(population.value_bytes)
    pieces = slot(DICT_ENTRY, page) + slot(sds_bytes(round(population.key_bytes)), page)
    if value <= EMBSTR_LIMIT:
        pieces += slot(ROBJ + sds_bytes(value, 3), page)
    else:
        pieces += slot(ROBJ, page) + slot(sds_bytes(value, 3), page)
    alignment = layout.allocator.alignment(pieces, page)
    return (Region(population.keys, pieces, pieces, alignment, displaced_pieces=1.0),)


def _value_region(population: Population, layout: Layout, page: int) -> Region:
    size = sds_bytes(round(population.value_bytes), 3)
    return _region(population.keys, size, layout, page, dismissable=layout.child_dismisses)


def _region(
    keys: float, size: int, layout: Layout, page: int, *, written: int | None = None, dismissable: bool = False
) -> Region:
    slot, alignment = layout.allocator.slot_bytes(size, page), layout.allocator.alignment(size, page)
    return Region(keys, slot, size if written is None else written, alignment, dismissable=dismissable)


def _sharing_with(key_slot: int, region: Region) -> Region:
    """The names of the keys lie in the same size class: twice the slots, half of them ever written."""
    if key_slot != region.slot_bytes:
        return region
    return Region(2 * region.slots, region.slot_bytes, region.written_bytes, region.alignment, target_ratio=0.5)


def embedded_object_bytes(key: int, value: int, layout: Layout) -> int | None:
    """Bytes of an object that holds key and value; None where they are too long to be embedded."""
    header, limit = layout.embedding
    size = header + 1 + sds_bytes(key) + sds_bytes(value, 3)
    return size if size <= limit else None


def _hashtable_buckets(keys: float) -> int:
    return _power_of_two_at_least(keys / HASHTABLE_BUCKET_ENTRIES)


def _power_of_two_at_least(count: float) -> int:
    return 1 << max(0, (max(1, round(count)) - 1).bit_length())
