"""A server that does not exist yet: what is wished for, as the facts that `judge()` takes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from checker.engines import DATA_SERVERS, FORKING
from checker.estimate import DEFAULT_PAGE_SIZE_BYTES
from checker.estimate.inputs import DEFAULT_KEY_BYTES
from checker.facts import (
    UNLIMITED,
    Config,
    Declared,
    Engine,
    Node,
    Population,
    Server,
    Sourced,
    Subject,
    Unread,
    Volume,
)
from checker.model.layouts import key_footprint_bytes, layout_of
from checker.policy import Assumptions
from checker.probes import redis_conf
from checker.units import format_redis_memory

Persistence = Literal["rdb", "aof", "both", "none"]

SAVE_POINTS: Final = "save 3600 1 300 100 60 10000"
"""Redis' and Valkey's own default since 7.0."""

REPLICA_BUFFER: Final = "client-output-buffer-limit replica 256mb 64mb 60"
"""The engines' own default; written out, for the plan counts on it."""

NOT_SAID: Final = Unread("the plan", "does not say", "run `bgsafe node` on the server once it runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to run. `None`: not said."""

    maxmemory: int | None = None
    limit: int | None = None
    engine: Engine
    replicas: int = 0
    persistence: Persistence = "rdb"
    page_size_bytes: int | None = None
    cpu_limit_cores: float | None = None


def parse_engine(text: str) -> Engine:
    """`redis`, `valkey:8.1`: an engine and, where it is known, its version. Raises ValueError."""
    name, _, version = text.strip().lower().partition(":")
    if name not in DATA_SERVERS:
        raise ValueError(f"{text!r} is no engine that bgsafe knows ({', '.join(sorted(DATA_SERVERS))})")
    if version and redis_conf.release(version) is None:
        raise ValueError(f"{text!r} names no version (expected like {name}:8.0)")
    unread = Unread("--engine", "names no version", f"give one: {name}:8.0")
    return Engine(name=name, version=version or unread, allocator=NOT_SAID, forks=name in FORKING)


def directives(wish: Wish, maxmemory: int) -> tuple[str, ...]:
    """The lines of redis.conf that the plan is about."""
    lines = [f"maxmemory {format_redis_memory(maxmemory)}"]
    lines.append(SAVE_POINTS if wish.persistence in ("rdb", "both") else 'save ""')
    lines.append(f"appendonly {'yes' if wish.persistence in ('aof', 'both') else 'no'}")
    if wish.replicas:
        lines.append(REPLICA_BUFFER)
    return tuple(lines)


def server_of(wish: Wish, maxmemory: int, limit: int | None) -> Server:
    """The server, with this maxmemory and this limit (None: none)."""
    return Server(
        subject=Subject(source="plan", name="plan"),
        engine=wish.engine,
        config=_config(wish, maxmemory),
        process=None,
        cgroup=None,
        limit=Sourced(UNLIMITED if limit is None else limit, "the plan"),
        cpu_limit_cores=UNLIMITED if wish.cpu_limit_cores is None else wish.cpu_limit_cores,
        oom_group=NOT_SAID,
        volume=Volume(filesystem="disk", in_memory=False, files_bytes=NOT_SAID),
        declared=Declared(replicas=wish.replicas or None),
    )


def _config(wish: Wish, maxmemory: int) -> Config:
    parsed, _ = redis_conf.parse("\n".join(directives(wish, maxmemory)), "the plan", lambda _pattern: ())
    version = wish.engine.version if isinstance(wish.engine.version, str) else None
    config = redis_conf.effective(parsed, engine_name=wish.engine.name, version=version, has_config=True)
    sources = {**config.sources, "maxmemory": "the plan", "replicas_possible": "--replicas"}
    return replace(config, replicas_possible=wish.replicas > 0, sources=sources)


def node_of(wish: Wish) -> Node | None:
    """A machine of which only the page size is known; None where that is the usual one."""
    page = wish.page_size_bytes
    if page is None or page == DEFAULT_PAGE_SIZE_BYTES:
        return None
    unread: dict[str, Any] = {field.name: NOT_SAID for field in fields(Node)}
    return Node(**{**unread, "page_size_bytes": page})


def dataset_bytes(keys: int, assumptions: Assumptions, engine: Engine, page: int) -> float:
    """What so many keys with such values take when freshly loaded."""
    shape = Population(keys, assumptions.value_bytes or 0, assumptions.key_bytes or DEFAULT_KEY_BYTES)
    return keys * key_footprint_bytes(shape, layout_of(engine), page)


def filled(assumptions: Assumptions, engine: Engine, maxmemory: int, page: int) -> Assumptions:
    """The shape of data that fills maxmemory, where the size of the values is known and the number of keys is not."""
    if assumptions.value_bytes is None or assumptions.keys is not None:
        return assumptions
    guess = max(1, maxmemory // (assumptions.value_bytes + DEFAULT_KEY_BYTES))
    each = dataset_bytes(guess, assumptions, engine, page) / guess
    return replace(assumptions, keys=max(1, round(maxmemory / each)))
