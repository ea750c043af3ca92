"""One running server: what holds as long as it runs unchanged, and what changes from moment to moment.

The first (`Known`) takes milliseconds: configuration, program, data directory. It can be kept. The second is cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checker.engines import EXECUTABLES, FORKING
from checker.facts import (
    UNLIMITED,
    Cgroup,
    Child,
    Config,
    Engine,
    Limit,
    Maybe,
    Node,
    Process,
    Server,
    Sourced,
    Subject,
    Unread,
    Vma,
    Volume,
)
from checker.probes import asked, oci, program, redis_info, servers, volume
from checker.probes import cgroup as cgroups
from checker.probes import config as configs
from checker.probes import proc as procs
from checker.probes.files import read_text
from checker.probes.hierarchy import Hierarchy
from checker.probes.inside import of_process
from checker.units import GIB, format_bytes

MAX_ROLLUP_BYTES = 1 * GIB
"""A judgement: above this the child's smaps_rollup, which walks its page tables, takes tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What all servers of one observation share."""

    root: Path
    node: Node
    hierarchies: tuple[Hierarchy, ...]
    uptime: Maybe[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What holds as long as a server is not restarted or told otherwise. Reading it may block on a dead filesystem."""

    name: str  # what people know it by: the program's name and where it listens
    engine: Engine
    config: Config
    volume: Volume
    unread: tuple[Unread, ...]


def known_of(
    machine: Machine, found: servers.Found, container_id: str | None, answer: redis_info.Answer | None = None
) -> Known:
    """Read configuration, program and data directory: inside the process' own root."""
    proc = machine.root / "proc" / str(found.pid)
    inside = of_process(proc)
    args: Maybe[tuple[str, ...]] = configs.NO_CONTAINER
    if container_id is not None:
        args = oci.read_args(of_process(machine.root / "proc/1"), container_id)
    told = configs.of_process(proc, inside, found.cmdline, found.stat, engine_name=found.kind, container_args=args)
    name = _name(found, told, answer)
    if answer is not None:
        told = asked.told(answer, told, inside)
    version, allocator = program.read(inside, found.executable)
    if answer is not None:
        version, allocator = answer.version, answer.get("mem_allocator")
    config = configs.effective(told, inside, found.kind, version if isinstance(version, str) else None)
    names = [config.dbfilename] if isinstance(config.dbfilename, str) else ["dump.rdb"]
    names += [told.last("appenddirname") or "appendonlydir", told.last("appendfilename") or "appendonly.aof"]
    return Known(
        name=name,
        engine=Engine(name=found.kind, version=version, allocator=allocator, forks=found.kind in FORKING),
        config=config,
        volume=volume.read(proc, inside, config.directory, names),
        unread=told.problems,
    )


def server_of(
    machine: Machine,
    found: servers.Found,
    known: Known,
    group: Maybe[Cgroup],
    *,
    child: Callable[[Maybe[int]], Child | None],
    read_vmas: Callable[[Path, Node, procs.Status | Unread], Maybe[tuple[Vma, ...]]] = procs.read_vmas,
) -> Server:
    """Put a server together from what is known of it and what it is at this moment.

    `child` gives its saving child, from the resident bytes of the server; `read_vmas` reads its mappings where needed.
    """
    return Server(
        subject=Subject(
            source="process",
            name=known.name,
            container=None if isinstance(group, Unread) else group.container_id,
            pid=found.pid,
        ),
        engine=known.engine,
        config=known.config,
        process=_process(machine, found, child, read_vmas),
        cgroup=group,
        limit=memory_limit(group, machine.node),
        cpu_limit_cores=group if isinstance(group, Unread) else group.cpu_quota_cores,
        oom_group=group if isinstance(group, Unread) else cgroups.oom_group(group),
        volume=known.volume,
        unread=known.unread,
    )


def _name(found: servers.Found, told: configs.Told, answer: redis_info.Answer | None) -> str:
    """Return what people know the server by: the program's name and where it listens."""
    program_name = servers.base_name(found.executable) if isinstance(found.executable, str) else ""
    if program_name not in EXECUTABLES:
        program_name = found.comm if found.comm in EXECUTABLES else f"{found.kind}-server"
    if told.title:
        return f"{program_name} {told.title.listen}"
    port = told.last("port") or (answer.fields.get("tcp_port") if answer else None)
    return f"{program_name} :{port}" if port else program_name


def memory_limit(group: Maybe[Cgroup], node: Node) -> Sourced[Limit]:
    """Return the smallest limit of all levels; one above MemTotal is none, and the source says so."""
    if isinstance(group, Unread):
        return Sourced(group, group.where)
    limit = cgroups.memory_limit(group)
    if isinstance(limit.value, int) and isinstance(node.mem_total, int) and limit.value >= node.mem_total:
        size, total = format_bytes(limit.value), format_bytes(node.mem_total)
        return Sourced(UNLIMITED, f"{limit.source} is {size}, and MemTotal only {total}: no limit")
    return limit


def _process(
    machine: Machine,
    found: servers.Found,
    child: Callable[[Maybe[int]], Child | None],
    read_vmas: Callable[[Path, Node, procs.Status | Unread], Maybe[tuple[Vma, ...]]],
) -> Process:
    proc = machine.root / "proc" / str(found.pid)
    status = procs.read_status(proc)

    def size(name: str) -> Maybe[int]:
        return status if isinstance(status, Unread) else status.size(name)

    rss_anon = size("RssAnon")
    return Process(
        pid=found.pid,
        start_time_ticks=found.stat.start_time_ticks,
        comm=found.comm,
        cmdline=procs.parse_cmdline(found.cmdline),
        executable=found.executable,
        rss_anon=rss_anon,
        vm_size=size("VmSize"),
        vm_data=size("VmData"),
        vm_stk=size("VmStk"),
        vm_pte=size("VmPTE"),
        vm_swap=size("VmSwap"),
        cap_sys_admin=procs.cap_sys_admin(status, read_text(proc / "uid_map")),
        thp_enabled=status if isinstance(status, Unread) else status.thp_enabled(),
        oom_score_adj=procs.read_oom_score_adj(proc),
        vmas=read_vmas(proc, machine.node, status),
        child=child(rss_anon),
    )


def child_of(machine: Machine, child: servers.Found | None, rss_anon: Maybe[int]) -> Child | None:
    """Look at a saving child; what it copied only where its server is not large."""
    if child is None:
        return None
    proc = machine.root / "proc" / str(child.pid)
    small = isinstance(rss_anon, int) and rss_anon <= MAX_ROLLUP_BYTES
    too_large = Unread(
        str(proc / "smaps_rollup"), f"not read: the server has more than {format_bytes(MAX_ROLLUP_BYTES)}"
    )
    return Child(
        pid=child.pid,
        age_seconds=procs.age_seconds(child.stat, machine.uptime),
        private_dirty=procs.read_private_dirty(proc) if small else too_large,
    )
