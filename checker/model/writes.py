"""Which allocations a command writes, for every data type and encoding: the one table, and the pieces that it names.

A *piece* is a kind of allocation of a key or of an element (an entry of a table, an object, a listpack, …). The table
says how many of a key's pieces one change touches on average; the pieces say how many there are and how large. Sizes
are those of redis 7.0 (jemalloc) and computed from the named sources; valkey ≥ 8.1 has its own where it differs. What
comes out is checked against real forks, type by type (docs/accuracy.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import expm1
from typing import Final

from checker.facts import Population
from checker.model.layouts import (
    DICT_ENTRY,
    EMBSTR_LIMIT,
    HASHTABLE_BUCKET,
    POINTER,
    ROBJ,
    Keyspace,
    Layout,
    Region,
    embedded_object_bytes,
    sds_bytes,
    string_regions,
    table_bytes,
)

LISTPACK_NODE_BYTES: Final = 8192
"""A node of a list holds this much (list-max-listpack-size -2, src/quicklist.c)."""

STREAM_NODE_BYTES: Final = 4096
"""A node of a stream (stream-node-max-bytes, src/t_stream.c); allocated whole for the first entry."""

STREAM_BYTES: Final = 96
QUICKLIST_BYTES: Final = 40
QUICKLIST_NODE_BYTES: Final = 32
DICT_BYTES: Final = 56
"""sizeof(stream), (quicklist), (quicklistNode), (dict) (src/stream.h, src/quicklist.h, src/dict.h)."""

REHASHING_RATIO: Final = 1.5
"""Tables that still move to one of twice the size are counted both."""

NODE_BYTES: Final = 24
LEVEL_BYTES: Final = 16
LEVEL_RATIO: Final = 0.25
MOST_LEVELS: Final = 10
"""A node of a skiplist: element, score, backward pointer; for each level a pointer and a span. Each level has a quarter
of the nodes of the one below (src/server.h, ZSKIPLIST_P). A million members have ten levels."""

NODE_NEIGHBOURS: Final = 5
"""What moving a member touches on the lowest level: its node, and both neighbours of where it was and where it goes."""

EMBEDDED_FIELD_BYTES: Final = 128
"""Longest field with its value in one allocation (src/entry.c, EMBED_VALUE_MAX_ALLOC_SIZE)."""

SAMPLED_KEYS: Final = 5
"""maxmemory-samples (src/config.c)."""

SMALL_NAME_BYTES: Final = 16
"""Taken off an element of a hash for its field's name, which is not written: a judgement, names of up to 14 bytes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A population as the pieces need it."""

    population: Population
    layout: Layout
    page: int

    @property
    def keys(self) -> float:
        return self.population.keys

    @property
    def elements(self) -> float:
        """Of a key, at least one."""
        return max(1.0, self.population.elements)

    @property
    def element_bytes(self) -> float:
        """Memory of one element, all its allocations together."""
        return self.population.value_bytes / self.elements

    @property
    def element_texts_bytes(self) -> float:
        """What a table of elements leaves of it for their texts (and nodes): MEMORY USAGE counts classes, not bytes."""
        table = REHASHING_RATIO * table_bytes(self.elements, self.layout) + DICT_BYTES + ROBJ
        entry = 0 if self.in_object else DICT_ENTRY
        return max(POINTER, (self.population.value_bytes - table) / self.elements - entry)

    @property
    def in_object(self) -> bool:
        """Valkey since 8.1: no dictEntry, here or in the tables of elements."""
        return self.layout.keyspace is Keyspace.KEY_IN_OBJECT

    def slot(self, size: float) -> int:
        """What an allocation of so many bytes takes."""
        return self.layout.allocator.slot_bytes(max(1, int(size)), self.page)

    def region(self, slots: float, size: float, *, chance: float, written: float | None = None) -> Region:
        """A region of such allocations, of which a change touches each with this chance."""
        whole = max(1, int(size))
        return Region(
            slots,
            self.slot(whole),
            whole if written is None else round(written),
            self.layout.allocator.alignment(whole, self.page),
            chance=chance,
        )


Pieces = Callable[[Shape, float], Iterator[Region]]
"""The regions of one kind of piece, of which a change touches so many a key."""


# --- pieces of a key -------------------------------------------------------------------------------------------------


def _string(shape: Shape, touches: float) -> Iterator[Region]:
    """All that SET writes (layouts.py). Where a key expires, the time lies in its object since Valkey 8.1."""
    layout = shape.layout
    if shape.in_object and shape.population.expiring_ratio:
        layout = replace(layout, embedding=(layout.embedding[0] + POINTER, layout.embedding[1]))
    for region in string_regions(shape.population, layout, shape.page):
        yield replace(region, chance=touches)


