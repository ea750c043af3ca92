"""One real save under a real load: what was there before the fork, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from checker.facts import Unread
from checker.lab.case import SAVED, Case
from checker.lab.cgroup import MemoryCgroup
from checker.lab.kinds import KEY_BYTES, key_name, recorded_name
from checker.lab.load import Workload
from checker.lab.resp import Connection, ReplyError
from checker.lab.server import HZ, LabError, RunningServer
from checker.probes.proc import read_status
from checker.units import parse_meminfo_kb

POLL_SECONDS: Final = 0.005
"""How often the save is looked at: at 20,000 writes/s the memory grows by about 1 MB in between."""

SAVE_SECONDS: Final = 300.0
"""How long a save of the lab may take: a judgement; the largest cases take five."""

DEATH_SECONDS: Final = 5.0
"""How long a server that stopped answering may take to be seen dead."""

CHANGES: Final = "rdb_changes_since_last_save"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to have a server fork, and what INFO calls its parts."""

    command: tuple[str, ...]
    running: str
    status: str
    copied: str
    takes_changes: bool  # a save that succeeds takes the changes before its fork off rdb_changes_since_last_save
    options: tuple[tuple[str, str], ...] = ()  # of the server, from its start


WAYS: Final[Mapping[str, Way]] = {
    "bgsave": Way(("BGSAVE",), "rdb_bgsave_in_progress", "rdb_last_bgsave_status", "rdb_last_cow_size", True),
    "aof": Way(
        ("BGREWRITEAOF",),
        "aof_rewrite_in_progress",
        "aof_last_bgrewrite_status",
        "aof_last_cow_size",
        False,
        # Without fsync: a busy disk would stop the writes, of which the server then does fewer than it was asked to.
        (("appendonly", "yes"), ("appendfsync", "no"), ("auto-aof-rewrite-percentage", "0")),
    ),
}
"""`--fork` → how."""

Outcome = Literal["saved", "save failed", "fork refused", "server killed", "child killed"]


@dataclass(frozen=True, slots=True)
class Forked:
    """A case with what was measured, and how it ended."""

    case: Case
    outcome: Outcome
    detail: str  # the server's own last words, where it did not save; "" where it did


@dataclass(slots=True)
class _Watch:
    """What a save shows while it runs; each field is the highest value seen."""

    cgroup: MemoryCgroup | None
    way: Way
    cow_bytes: int = 0
    anon_bytes: int = 0

    def look(self, info: dict[str, str], child: int | None) -> None:
        seen = [int(info.get(name, 0)) for name in ("current_cow_size", "current_cow_peak")]
        if self.cgroup is not None:
            self.anon_bytes = max(self.anon_bytes, self.cgroup.anon())
        elif child is not None:
            seen.append(private_dirty(child))
        self.cow_bytes = max(self.cow_bytes, *seen)


def private_dirty(pid: int) -> int:
    """Bytes that a child alone maps and has, or its parent has, written; 0 once it is gone.

    What stands in for the cgroup where there is none: a page that the parent has copied stays with the child alone.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(parse_meminfo_kb(line.split(":", 1)[1]) for line in lines if line.startswith("Private_Dirty:"))


def child_of(pid: int) -> int | None:
    """Return the child that a server has now, if any. The servers' helper threads have none: the main thread forks."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _size_of(pid: int, name: str) -> int:
    """Bytes of one line of /proc/<pid>/status; raise LabError when the process is gone."""
    status = read_status(Path(f"/proc/{pid}"))
    size = status if isinstance(status, Unread) else status.size(name)
    if isinstance(size, Unread):
        raise LabError(f"the server is gone: {size}")
    return size


def _field(info: dict[str, str], name: str) -> str:
    """Return one field of INFO; raise LabError where the server does not have it."""
    if name not in info:
        raise LabError(f"INFO of this server has no {name}: it is too old for the lab, or no Redis")
    return info[name]


def _number(info: dict[str, str], name: str) -> int:
    return int(_field(info, name))


