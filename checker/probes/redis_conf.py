"""Directives of a redis.conf or a command line → the configuration that results.

Source: redis src/config.c (setConfigSaveOption, the table of configs) at 6.2 and 7.0, and runs of redis-server 6.2.14,
7.0.15 and valkey-server 9.1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from checker.facts import Config, Maybe, SavePoint, Unread
from checker.probes.redis_syntax import (
    RUN_TIME,
    Arguments,
    Directive,
    Include,
    parse,
    parse_arguments,
    split_arguments,
    starts_sentinel,
    starts_server,
)
from checker.units import MIB, UnitError, parse_redis_memory

__all__ = [
    "RUN_TIME",
    "Arguments",
    "Directive",
    "Include",
    "effective",
    "parse",
    "parse_arguments",
    "release",
    "split_arguments",
    "starts_sentinel",
    "starts_server",
]


class _RefusedError(ValueError):
    """Arguments that Redis does not accept; the message says what it accepts."""


def _one(args: tuple[str, ...]) -> str:
    if len(args) != 1:
        raise _RefusedError("exactly one value, and no comment behind it")
    return args[0]


def _memory(args: tuple[str, ...]) -> int:
    text = _one(args)
    if not text:
        return 0  # 6.2 to 9.1 alike: memtoull("") is 0
    try:
        if text == text.strip():
            return parse_redis_memory(text)
    except UnitError:
        pass
    raise _RefusedError("a whole number of bytes with b, k, kb, m, mb, g or gb; no fraction, no per cent")


def _yes_no(args: tuple[str, ...]) -> bool:
    text = _one(args).lower()
    if text not in ("yes", "no"):
        raise _RefusedError("yes or no")
    return text == "yes"


def _relative(args: tuple[str, ...]) -> bool:
    text = _one(args).lower()
    if text not in ("yes", "no", "relative", "absolute"):
        raise _RefusedError("no, yes, relative or absolute")
    return text != "no"


def _number(args: tuple[str, ...]) -> int:
    text = _one(args)
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise _RefusedError("a whole number")
    return int(text)


def _policy(args: tuple[str, ...]) -> str:
    text = _one(args).lower()
    if text != "noeviction" and not re.fullmatch(r"(allkeys|volatile)-(lru|lfu|lrm|random)|volatile-ttl", text):
        raise _RefusedError("noeviction, or allkeys- or volatile- with lru, lfu or random, or volatile-ttl")
    return text


def _replicaof(args: tuple[str, ...]) -> bool:
    words = args[0].split() if len(args) == 1 else args
    if any(RUN_TIME in word for word in words):
        return True
    if len(words) != 2:
        raise _RefusedError("a host and a port, or `no one`")
    return [word.lower() for word in words] != ["no", "one"]


def _replica_limit(args: tuple[str, ...]) -> int | None:
    """Hard limit of the class `replica`, bytes; `None` where the line speaks of other classes only."""
    words = args[0].split() if len(args) == 1 else list(args)
    if len(words) % 4 or not words:
        raise _RefusedError("class, hard limit, soft limit, seconds")
    groups = [words[start : start + 4] for start in range(0, len(words), 4)]
    limits = [_memory((hard,)) for name, hard, _, _ in groups if name.lower() == "replica"]
    return limits[-1] if limits else None


def _forkless(args: tuple[str, ...]) -> bool:
    return _one(args).lower() == "forkless"


def _keydb_forkless(args: tuple[str, ...]) -> bool:
    return not _yes_no(args)


_FIELDS: Final[Mapping[str, tuple[str, Callable[[tuple[str, ...]], Any]]]] = {
    "maxmemory": ("maxmemory", _memory),
    "maxmemory-policy": ("maxmemory_policy", _policy),
    "appendonly": ("appendonly", _yes_no),
    "auto-aof-rewrite-percentage": ("auto_aof_rewrite_percentage", _number),
    "replicaof": ("replicaof", _replicaof),
    "cluster-enabled": ("cluster_enabled", _yes_no),
    "repl-diskless-sync": ("repl_diskless_sync", _yes_no),
    "repl-backlog-size": ("repl_backlog_size", _memory),
    "client-output-buffer-limit": ("replica_output_buffer_limit", _replica_limit),
    "dir": ("directory", _one),
    "dbfilename": ("dbfilename", _one),
    "rdbcompression": ("rdbcompression", _yes_no),
    "disable-thp": ("disable_thp", _yes_no),
    "oom-score-adj": ("oom_score_adj", _relative),
    "bgsave-default-method": ("forkless", _forkless),
    "use-fork": ("forkless", _keydb_forkless),  # KeyDB
}
"""Directive → field of facts.Config and how its arguments are read. `save` adds up, and so has its own function."""

DEFAULT_SAVE: Final = (SavePoint(3600, 1), SavePoint(300, 100), SavePoint(60, 10000))
"""redis src/server.c initServerConfig: the same in every version since 2.8 (the shipped redis.conf differs)."""

_SPEAKS_OF_REPLICAS: Final = frozenset({"min-replicas-to-write", "active-replica", "multi-master"})


LAST_MINOR: Final = 99


def release(version: str | None) -> tuple[int, int] | None:
    """(major, minor) of `7.0.15`, `v7`, `8.1-alpine`; `None` where no version is written.

    A major version alone is a tag that moves: it means the last minor version there is.
    """
    match = re.match(r"v?(\d{1,4})(?:\.(\d{1,4}))?(?!\d)", version or "", re.ASCII)
    return (int(match[1]), int(match[2] or LAST_MINOR)) if match else None


def _defaults(engine_name: str, version: str | None, has_config: bool) -> dict[str, Any]:
    """What the engine does untold. An unknown version has the defaults of the current one.

    Before Redis 6.2 any command line argument or file switched the default save points off (redis #7092).
    """
    known = release(version)
    number = known if known is not None else (99, 0)
    old = number if engine_name in ("redis", "keydb") else (99, 0)
    ten_megabytes = engine_name == "valkey" and number >= (8, 0)  # valkey #911
    return {
        "maxmemory": 0,
        "maxmemory_policy": "noeviction",
        "save": () if has_config and old < (6, 2) else DEFAULT_SAVE,
        "appendonly": False,
        "auto_aof_rewrite_percentage": 100,
        "replicaof": False,
        "cluster_enabled": False,
        "repl_diskless_sync": engine_name != "keydb" and old >= (7, 0),
        "repl_backlog_size": (10 if ten_megabytes else 1) * MIB,
        "replica_output_buffer_limit": 256 * MIB,
        "directory": ".",
        "dbfilename": "dump.rdb",
        "rdbcompression": True,
        "disable_thp": old >= (6, 2),
        "oom_score_adj": False,
        "forkless": False,
    }


def effective(
    directives: Iterable[Directive],
    *,
    engine_name: str,
    version: str | None,
    has_config: bool,
    missing: Sequence[Unread] = (),
) -> Config:
    """What holds after all directives, in order: the later wins, `save` adds up, `save ""` empties.

    `has_config`: the server was given a file or any argument. `missing`: files that come before all directives and
    could not be read. They, and an `include` that was not read, leave every field Unread that nothing sets later.
    A value that Redis refuses stays: no later one can help a server that does not start.
    """
    values = _defaults(engine_name, version, has_config)
    sources: dict[str, str] = {}
    for gap in missing[:1]:
        values = dict.fromkeys(values, gap)
    single_pair = engine_name == "keydb" or (engine_name == "redis" and (release(version) or (7, 0)) < (7, 0))
    saves: tuple[SavePoint, ...] = ()  # the first `save` of all replaces the default ones
    refused: set[str] = set()
    replicas: str | None = None

    for directive in directives:
        name, equals, _ = directive.name.partition("=")
        if name == "include" or RUN_TIME in name:
            hole = _hole(directive)
            values = {field: values[field] if field in refused else hole for field in values}
            sources = {field: source for field, source in sources.items() if field in refused}
            continue
        if name in _SPEAKS_OF_REPLICAS and directive.args[:1] not in (("0",), ("no",)):
            replicas = f"{name}, {directive.source}"
        field, read = ("save", None) if name == "save" else _FIELDS.get(name, (None, None))
        if field is None or field in refused:
            continue
        if name != "replicaof" and any(RUN_TIME in argument for argument in directive.args):
            values[field] = Unread(directive.source, f"{name} is decided at run time", "write the value itself")
            sources[field] = directive.source
            continue
        try:
            if equals:
                raise _RefusedError("a blank where this has an equals sign")
            if read is None:
                saves = _add_save(saves, directive.args, single_pair)
                value: Any = saves
            else:
                value = read(directive.args)
        except _RefusedError as error:
            refused.add(field)
            value = Unread(
                directive.source,
                f"{directive.name} {' '.join(directive.args)}".strip() + " is refused: Redis does not start with it",
                f"Redis accepts here {error}",
            )
        if value is not None:
            values[field] = value
            sources[field] = directive.source
    values["replicas_possible"] = _replicas_possible(values, sources, replicas)
    return Config(**values, sources=sources)


def _hole(directive: Directive) -> Unread:
    if RUN_TIME in directive.name:
        return Unread(directive.source, "what stands here is decided at run time", "write it as plain text")
    return Unread(directive.source, f"it includes {' '.join(directive.args)}, which was not read", "give that file too")


def _add_save(points: tuple[SavePoint, ...], args: tuple[str, ...], single_pair: bool) -> tuple[SavePoint, ...]:
    """The save points after one more `save`.

    `single_pair`: before Redis 7.0 one line holds one pair, and anything else is passed over without a word.
    """
    if args in ((), ("",), ('""',), ("''",)):
        return ()
    words = args if single_pair or len(args) != 1 else tuple(args[0].split())
    if single_pair and len(words) != 2:
        return points
    if len(words) % 2:
        raise _RefusedError('pairs of seconds and changes, or ""')
    pairs = []
    for seconds, changes in zip(words[::2], words[1::2], strict=True):
        if not re.fullmatch(r"\d{1,18}", seconds) or not re.fullmatch(r"\d{1,18}", changes) or int(seconds) < 1:
            raise _RefusedError('pairs of seconds (at least 1) and changes (at least 0), or ""')
        pairs.append(SavePoint(int(seconds), int(changes)))
    return (*points, *pairs)


def _replicas_possible(values: Mapping[str, Any], sources: dict[str, str], said: str | None) -> Maybe[bool]:
    """Does the configuration speak of replication? Where it does not, a replica may still be attached by hand."""
    for field in ("cluster_enabled", "replicaof"):
        if values[field] is True:
            said = said or f"{field.replace('_', '-')}, {sources.get(field, 'default')}"
    if said:
        sources["replicas_possible"] = said
        return True
    unread: list[Unread] = [values[field] for field in ("cluster_enabled", "replicaof") if values[field] is not False]
    if unread:
        return unread[0]
    sources["replicas_possible"] = "nothing in the configuration speaks of replicas"
    return False
