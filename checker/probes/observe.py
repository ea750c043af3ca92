"""All that can be seen of a machine and its Redis-like servers, from all probes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from checker.engines import EXECUTABLES, FORKING
from checker.facts import (
    UNLIMITED,
    Cgroup,
    Child,
    Engine,
    Limit,
    Maybe,
    Node,
    Process,
    Server,
    Sourced,
    Subject,
    Unread,
)
from checker.probes import asked, matching, oci, program, redis_info, servers, soft_dirty, volume
from checker.probes import cgroup as cgroups
from checker.probes import config as configs
from checker.probes import node as nodes
from checker.probes import proc as procs
from checker.probes.files import exists, read_text
from checker.probes.hierarchy import Hierarchy, read_hierarchies
from checker.probes.inside import of_process
from checker.units import GIB, format_bytes


@dataclass(frozen=True, slots=True)
class Observation:
    """A machine and the servers on it."""

    node: Node
    servers: tuple[Server, ...]  # sorted by pid; those that only a URL told of come last
    not_servers: int  # Redis-like processes that are no data servers: sentinel, cli, benchmark, exporter
    problems: tuple[Unread, ...]  # what belongs to no server: a --pid that is none, a URL that did not answer


MAX_ROLLUP_BYTES = 1 * GIB
"""A judgement: above this the child's smaps_rollup, which walks its page tables, takes tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """What all servers of one observation share."""

    root: Path
    node: Node
    hierarchies: tuple[Hierarchy, ...]
    uptime: Maybe[float]


def observe(
    root: Path = Path("/"),
    *,
    pids: Sequence[int] = (),
    urls: Sequence[str] = (),
    password: str | None = None,
    sample: int = 0,
    sample_seconds: float = 5.0,
    timeout_seconds: float = 3.0,
    measure_seconds: float | None = None,
) -> Observation:
    """Look at the machine below DIR, and at its servers (only those of `pids`, where any are given).

    The servers of `urls` are asked first, so that what is read of their processes is not older than what they say. One
    that is no process of this machine is a server all the same, without a process. With `measure_seconds`, the pages
    that each writes in that time are counted at the end.
    """
    answers = [
        redis_info.read(
            url, password=password, sample=sample, sample_seconds=sample_seconds, timeout_seconds=timeout_seconds
        )
        for url in urls
    ]
    node, problems = nodes.read(root)
    machine = _Machine(root, node, read_hierarchies(root), procs.read_uptime(root))
    found, not_servers, more = servers.find(root)
    problems += more + tuple(answer for answer in answers if isinstance(answer, Unread))
    told: dict[int, redis_info.Answer] = {}
    elsewhere = []
    for answer in answers:
        if isinstance(answer, Unread):
            continue
        owner = matching.process_of(answer, root, found, machine.uptime)
        if isinstance(owner, Unread):
            problems += (owner,)
            elsewhere.append(asked.server_elsewhere(answer))
        else:
            told[owner.pid] = answer
    if pids:
        problems += _not_among(root, pids, found)
        found = tuple(one for one in found if one.pid in pids or one.pid in told)
    observed = (_server(machine, one, told.get(one.pid)) for one in found)
    here = tuple(server for server in observed if server is not None)
    if measure_seconds is not None:
        here = _with_written(root, here, measure_seconds, node.page_size_bytes)
    return Observation(node, here + tuple(elsewhere), not_servers, problems)


def _with_written(root: Path, found: tuple[Server, ...], seconds: float, page: int) -> tuple[Server, ...]:
    """Count what each of them writes in the same time; what could not be counted is said, and goes without."""
    counted = soft_dirty.measure(root, [server.process.pid for server in found if server.process], seconds, page=page)
    measured = []
    for server in found:
        written = counted.get(server.process.pid) if server.process else None
        unread = (*server.unread, written) if isinstance(written, Unread) else server.unread
        measured.append(replace(server, written=written, unread=unread))
    return tuple(measured)


def _not_among(root: Path, pids: Sequence[int], found: tuple[servers.Found, ...]) -> tuple[Unread, ...]:
    """Say of every pid that was asked for and is no server, what it is."""
    children = {one.child.pid: one.pid for one in found if one.child}
    problems = []
    for pid in sorted(set(pids) - {one.pid for one in found}):
        if pid in children:
            why, remedy = f"a saving child of pid {children[pid]}", f"give --pid {children[pid]}"
        elif exists(root / "proc" / str(pid)):
            why, remedy = "not a Redis-like server", "leave --pid out, and all servers are found"
        else:
            why, remedy = "no such process", "leave --pid out, and all servers are found"
        problems.append(Unread(f"--pid {pid}", why, remedy))
    return tuple(problems)


def _server(machine: _Machine, found: servers.Found, answer: redis_info.Answer | None) -> Server | None:
    """Everything about one process; `None` when it went away while we looked."""
    proc = machine.root / "proc" / str(found.pid)
    inside = of_process(proc)
    group = cgroups.read(proc, machine.hierarchies)
    container = None if isinstance(group, Unread) else group.container_id
    args = configs.NO_CONTAINER if container is None else oci.read_args(of_process(machine.root / "proc/1"), container)
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
    server = Server(
        subject=Subject(
            source="process",
            name=name,
            container=container,
            pid=found.pid,
        ),
        engine=Engine(name=found.kind, version=version, allocator=allocator, forks=found.kind in FORKING),
        config=config,
        process=_process(machine, proc, found),
        cgroup=group,
        limit=memory_limit(group, machine.node),
        cpu_limit_cores=group if isinstance(group, Unread) else group.cpu_quota_cores,
        oom_group=group if isinstance(group, Unread) else cgroups.oom_group(group),
        volume=volume.read(proc, inside, config.directory, names),
        unread=told.problems,
    )
    now = procs.read_stat(proc)
    gone = isinstance(now, Unread) or now.start_time_ticks != found.stat.start_time_ticks
    if gone:
        return None
    return server if answer is None else asked.with_answer(server, answer)


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


def _process(machine: _Machine, proc: Path, found: servers.Found) -> Process:
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
        vmas=procs.read_vmas(proc, machine.node, status),
        child=_child(machine, found.child, rss_anon) if found.child else None,
    )


def _child(machine: _Machine, child: servers.Found, rss_anon: Maybe[int]) -> Child:
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