def before_fork(
    server: RunningServer, connection: Connection, workload: Workload, writes: int, way: str = "bgsave"
) -> Case:
    """Read the case as it stands now, expecting so many writes during its save. Raises OSError, LabError."""
    info = connection.info("memory")
    plain = workload.type == "string"
    encoding, memory = (None, None) if plain else _value_of(connection, workload)
    return Case(
        engine=str(server.binary),
        keys=workload.keys,
        key_bytes=KEY_BYTES,
        value_bytes=workload.value_bytes,
        type=None if plain else workload.type,
        elements=None if plain else workload.elements,
        encoding=encoding,
        value_memory_bytes=memory,
        command=recorded_name(workload.write),
        fork=None if way == "bgsave" else way,
        compression=False if ("rdbcompression", "no") in workload.settings else None,
        policy=dict(workload.settings).get("maxmemory-policy"),
        distribution=workload.distribution,
        write_rate_per_second=workload.write_rate_per_second,
        writes_during_save=writes,
        rss_anon_bytes=_size_of(server.pid, "RssAnon"),
        used_memory_bytes=_number(info, "used_memory"),
        used_memory_dataset_bytes=_number(info, "used_memory_dataset"),
        hz=HZ,
        vm_pte_bytes=_size_of(server.pid, "VmPTE"),
        cgroup_anon_before_bytes=server.cgroup.anon() if isinstance(server.cgroup, MemoryCgroup) else None,
    )


def _value_of(connection: Connection, workload: Workload) -> tuple[str | None, int | None]:
    """Encoding and memory of one key as it was loaded; None where a write has taken it."""
    for number in range(min(workload.keys, 100)):
        key = key_name(number).decode()
        encoding, memory = connection.pipeline((("OBJECT", "ENCODING", key), ("MEMORY", "USAGE", key)))
        if encoding and memory:
            return encoding, int(memory)
    return None, None


def save(server: RunningServer, connection: Connection, before: Case, progress: Callable[[str], None]) -> Forked:
    """Fork for real, watch until the child is gone, and fill in what was measured.

    Raises LabError when the server neither finishes nor dies, OSError for what the lab itself cannot read.
    """
    kills, way = server.oom_kills(), WAYS[before.fork or "bgsave"]
    watch = _Watch(server.cgroup if isinstance(server.cgroup, MemoryCgroup) else None, way)
    begun = 0 if way.takes_changes else _number(connection.info("persistence"), CHANGES)
    started = time.monotonic()
    try:
        connection.command(*way.command)
    except ReplyError as error:
        return Forked(replace(before, status="fork refused"), "fork refused", f"{error}: {server.last_words()}")
    except OSError:
        return _died(server, before, watch, kills)
    try:
        info = _follow(server, connection, watch, started, progress)
        seconds = time.monotonic() - started
        stats = connection.info("stats")
    except OSError:
        return _died(server, before, watch, kills)
    if _field(info, way.status) != "ok":
        outcome: Outcome = "child killed" if server.oom_kills() > kills else "save failed"
        return Forked(_with_peaks(replace(before, status=outcome), watch), outcome, server.last_words())
    case = replace(
        before,
        save_seconds=round(seconds, 3),
        writes_during_save=_number(info, CHANGES) - begun,
        fork_microseconds=_number(stats, "latest_fork_usec"),
        last_cow_bytes=_number(info, way.copied),
        status=SAVED,
    )
    return Forked(_with_peaks(case, watch), "saved", "")


def _follow(
    server: RunningServer, connection: Connection, watch: _Watch, started: float, progress: Callable[[str], None]
) -> dict[str, str]:
    """Look until the save has ended; return the INFO that said so."""
    child = child_of(server.pid) if watch.cgroup is None else None
    while True:
        info = connection.info("persistence")
        watch.look(info, child)
        if _field(info, watch.way.running) == "0":
            return info
        if time.monotonic() - started > SAVE_SECONDS:
            raise LabError(f"{server.binary}: a save did not end within {SAVE_SECONDS:.0f} s")
        progress(f"saving {time.monotonic() - started:.1f} s")
        time.sleep(POLL_SECONDS)


def _with_peaks(case: Case, watch: _Watch) -> Case:
    anon = None if watch.cgroup is None else max(watch.anon_bytes, case.cgroup_anon_before_bytes or 0)
    return replace(case, peak_cow_seen_bytes=watch.cow_bytes, cgroup_anon_peak_bytes=anon)


def _died(server: RunningServer, before: Case, watch: _Watch, kills: int) -> Forked:
    """Tell a server that was killed from one that does not answer."""
    status = server.exit_status(wait_seconds=DEATH_SECONDS)
    if status is None:
        raise LabError(f"{server.binary}: stopped answering during a save, and still runs: {server.last_words()}")
    by_kernel = server.oom_kills() > kills
    detail = f"exit status {status}" + (", OOM kill counted in its cgroup" if by_kernel else f": {server.last_words()}")
    return Forked(_with_peaks(replace(before, status="server killed"), watch), "server killed", detail)
