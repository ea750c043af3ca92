"""What a server says of itself: INFO and CONFIG GET.

Source: https://redis.io/docs/latest/commands/info/ and redis src/server.c genRedisInfoString.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from checker.engines import DATA_SERVERS, EXECUTABLES
from checker.facts import Info, Maybe, Population, Unread
from checker.probes import sample as sampling
from checker.probes.files import decode, number, printable
from checker.probes.redis_conf import Directive
from checker.probes.redis_link import Link, Reply, ServerError, connect, label

RATE_SECONDS = 1.0
"""How long the growth of rdb_changes_since_last_save is watched where nothing else takes time. A judgement."""

LEAST_MEAN_SECONDS = 60.0
"""Since a save or start of less than this, the mean says more about the loading of the data than about its use."""

CONFIG_NAMES = (
    "maxmemory",
    "maxmemory-policy",
    "save",
    "appendonly",
    "auto-aof-rewrite-percentage",
    "replicaof",
    "slaveof",
    "cluster-enabled",
    "repl-diskless-sync",
    "repl-backlog-size",
    "client-output-buffer-limit",
    "dir",
    "dbfilename",
    "rdbcompression",
    "disable-thp",
    "oom-score-adj",
    "bgsave-default-method",
    "use-fork",
    "appenddirname",
    "appendfilename",
)
"""Asked for one by one, not by `CONFIG GET *`: that would hand over requirepass and masterauth too."""

REFUSED = "allow this user CONFIG GET (ACL: +config|get)"


SORTED_SET_MOVES = ("zadd", "zincrby", "zrem", "zpopmin", "zpopmax", "geoadd", "zremrangebyscore", "zremrangebyrank")
"""Commands that link nodes of a skiplist anew."""

WRITE_COMMANDS = (
    *("set", "getset", "append", "incr", "decr", "mset", "psetex", "del", "unlink", "expire", "pexpire", "persist"),
    *("hset", "hmset", "hincr", "hdel", "lpush", "rpush", "lpop", "rpop", "lset", "lrem", "ltrim", "lmove", "blpop"),
    *("brpop", "sadd", "srem", "spop", "smove", "xadd", "xtrim", "xdel", "pfadd", "restore", "eval", "fcall", "copy"),
    *SORTED_SET_MOVES,
)
"""How the names of commands begin that write: setex, setrange, hsetnx, zaddnx are among them. A judgement: those that
are missing make the share of sorted sets larger, which is the safe side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one URL told."""

    where: str  # the URL without secrets
    fields: Mapping[str, str]  # INFO
    info: Info
    engine_name: str
    version: Maybe[str]
    directives: Maybe[tuple[Directive, ...]]  # CONFIG GET
    shape: Maybe[tuple[Population, ...]] | None  # None: nobody asked for a sample
    asked_at: float  # time.monotonic() of the INFO that was kept

    def get(self, name: str) -> Maybe[str]:
        """One line of INFO."""
        return self.fields.get(name, Unread(f"INFO {name} of {self.where}", "the server does not say"))

    def count(self, name: str) -> Maybe[int]:
        """A line of INFO that is a whole number."""
        return count(self.fields, name, self.where)


def parse(text: str) -> Mapping[str, str]:
    """Return every `name:value` line of INFO, the first of a name."""
    table: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            table.setdefault(name, printable(value))
    return table


def count(fields: Mapping[str, str], name: str, where: str) -> Maybe[int]:
    """A whole number, or why there is none."""
    text = fields.get(name)
    missing = Unread(f"INFO {name} of {where}", "the server does not say")
    return missing if text is None else number(text, f"INFO {name} of {where}")


def keyspace(fields: Mapping[str, str]) -> Mapping[int, int]:
    """Database → number of keys, of the lines `db0:keys=12,expires=0,avg_ttl=0`."""
    found: dict[int, int] = {}
    for name, value in fields.items():
        database, keys = re.fullmatch(r"db(\d{1,6})", name, re.ASCII), re.match(r"keys=(\d{1,18})", value, re.ASCII)
        if database and keys:
            found[int(database[1])] = int(keys[1])
    return found


def engine_of(fields: Mapping[str, str], where: str) -> tuple[str, Maybe[str]]:
    """Return engine and version. Everyone says redis_version for the clients' sake; a name of its own comes first."""
    for name in ("valkey", "dragonfly", "garnet", "kvrocks", "keydb"):
        if version := fields.get(f"{name}_version"):
            return name, re.sub(r"^(?:df-)?v", "", version)
    program = fields.get("executable", "").rpartition("/")[2]
    kinds = (fields.get("server_name"), EXECUTABLES.get(program.lower()))
    name = next((kind for kind in kinds if kind is not None and kind in DATA_SERVERS), "redis")
    return name, fields.get("redis_version", Unread(f"INFO redis_version of {where}", "the server does not say"))