def _object(shape: Shape, touches: float) -> Iterator[Region]:
    """The robj; with the key in it since Valkey 8.1. Names of keys share its size class."""
    key = sds_bytes(round(shape.population.key_bytes))
    if shape.in_object:
        value = round(shape.population.value_bytes)
        plain = shape.population.type == "string" and shape.population.encoding != "int"
        expiry = POINTER if shape.population.expiring_ratio else 0
        embedded = embedded_object_bytes(round(shape.population.key_bytes), value, shape.layout) if plain else None
        alone = embedded is None or embedded + expiry > shape.layout.embedding[1]
        size = ROBJ + 1 + key if alone or embedded is None else embedded
        yield shape.region(shape.keys, size + expiry, chance=touches, written=ROBJ)
        return
    embedded_value = shape.population.type == "string" and 0 < shape.population.value_bytes <= EMBSTR_LIMIT
    is_number = shape.population.encoding == "int"
    size = ROBJ + (sds_bytes(round(shape.population.value_bytes), 3) if embedded_value and not is_number else 0)
    region = shape.region(shape.keys, size, chance=touches, written=ROBJ)
    shared = shape.slot(key) == region.slot_bytes
    yield replace(region, slots=2 * region.slots, target_ratio=0.5) if shared else region


def _string_with_expiry(shape: Shape, touches: float) -> Iterator[Region]:
    """What SET writes, and the entry of the key among those that expire, which was made with its own."""
    in_object = shape.in_object
    for number, region in enumerate(_string(shape, touches)):
        if number == 0 and not in_object and shape.layout.allocator.name == "jemalloc":
            yield replace(region, slot_bytes=2 * region.slot_bytes, alignment=2 * region.slot_bytes)
        else:
            yield region


def _entry_with_expiry(shape: Shape, touches: float) -> Iterator[Region]:
    """The entry of a key among those that expire, beside that of the key; since Valkey 8.1 the object itself."""
    if shape.in_object:
        yield from _object(shape, touches)
        return
    region = shape.region(shape.keys, DICT_ENTRY, chance=touches, written=POINTER)
    yield replace(region, slots=2 * region.slots, target_ratio=0.5)


def _entry_before(shape: Shape, touches: float) -> Iterator[Region]:
    """The entry that points to the one which goes, where it is not the first of its chain (src/dict.c)."""
    if shape.in_object:
        return
    load = shape.keys / (table_bytes(shape.keys, shape.layout) / POINTER)
    later = 1 + expm1(-load) / load  # of the keys of a chain, as many as keys fall on it at random
    yield shape.region(shape.keys, DICT_ENTRY, chance=touches * later, written=POINTER)


def _table(shape: Shape, touches: float) -> Iterator[Region]:
    """The pointer that finds a key, in one large allocation."""
    yield _pointers(shape, shape.keys, touches)


def _pack(shape: Shape, touches: float) -> Iterator[Region]:
    """Listpack, ziplist or intset: all elements in one allocation, of which one element is written."""
    size = shape.population.value_bytes
    yield shape.region(shape.keys, size, chance=touches, written=min(size, shape.element_bytes))


def _pack_moved(shape: Shape, touches: float) -> Iterator[Region]:
    """The same where elements between two places move: a third of it on average."""
    size = shape.population.value_bytes
    yield shape.region(shape.keys, size, chance=touches, written=max(shape.element_bytes, size / 3))


def _list_ends(shape: Shape, touches: float) -> Iterator[Region]:
    """The list's own allocation, and its first or last node with that one's listpack."""
    yield shape.region(shape.keys, QUICKLIST_BYTES, chance=touches)
    entries = shape.region(shape.keys, QUICKLIST_NODE_BYTES, chance=touches)
    shared = entries.slot_bytes == shape.slot(DICT_ENTRY) and not shape.in_object
    yield replace(entries, slots=2 * entries.slots, target_ratio=0.5) if shared else entries
    pack = shape.population.value_bytes - QUICKLIST_BYTES - QUICKLIST_NODE_BYTES
    if pack <= LISTPACK_NODE_BYTES:
        yield shape.region(shape.keys, pack, chance=touches)
    else:
        yield from _ends(shape, touches, LISTPACK_NODE_BYTES, written=LISTPACK_NODE_BYTES / 2)


def _stream_ends(shape: Shape, touches: float) -> Iterator[Region]:
    """The stream's own allocation, its last node, and its first where entries are trimmed."""
    yield shape.region(shape.keys, STREAM_BYTES, chance=touches)
    if shape.population.value_bytes <= 2 * STREAM_NODE_BYTES:
        yield shape.region(shape.keys, STREAM_NODE_BYTES, chance=touches, written=POINTER)
    else:
        yield from _ends(shape, touches, STREAM_NODE_BYTES, written=POINTER)


