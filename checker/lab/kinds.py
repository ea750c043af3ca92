"""What the lab can load and write: one table of data types, each with its load and its writes.

A write is what one client does to one key; it may be several commands, of which each counts as one change for the
server (`rdb_changes_since_last_save`). Element sizes are `value_bytes`, elements a key `elements`; which encoding that
becomes (listpack, hashtable, skiplist, intset, quicklist) is the server's choice, and is read from it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from checker.lab.resp import encode

KEY_BYTES: Final = 10

NAME_BYTES: Final = 8
"""Field names of hashes, and the number with which every element of a set, sorted set or list begins."""

VALUES: Final = 64
"""Different values that the load has ready; which of them a key holds does not matter to any page."""

FIRST_INTEGER: Final = 1_000_000
"""Above the integers that servers share among keys (OBJ_SHARED_INTEGERS, src/server.h: 10,000)."""

TTL_SECONDS: Final = 100_000
"""Long after the lab is done."""

RESIZED: Final = (0.5, 0.75, 1.25, 1.5)
"""SET-RESIZE writes values of these shares of the loaded size."""

OVERWRITE: Final = "SET (overwrite, same size)"
"""What recorded cases call SET."""

NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Items:
    """What the bytes of commands are made from."""

    value_bytes: int
    elements: int
    chance: random.Random
    values: tuple[bytes, ...]  # without line ends, so that replies can be counted by their lines

    @classmethod
    def make(cls, value_bytes: int, elements: int, chance: random.Random) -> Items:
        """Random bytes: LZF finds nothing to compress in them."""
        values = tuple(chance.randbytes(value_bytes).replace(b"\n", b"\x0b") for _ in range(VALUES))
        return cls(value_bytes, elements, chance, values)

    def value(self, key: int) -> bytes:
        """The value of a key or an element, by its number."""
        return self.values[key % VALUES]

    def member(self, number: int) -> bytes:
        """A text that no other element of the key has, of `value_bytes` (but at least as long as the number)."""
        return (b"m%07d" % number + self.values[number % VALUES])[: max(NAME_BYTES, self.value_bytes)]

    def some(self) -> int:
        """The number of one of the elements."""
        return self.chance.randrange(self.elements)


Make = Callable[[Items, int], bytes]
"""From a key's number to the bytes of what is sent."""


@dataclass(frozen=True, slots=True)
class Write:
    """What a client does to a key: the commands of it, their number, and the lines of the replies."""

    make: Make
    commands: int = 1
    reply_lines: int = 1
    settings: Mapping[str, str] = field(default_factory=lambda: NO_SETTINGS)  # CONFIG SET before the writing begins
    grows: bool = False  # makes keys that were not there


@dataclass(frozen=True, slots=True)
class Kind:
    """A data type: what a key is loaded with, and what may be done to it; the first write is the default."""

    type: str  # of the server's TYPE command
    load: Make
    writes: Mapping[str, Write]
    load_lines: Callable[[int], int] = lambda _elements: 1  # reply lines of loading a key
    elements: int = 1  # by default


def key_name(key: int) -> bytes:
    """`k` and nine digits."""
    return b"k%09d" % key


def field_name(number: int) -> bytes:
    """A field of a hash."""
    return b"f%07d" % number


def _set(items: Items, key: int) -> bytes:
    return encode(b"SET", key_name(key), items.value(key))


def _set_resized(items: Items, key: int) -> bytes:
    share = RESIZED[items.chance.randrange(len(RESIZED))]
    return encode(b"SET", key_name(key), (items.value(key) * 2)[: max(1, round(items.value_bytes * share))])


def _set_new(items: Items, key: int) -> bytes:
    return encode(b"SET", b"n%09d" % items.chance.randrange(10**9), items.value(key))


def _set_expiring(items: Items, key: int) -> bytes:
    return encode(b"SET", key_name(key), items.value(key), b"EX", b"%d" % TTL_SECONDS)


def _expire(items: Items, key: int) -> bytes:
    return encode(b"EXPIRE", key_name(key), b"%d" % (TTL_SECONDS + items.chance.randrange(TTL_SECONDS)))


def _delete(_items: Items, key: int) -> bytes:
    return encode(b"DEL", key_name(key))


def _load_integer(_items: Items, key: int) -> bytes:
    return encode(b"SET", key_name(key), b"%d" % (FIRST_INTEGER + key))


def _increment(_items: Items, key: int) -> bytes:
    return encode(b"INCR", key_name(key))


def _load_hash(items: Items, key: int) -> bytes:
    pairs = [part for n in range(items.elements) for part in (field_name(n), items.value(key + n))]
    return encode(b"HSET", key_name(key), *pairs)