def write_rate(before: Mapping[str, str], after: Mapping[str, str], seconds: float, where: str) -> Maybe[float]:
    """Return writes per second, from rdb_changes_since_last_save: its growth, or its mean since the last save.

    The larger of the two, so that one quiet second does not hide a busy hour. A save in between sets it back.
    """
    name = "rdb_changes_since_last_save"
    first, last = count(before, name, where), count(after, name, where)
    if isinstance(first, Unread) or isinstance(last, Unread):
        return first if isinstance(first, Unread) else last
    if last < first or seconds <= 0 or before.get("rdb_last_save_time") != after.get("rdb_last_save_time"):
        return Unread(f"INFO {name} of {where}", "a save ended while it was watched", "run again")
    since_save = _seconds_since_save(after, where)
    mean = last / since_save if since_save >= LEAST_MEAN_SECONDS else 0.0
    return max((last - first) / seconds, mean)


def _seconds_since_save(fields: Mapping[str, str], where: str) -> float:
    """By the server's own clock; 0 where it does not tell."""
    now, saved = count(fields, "server_time_usec", where), count(fields, "rdb_last_save_time", where)
    return 0.0 if isinstance(now, Unread) or isinstance(saved, Unread) else now / 1e6 - saved


def info_of(fields: Mapping[str, str], rate: Maybe[float], where: str) -> Info:
    """The facts of INFO. −1 of rdb_last_bgsave_time_sec is "there was none"."""

    def size(name: str) -> Maybe[int]:
        return count(fields, name, where)

    def text(name: str) -> Maybe[str]:
        return fields.get(name, Unread(f"INFO {name} of {where}", "the server does not say"))

    loading = text("loading")
    never = Unread(f"INFO rdb_last_bgsave_time_sec of {where}", "no save since the server started")
    has_keyspace = "used_memory" in fields  # an empty server has no db line at all
    return Info(
        used_memory=size("used_memory"),
        used_memory_rss=size("used_memory_rss"),
        used_memory_dataset=size("used_memory_dataset"),
        mem_not_counted_for_evict=size("mem_not_counted_for_evict"),
        keys=sum(keyspace(fields).values()) if has_keyspace else Unread(f"INFO of {where}", "no keyspace section"),
        connected_slaves=size("connected_slaves"),
        write_rate_per_second=rate,
        rdb_last_bgsave_time_sec=never
        if fields.get("rdb_last_bgsave_time_sec") == "-1"
        else size("rdb_last_bgsave_time_sec"),
        rdb_last_cow_size=size("rdb_last_cow_size"),
        rdb_last_bgsave_status=text("rdb_last_bgsave_status"),
        latest_fork_usec=size("latest_fork_usec"),
        loading=loading if isinstance(loading, Unread) else loading not in ("0", ""),
        sorted_set_ratio=sorted_set_ratio(fields, where),
        evicted_keys=size("evicted_keys"),
    )


def sorted_set_ratio(fields: Mapping[str, str], where: str) -> Maybe[float]:
    """From `INFO commandstats`: `cmdstat_zadd:calls=12,usec=…`. 0 before the first write."""
    calls = {
        name.removeprefix("cmdstat_"): int(found[1])
        for name, value in fields.items()
        if name.startswith("cmdstat_") and (found := re.match(r"calls=(\d{1,18})", value, re.ASCII))
    }
    if not calls:
        return Unread(f"INFO commandstats of {where}", "the server does not say")
    writes = sum(count for name, count in calls.items() if name.startswith(WRITE_COMMANDS))
    moves = sum(calls.get(name, 0) for name in SORTED_SET_MOVES)
    return min(1.0, moves / writes) if writes else 0.0


