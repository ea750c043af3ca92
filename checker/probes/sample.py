"""The shape of the data, by reading a few keys: types, encodings, lengths of names and values.

Only RANDOMKEY, TYPE, OBJECT ENCODING, STRLEN, the length command of each type and MEMORY USAGE, pipelined and bounded
in number and time. CLIENT NO-TOUCH (Redis 7.2) keeps the visit out of the LRU where the server knows it.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from checker.facts import Maybe, Population, Unread
from checker.probes.redis_link import Link, Reply, ServerError

BATCH_KEYS = 64
"""A judgement: keys asked for at once, so that a bound in time is kept and the server is never busy for long."""

ENTRY_BYTES = 56
"""What MEMORY USAGE counts besides name and value: dictEntry (24 to 32), robj (16), sds header (redis src/object.c)."""

_LENGTH: Mapping[bytes, str] = {
    b"string": "STRLEN",
    b"hash": "HLEN",
    b"list": "LLEN",
    b"set": "SCARD",
    b"zset": "ZCARD",
    b"stream": "XLEN",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One sampled key. `value_bytes` of a string is its length; of an aggregate, its memory without the entry."""

    key_bytes: int
    value_bytes: int
    type: str
    encoding: str
    elements: int


def size_bucket(size: int) -> int:
    """Return sizes that share an allocator's class or nearly so: 8 bytes apart to 64, then four to a doubling."""
    return (size + 7) // 8 if size <= 64 else round(4 * math.log2(size))


def group(keys: Iterable[Key], total_keys: int) -> tuple[Population, ...]:
    """Put keys alike together, and scale their numbers to all the keys; the numbers add up to `total_keys`.

    Alike: type, encoding, size bucket of value and name. Sizes are the mean of each group.
    """
    groups: dict[tuple[str, str, int, int], list[Key]] = defaultdict(list)
    for key in keys:
        groups[key.type, key.encoding, size_bucket(key.value_bytes), size_bucket(key.key_bytes)].append(key)
    seen, given, sampled = 0, 0, sum(map(len, groups.values()))
    populations = []
    for (kind, encoding, _, _), members in sorted(groups.items()):
        seen += len(members)
        until = round(total_keys * seen / sampled)  # cumulative, so that rounding never adds up
        count, given = until - given, until
        sampled_here = len(members)
        populations.append(
            Population(
                keys=count,
                value_bytes=sum(key.value_bytes for key in members) / sampled_here,
                key_bytes=sum(key.key_bytes for key in members) / sampled_here,
                type=kind,
                encoding=encoding,
                elements=sum(key.elements for key in members) / sampled_here,
            )
        )
    return tuple(population for population in populations if population.keys)


def read(
    link: Link,
    keyspace: Mapping[int, int],
    count: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Maybe[tuple[Population, ...]]:
    """Sample up to `count` keys of all databases (`keyspace`: database → keys) in at most `seconds`."""
    total = sum(keyspace.values())
    if total <= 0:
        return ()
    link.call(("CLIENT", "NO-TOUCH", "ON"))
    end = clock() + seconds
    found: list[Key] = []
    for database, keys in sorted(keyspace.items()):
        share = max(1, round(count * keys / total))
        taken = _sample(link, database, share, lambda: clock() < end)
        if isinstance(taken, Unread):
            return taken
        found += taken
    if not found:
        return Unread(f"{link.where} RANDOMKEY", "no key could be sampled in time", "raise the time for sampling")
    return group(found, total)


def _sample(link: Link, database: int, share: int, in_time: Callable[[], bool]) -> list[Key] | Unread:
    chosen = link.call(("SELECT", database))
    if isinstance(chosen, Unread) or (database and isinstance(chosen[0], ServerError)):
        return chosen if isinstance(chosen, Unread) else chosen[0].unread(f"{link.where} SELECT")
    found: list[Key] = []
    asked = 0
    while asked < share and (in_time() or not asked):
        batch = min(BATCH_KEYS, share - asked)
        asked += batch
        names = link.call(*[("RANDOMKEY",)] * batch)
        if isinstance(names, Unread):
            return names
        for refusal in (name for name in names if isinstance(name, ServerError)):
            return refusal.unread(f"{link.where} RANDOMKEY")
        keys = _describe(link, [name for name in names if isinstance(name, bytes)])
        if isinstance(keys, Unread):
            return keys
        found += keys
    return found


def _describe(link: Link, names: Sequence[bytes]) -> list[Key] | Unread:
    """Two exchanges: type and encoding; then length and, but for strings, memory."""
    if not names:
        return []
    first = link.call(*[command for name in names for command in (("TYPE", name), ("OBJECT", "ENCODING", name))])
    if isinstance(first, Unread):
        return first
    for refusal in (reply for reply in first if isinstance(reply, ServerError) and "no such key" not in reply.text):
        return refusal.unread(f"{link.where} TYPE, OBJECT ENCODING")
    kinds = list(zip(names, first[::2], first[1::2], strict=True))
    known = [(name, kind, coding) for name, kind, coding in kinds if isinstance(coding, bytes) and kind in _LENGTH]
    if not known:
        return []
    commands: list[tuple[str | bytes, ...]] = []
    for name, kind, _ in known:
        commands += [(_LENGTH[kind], name), ("MEMORY", "USAGE", name) if kind != b"string" else ("EXISTS", name)]
    second = link.call(*commands)
    if isinstance(second, Unread):
        return second
    for refusal in (reply for reply in second if isinstance(reply, ServerError)):
        return refusal.unread(f"{link.where} MEMORY USAGE")
    keys = [_key(*fact, *second[2 * i : 2 * i + 2]) for i, fact in enumerate(known)]
    return [key for key in keys if key is not None]


def _key(name: bytes, kind: Reply, encoding: bytes, length: Reply, memory: Reply) -> Key | None:
    """One key; `None` where it went away between the questions (EXISTS 0, MEMORY USAGE nil)."""
    if not isinstance(length, int) or not isinstance(memory, int) or memory == 0:
        return None
    is_string = kind == b"string"
    value_bytes = length if is_string else max(0, memory - len(name) - ENTRY_BYTES)
    elements = 1 if is_string else length
    return Key(len(name), value_bytes, kind.decode(), encoding.decode("ascii", "replace"), elements)