def _ends(shape: Shape, touches: float, node_bytes: int, written: float) -> Iterator[Region]:
    """The two nodes at the ends, which all writes to a key share, and those that follow once one is full or empty."""
    yield shape.region(2 * shape.keys, node_bytes, chance=touches, written=written)
    nodes = shape.population.value_bytes / node_bytes
    each_node = shape.elements / nodes
    yield shape.region(nodes * shape.keys, node_bytes, chance=touches / each_node / nodes, written=written)


def _sampled(shape: Shape, touches: float) -> Iterator[Region]:
    """Valkey since 9.0 writes the age of the keys among which it chooses what to evict (src/lrulfu.c)."""
    if shape.layout.decays_when_read:
        yield from _object(shape, touches * SAMPLED_KEYS)


# --- pieces of an element --------------------------------------------------------------------------------------------


def _hash_field(shape: Shape, touches: float) -> Iterator[Region]:
    """The entry of a field, and its value; in one since Valkey 8.1, where both are short (src/entry.c)."""
    if shape.in_object and shape.element_texts_bytes <= EMBEDDED_FIELD_BYTES:
        yield from _together(shape, touches, shape.element_texts_bytes)
        return
    value = max(POINTER, shape.element_texts_bytes - SMALL_NAME_BYTES)
    yield from _together(shape, touches, DICT_ENTRY, value)


def _member(shape: Shape, touches: float) -> Iterator[Region]:
    """A member of a set: its entry and its text; since Valkey 8.1 the text alone."""
    yield from _together(shape, touches, *(() if shape.in_object else (DICT_ENTRY,)), shape.element_texts_bytes)


def _member_table(shape: Shape, touches: float) -> Iterator[Region]:
    """The table of a set, and what counts its members."""
    each = _pointers(shape, shape.elements, touches / shape.elements)
    yield replace(each, slots=each.slots * shape.keys)
    yield shape.region(shape.keys, DICT_BYTES, chance=touches)


def _scored(shape: Shape, touches: float) -> Iterator[Region]:
    """The entry that points to a member's score, beside the member's text if of the same size.

    None since Valkey 8.1: the table points to the node, which is moved as it is (src/t_zset.c zslUpdateScore).
    """
    if shape.in_object:
        return
    beside = (DICT_ENTRY,) if shape.slot(_text_bytes(shape)) == shape.slot(DICT_ENTRY) else ()
    yield from _together(shape, touches, DICT_ENTRY, *beside)


def _node(shape: Shape, touches: float) -> Iterator[Region]:
    """The node of a member, where it stays in its place."""
    size = _mean_node_bytes(shape) + _text_in_node(shape)
    yield shape.region(shape.keys * shape.elements, size, chance=touches / shape.elements, written=POINTER)


def _nodes_around(shape: Shape, touches: float) -> Iterator[Region]:
    """The nodes that moving a member touches: on each level the ones before it, where it was and where it goes.

    Nodes of a height are allocations of one size. Those of level n are touched as neighbours on every level up to n.
    """
    for levels in range(1, MOST_LEVELS + 1):
        share = LEVEL_RATIO ** (levels - 1) * (1 - LEVEL_RATIO)
        nodes = shape.elements * share
        if nodes < LEVEL_RATIO:
            return  # few skiplists are as high
        touched = NODE_NEIGHBOURS * share
        touched += sum(2 * (1 - LEVEL_RATIO) * LEVEL_RATIO ** (levels - 1 - below) for below in range(1, levels))
        size = _head_bytes(shape) + LEVEL_BYTES * levels + _text_in_node(shape)
        yield shape.region(shape.keys * nodes, size, chance=touches * touched / nodes, written=POINTER)


def _head_bytes(shape: Shape) -> int:
    """A node without its levels: since Valkey 8.1 the pointer to its text is not needed."""
    return NODE_BYTES - (POINTER if shape.in_object else 0)


def _mean_node_bytes(shape: Shape) -> float:
    """A node on average over its heights, in size classes."""
    levels = range(1, MOST_LEVELS + 1)
    sizes = (shape.slot(_head_bytes(shape) + LEVEL_BYTES * level) for level in levels)
    return sum(LEVEL_RATIO ** (level - 1) * (1 - LEVEL_RATIO) * size for level, size in zip(levels, sizes, strict=True))


def _text_bytes(shape: Shape) -> float:
    """A sorted set's member: what its table and its node leave of an element's memory."""
    return max(POINTER, shape.element_texts_bytes - _mean_node_bytes(shape))