def directives_of(values: Mapping[str, str], where: str) -> tuple[Directive, ...]:
    """Turn what CONFIG GET answers into directives: it writes `save` in one line, and no replica as an empty text."""
    found: list[Directive] = []
    for name, value in values.items():
        source = f"CONFIG GET {name} of {where}"
        if name == "save":
            words = value.split()
            pairs = [tuple(words[i : i + 2]) for i in range(0, len(words), 2)] or [("",)]
            found += [Directive("save", pair, source) for pair in pairs]
        elif name in ("replicaof", "slaveof"):
            found.append(Directive("replicaof", tuple(value.split()) or ("no", "one"), source))
        elif name == "client-output-buffer-limit":
            found.append(Directive(name, (re.sub(r"\bslave\b", "replica", value),), source))
        else:
            found.append(Directive(name, (value,), source))
    return tuple(found)


def read_config(link: Link) -> Maybe[tuple[Directive, ...]]:
    """Ask for the settings that matter; a name that the server does not know gets no answer."""
    replies = link.call(*[("CONFIG", "GET", name) for name in CONFIG_NAMES])
    if isinstance(replies, Unread):
        return replies
    values: dict[str, str] = {}
    for reply in replies:
        if isinstance(reply, ServerError):
            return Unread(f"CONFIG GET of {link.where}", reply.text[:200], REFUSED)
        if isinstance(reply, list) and len(reply) >= 2 and all(isinstance(part, bytes) for part in reply[:2]):
            values[decode(reply[0])] = printable(decode(reply[1]))
    return directives_of(values, link.where)


def read_fields(link: Link) -> Mapping[str, str] | Unread:
    """Ask for INFO."""
    replies = link.call(("INFO",))
    if isinstance(replies, Unread):
        return replies
    reply: Reply = replies[0]
    if isinstance(reply, ServerError):
        return reply.unread(f"INFO of {link.where}")
    fields = parse(decode(reply)) if isinstance(reply, bytes) else {}
    if not fields:
        return Unread(link.where, "INFO says nothing", "check host and port: is that a Redis-like server?")
    return fields


def read_commands(link: Link) -> Mapping[str, str]:
    """How often each command was called, which plain INFO leaves out; nothing where the server does not tell."""
    replies = link.call(("INFO", "commandstats"))
    return parse(decode(replies[0])) if not isinstance(replies, Unread) and isinstance(replies[0], bytes) else {}


def read(
    url: str,
    *,
    password: str | None = None,
    sample: int = 0,
    sample_seconds: float = 5.0,
    timeout_seconds: float = 3.0,
    rate_seconds: float = RATE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer | Unread:
    """Ask one server. Never writes, never triggers a save, and returns in bounded time."""
    with connect(url, password, timeout_seconds, extra_seconds=rate_seconds + bool(sample) * sample_seconds) as link:
        if isinstance(link, Unread):
            return link
        before = read_fields(link)
        if isinstance(before, Unread):
            return before
        if before.get("redis_mode") == "sentinel":
            return Unread(link.where, "a Sentinel, which holds no data", "give the URL of a data server")
        start = time.monotonic()
        directives = read_config(link)
        commands = read_commands(link)
        shape = sampling.read(link, keyspace(before), sample, sample_seconds) if sample else None
        sleep(max(0.0, rate_seconds - (time.monotonic() - start)))
        after = read_fields(link)
        seconds = time.monotonic() - start
    rate = after if isinstance(after, Unread) else write_rate(before, after, seconds, label(url))
    fields = {**(before if isinstance(after, Unread) else after), **commands}
    name, version = engine_of(fields, label(url))
    return Answer(
        where=label(url),
        fields=fields,
        info=info_of(fields, rate, label(url)),
        engine_name=name,
        version=version,
        directives=directives,
        shape=shape,
        asked_at=start if isinstance(after, Unread) else start + seconds,
    )
