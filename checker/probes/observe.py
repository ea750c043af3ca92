"""All that can be seen of a machine and its Redis-like servers, from all probes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from checker.facts import Node, Server, Unread
from checker.probes import asked, matching, redis_info, servers, soft_dirty
from checker.probes import cgroup as cgroups
from checker.probes import node as nodes
from checker.probes import proc as procs
from checker.probes.files import exists
from checker.probes.hierarchy import read_hierarchies
from checker.probes.running import Machine, child_of, known_of, server_of


@dataclass(frozen=True, slots=True)
class Observation:
    """A machine and the servers on it."""

    node: Node
    servers: tuple[Server, ...]  # sorted by pid; those that only a URL told of come last
    not_servers: int  # Redis-like processes that are no data servers: sentinel, cli, benchmark, exporter
    problems: tuple[Unread, ...]  # what belongs to no server: a --pid that is none, a URL that did not answer


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
    machine = Machine(root, node, read_hierarchies(root), procs.read_uptime(root))
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


def _server(machine: Machine, found: servers.Found, answer: redis_info.Answer | None) -> Server | None:
    """Everything about one process; `None` when it went away while we looked."""
    proc = machine.root / "proc" / str(found.pid)
    group = cgroups.read(proc, machine.hierarchies)
    known = known_of(machine, found, None if isinstance(group, Unread) else group.container_id, answer)
    server = server_of(machine, found, known, group, child=lambda rss: child_of(machine, found.child, rss))
    now = procs.read_stat(proc)
    gone = isinstance(now, Unread) or now.start_time_ticks != found.stat.start_time_ticks
    if gone:
        return None
    return server if answer is None else asked.with_answer(server, answer)