def _text_in_node(shape: Shape) -> float:
    """Since Valkey 8.1 the member's text is part of its node."""
    return _text_bytes(shape) if shape.in_object else 0.0


def _together(shape: Shape, touches: float, *sizes: float) -> Iterator[Region]:
    """Pieces of one element: neighbours where they have the same size class, else each kind on pages of its own."""
    slots, chance = shape.keys * shape.elements, touches / shape.elements
    if shape.layout.allocator.name == "jemalloc" and len({shape.slot(size) for size in sizes}) == 1:
        both = shape.slot(sizes[0]) * len(sizes)
        yield Region(slots, both, both, both, chance=chance)
        return
    for size in sizes:
        yield shape.region(slots, size, chance=chance)


def _pointers(shape: Shape, items: float, chance: float) -> Region:
    """The table of so many items as a region of pointers."""
    spacing = max(1, round(table_bytes(items, shape.layout) / max(1.0, items)))
    written = HASHTABLE_BUCKET if shape.in_object else POINTER
    return Region(items, spacing, min(spacing, written), POINTER, chance=chance)


# --- the table -------------------------------------------------------------------------------------------------------

_EVICTED: Final[Mapping[Pieces, float]] = {_string: 1, _table: 2, _sampled: 1}

WRITES: Final[Mapping[str, Mapping[str, Mapping[Pieces, float]]]] = {
    "string": {
        "SET": {_string: 1},
        "SET-RESIZE": {_string: 1},
        "SETEX": {_string_with_expiry: 1},
        "EXPIRE": {_entry_with_expiry: 1},
        "DEL": {_table: 1, _object: 1, _entry_before: 1},
        "INSERT": {_table: 1},
        "EVICT-LRU": _EVICTED,
        "EVICT-LFU": _EVICTED,
    },
    "number": {"INCR": {_object: 1}},
    "pack": {"HSET": {_object: 1, _pack: 1}},
    "pack set": {"SADD": {_object: 1, _pack_moved: 1}, "SREM+SADD": {_object: 0.5, _pack_moved: 0.5}},
    "pack zset": {"ZADD": {_object: 1, _pack_moved: 1}, "ZINCRBY": {_object: 1, _pack: 1}},
    "hashtable hash": {"HSET": {_hash_field: 1}},
    "hashtable set": {
        "SADD": {_member: 1, _member_table: 1},
        "SREM+SADD": {_member: 0.5, _member_table: 0.5},
    },
    "list": {"LPUSH": {_list_ends: 1}, "LPUSH+RPOP": {_list_ends: 0.5}},
    "skiplist zset": {"ZADD": {_nodes_around: 1, _scored: 1}, "ZINCRBY": {_node: 1, _scored: 1}},
    "stream": {"XADD": {_stream_ends: 1}},
}
"""Structure → what is done → pieces, and how many of a key's a change touches. The first of each is what is assumed
where the commands are not known."""

LIBC_PLACES_RATIO: Final[Mapping[str, float]] = {"string": 1.8, "pack set": 1.5, "pack zset": 1.3, "stream": 2.2}
"""With glibc freeing and resizing write to the free neighbours and to their lists too: by so much more than what the
pieces themselves come to, so that few recorded forks (redis 6.2, valkey 9.1) are above. A bound, not a best guess."""

_PACKED: Final = ("listpack", "ziplist", "intset")


def structure_of(population: Population) -> str:
    """The row of WRITES for a type and encoding; what is not known is taken for a string of its size."""
    kind, encoding = population.type, population.encoding
    if kind == "string":
        return "number" if encoding == "int" else "string"
    if kind == "list":
        return "list"
    if encoding in _PACKED:
        return "pack" if kind == "hash" else f"pack {kind}"
    return next((name for name in (kind, f"{encoding} {kind}") if name in WRITES), "string")


def object_bytes(population: Population, layout: Layout, page: int) -> float:
    """Bytes on pages with the objects of the keys."""
    regions = _object(Shape(population, layout, page), 1.0)
    return sum(region.slots * region.slot_bytes for region in regions)


def write_regions(population: Population, write: str | None, layout: Layout, page: int) -> tuple[Region, ...]:
    """The regions that a change of one of these keys touches. `write` None: the first of the structure's row."""
    structure = structure_of(population)
    row = WRITES[structure]
    pieces = row.get(write or "") or next(iter(row.values()))
    shape = Shape(population, layout, page)
    more = 1.0 if layout.allocator.name == "jemalloc" else LIBC_PLACES_RATIO.get(structure, 1.0)
    if write in (None, "SET"):
        more = 1.0  # layouts.py has its own account of it
    return tuple(region for piece, touches in pieces.items() for region in piece(shape, touches * more))