def _hset(items: Items, key: int) -> bytes:
    number = items.some()
    return encode(b"HSET", key_name(key), field_name(number), items.value(key + number + 1))


def _load_list(items: Items, key: int) -> bytes:
    return encode(b"RPUSH", key_name(key), *(items.member(n) for n in range(items.elements)))


def _queue(items: Items, key: int) -> bytes:
    return encode(b"LPUSH", key_name(key), items.member(key)) + encode(b"RPOP", key_name(key))


def _load_set(items: Items, key: int) -> bytes:
    return encode(b"SADD", key_name(key), *(items.member(n) for n in range(items.elements)))


def _readd(items: Items, key: int) -> bytes:
    member = items.member(items.some())
    return encode(b"SREM", key_name(key), member) + encode(b"SADD", key_name(key), member)


def _load_intset(items: Items, key: int) -> bytes:
    return encode(b"SADD", key_name(key), *(b"%d" % (FIRST_INTEGER + n) for n in range(items.elements)))


def _readd_integer(items: Items, key: int) -> bytes:
    member = b"%d" % (FIRST_INTEGER + items.some())
    return encode(b"SREM", key_name(key), member) + encode(b"SADD", key_name(key), member)


def _score(items: Items) -> bytes:
    return b"%d" % items.chance.randrange(10**9)


def _load_zset(items: Items, key: int) -> bytes:
    pairs = [part for n in range(items.elements) for part in (_score(items), items.member(n))]
    return encode(b"ZADD", key_name(key), *pairs)


def _zadd(items: Items, key: int) -> bytes:
    return encode(b"ZADD", key_name(key), _score(items), items.member(items.some()))


def _zincrby(items: Items, key: int) -> bytes:
    return encode(b"ZINCRBY", key_name(key), b"1", items.member(items.some()))


def _xadd(items: Items, key: int) -> bytes:
    return encode(b"XADD", key_name(key), b"MAXLEN", b"%d" % items.elements, b"*", b"field", items.value(key))


def _load_stream(items: Items, key: int) -> bytes:
    return b"".join(encode(b"XADD", key_name(key), b"*", b"field", items.value(key + n)) for n in range(items.elements))


def _evict(policy: str) -> Write:
    return Write(_set_new, settings=MappingProxyType({"maxmemory-policy": policy}), grows=True)


_STRING_WRITES: Final = {
    "SET": Write(_set),
    "SET-RESIZE": Write(_set_resized),
    "SETEX": Write(_set_expiring),
    "EXPIRE": Write(_expire),
    "DEL": Write(_delete),
    "INSERT": Write(_set_new, grows=True),
    "EVICT-LRU": _evict("allkeys-lru"),
    "EVICT-LFU": _evict("allkeys-lfu"),
}

KINDS: Final[Mapping[str, Kind]] = {
    "string": Kind("string", _set, _STRING_WRITES),
    "ttl": Kind("string", _set_expiring, _STRING_WRITES),
    "int": Kind("string", _load_integer, {"INCR": Write(_increment)}),
    "hash": Kind("hash", _load_hash, {"HSET": Write(_hset)}, elements=20),
    "list": Kind("list", _load_list, {"LPUSH+RPOP": Write(_queue, commands=2, reply_lines=3)}, elements=20),
    "set": Kind("set", _load_set, {"SREM+SADD": Write(_readd, commands=2, reply_lines=2)}, elements=20),
    "intset": Kind("set", _load_intset, {"SREM+SADD": Write(_readd_integer, commands=2, reply_lines=2)}, elements=20),
    "zset": Kind("zset", _load_zset, {"ZADD": Write(_zadd), "ZINCRBY": Write(_zincrby, reply_lines=2)}, elements=20),
    "stream": Kind(
        "stream",
        _load_stream,
        {"XADD": Write(_xadd, reply_lines=2)},
        load_lines=lambda elements: 2 * elements,
        elements=20,
    ),
}
"""`--type` → what it loads, and `--write` → what it does."""


def write_of(kind: str, name: str | None) -> tuple[str, Write]:
    """A write of this type by its name, or the default; raise KeyError with those that there are."""
    writes = KINDS[kind].writes
    chosen = name or next(iter(writes))
    if chosen not in writes:
        raise KeyError(f"{kind} has no write {chosen}; it has {', '.join(writes)}")
    return chosen, writes[chosen]


def recorded_name(write: str) -> str:
    """The name of a write as recorded cases have it."""
    return OVERWRITE if write == "SET" else write


def write_name(command: str | None) -> str:
    """The write of a recorded case; those without a name are SETs."""
    return "SET" if command in (None, OVERWRITE) else command
