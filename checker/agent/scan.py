"""One scan: every server of the node read, judged, and its next fork predicted.

What may hang is read in lanes, and kept: configuration, program, data directory, cgroup place. The rest is read anew,
from files that no process can hold up (docs/architecture.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from checker.agent.book import Book, Labels
from checker.agent.census import Registrar
from checker.agent.lanes import Lanes
from checker.agent.seen import Asking, Key, Naming, Scan, Seen, Watching
from checker.agent.troubles import Troubles
from checker.estimate import Numbers, gather
from checker.estimate.binding import Binding, binding_limit
from checker.facts import Cgroup, CgroupLevel, Engine, Maybe, Node, Server, Unread, Vma
from checker.policy import Assumptions, Policy
from checker.probes import asked, cgroup, proc, redis_conf, volume
from checker.probes import node as nodes
from checker.probes.files import exists
from checker.probes.hierarchy import Hierarchy, Version, read_hierarchies
from checker.probes.redis_info import Answer
from checker.probes.running import MAX_ROLLUP_BYTES, Known, Machine, known_of, server_of
from checker.probes.servers import Found
from checker.rules import judge_all
from checker.units import format_bytes
from checker.verdict import Verdict

KEEP_KNOWN_SECONDS: Final = 600.0
"""A judgement: a running server does not read its configuration again, and what CONFIG SET changes INFO tells sooner.
After a save, and when a process is new, it is read at once."""

KEEP_VMAS_SECONDS: Final = 120.0
"""A judgement: mappings grow with the data; reading them holds the server's mmap lock for milliseconds."""

KEEP_MOUNTS_SECONDS: Final = 300.0
"""Cgroup filesystems are mounted when the node starts."""


@dataclass(slots=True)
class _Kept:
    """Of one server, from scan to scan."""

    known: Known | None = None
    known_at: float = 0.0  # monotonic
    version: object = None  # the arguments and the answer that `known` was made with
    places: Maybe[cgroup.Places] | None = None
    vmas: Maybe[tuple[Vma, ...]] | None = None
    vmas_at: float = 0.0


@dataclass(slots=True)
class Scanner:
    """Scans again and again; what it keeps makes that cheap."""

    root: Path
    policy: Policy
    book: Book
    troubles: Troubles
    asking: Asking
    watching: Watching
    naming: Naming
    most_servers: int
    lanes: Lanes = field(default_factory=Lanes)
    _registrar: Registrar = field(init=False)
    _kept: dict[Key, _Kept] = field(default_factory=dict)
    _mounts: tuple[Hierarchy, ...] = ()
    _mounts_at: float | None = None

    def __post_init__(self) -> None:
        self._registrar = Registrar(self.root, self.lanes)

    def scan(self) -> Scan:
        """Read, judge, predict."""
        start, cpu_start = time.monotonic(), time.process_time()
        census = self._registrar.take()
        for problem in census.problems:
            self.troubles.add("processes", problem)
        chosen, left_out = census.servers[: self.most_servers], len(census.servers[self.most_servers :])
        if left_out:
            why = f"{len(census.servers)} servers, of which {self.most_servers} are watched"
            self.troubles.add("limit", Unread("--max-servers", why, "raise it: each costs about 50 series"))
        node, problems = nodes.read(self.root)
        for problem in problems:
            self.troubles.add("process", problem)
        machine = Machine(self.root, node, self._hierarchies(start), proc.read_uptime(self.root))
        self.asking.place(chosen, self.root, machine.uptime)
        levels: dict[Path, CgroupLevel | None] = {}
        self._kept = {_key(found): self._kept.get(_key(found)) or _Kept() for found in chosen}
        observed = [(found, server) for found in chosen if (server := self._server(machine, found, levels))]
        seen = self._judged(observed, node)
        self.book.present(frozenset(each.labels for each in seen), start)
        return Scan(
            node=node,
            seen=seen,
            hanging=sum(found.pid in self.lanes.hanging() for found in chosen),
            left_out=left_out,
            processes=census.processes,
            seconds=time.monotonic() - start,
            cpu_seconds=time.process_time() - cpu_start,
            ended_at=time.time(),
        )

    def forget(self, key: Key) -> None:
        """Read a server's configuration and files anew: it has just saved."""
        if (kept := self._kept.get(key)) is not None:
            kept.known_at = 0.0

    def _hierarchies(self, now: float) -> tuple[Hierarchy, ...]:
        if self._mounts_at is None or now - self._mounts_at > KEEP_MOUNTS_SECONDS or not self._mounts:
            self._mounts, self._mounts_at = read_hierarchies(self.root), now
        return self._mounts

    def _server(self, machine: Machine, found: Found, levels: dict[Path, CgroupLevel | None]) -> Server | None:
        """Everything about one process; None when it went away while we looked."""
        directory = machine.root / "proc" / str(found.pid)
        kept = self._kept[_key(found)]
        group = self._cgroup(machine, directory, kept, levels)
        container = None if isinstance(group, Unread) else group.container_id
        answer = (self.asking.answer(found) or (False, None))[1]
        known = self._known(machine, found, kept, container, answer)
        server = server_of(
            machine,
            found,
            known,
            group,
            child=lambda _rss: self.watching.child(_key(found)),
            read_vmas=partial(self._vmas, found, kept),
        )
        now = proc.read_stat(directory)
        if isinstance(now, Unread) or now.start_time_ticks != found.stat.start_time_ticks:
            return None
        for trouble in (server.process.rss_anon if server.process else None, group):
            if isinstance(trouble, Unread):
                self.troubles.add("cgroup" if trouble is group else "process", trouble)
        return server if answer is None else asked.with_answer(server, answer)

    def _cgroup(
        self, machine: Machine, directory: Path, kept: _Kept, levels: dict[Path, CgroupLevel | None]
    ) -> Maybe[Cgroup]:
        def read_level(version: Version, level: Path) -> CgroupLevel | None:
            if level not in levels:
                levels[level] = cgroup.read_level(version, level)
            return levels[level]

        places = kept.places
        if places is None or isinstance(places, Unread) or not exists(places.memory.directories[0]):
            places = kept.places = cgroup.locate(directory, machine.hierarchies)
        return places if isinstance(places, Unread) else cgroup.read_at(places, read_level)

    def _known(
        self, machine: Machine, found: Found, kept: _Kept, container: str | None, answer: Answer | None
    ) -> Known:
        version = (found.cmdline, None if answer is None else (answer.where, answer.directives))
        age = time.monotonic() - kept.known_at
        keep = KEEP_KNOWN_SECONDS * (1 - found.pid % 16 / 32)  # not all of them in one scan
        if kept.known is not None and age < keep and kept.version == version:
            return kept.known
        where = str(machine.root / "proc" / str(found.pid))
        read = self.lanes.read(found.pid, where, lambda: known_of(machine, found, container, answer))
        if isinstance(read, Known):
            kept.known, kept.known_at, kept.version = read, time.monotonic(), version
            kept.places = None  # as old as that: somebody may have moved the process
            return read
        self.troubles.add("hanging", read)
        return kept.known or _nothing_known(found, read)

    def _vmas(
        self, found: Found, kept: _Kept, directory: Path, node: Node, status: proc.Status | Unread
    ) -> Maybe[tuple[Vma, ...]]:
        """The mappings where fork's fate hangs on them; of small servers only, and not in every scan."""
        if not proc.needs_vmas(node, status):
            return proc.read_vmas(directory, node, status)
        resident = status if isinstance(status, Unread) else status.size("RssAnon")
        if isinstance(resident, Unread) or resident > MAX_ROLLUP_BYTES:
            why = f"not read: the server has more than {format_bytes(MAX_ROLLUP_BYTES)}, and that would hold it up"
            return Unread(str(directory / "smaps"), why, f"ask once, by hand: bgsafe node --pid {found.pid}")
        now = time.monotonic()
        if kept.vmas is None or now - kept.vmas_at > KEEP_VMAS_SECONDS:
            where = str(directory / "smaps")
            kept.vmas = self.lanes.read(found.pid, where, lambda: proc.read_vmas(directory, node, status))
            kept.vmas_at = now
        return kept.vmas

    def _judged(self, observed: list[tuple[Found, Server]], node: Node) -> tuple[Seen, ...]:
        labelled = self._labelled(observed)
        servers = [
            replace(server, subject=replace(server.subject, namespace=labels.namespace or None), forks=lessons)
            for (_, server), labels in zip(observed, labelled, strict=True)
            for lessons in (self.book.lessons(labels),)
        ]
        verdicts = judge_all(servers, node, Assumptions(), self.policy)
        now = time.time()
        seen = []
        for (found, _), labels, verdict in zip(observed, labelled, verdicts, strict=True):
            told = self.asking.answer(found)
            binding = binding_limit(verdict.server, node)
            seen.append(
                Seen(
                    key=_key(found),
                    labels=labels,
                    verdict=verdict,
                    write_rate=_how_known(verdict.server),
                    limit=binding.limit.value,
                    held_bytes=_held_bytes(verdict.server, binding),
                    predicted_copy_bytes=self._predicted(verdict, node),
                    child_pid=found.child.pid if found.child else None,
                    answers=None if told is None else told[0],
                    scanned_at=now,
                )
            )
        return tuple(seen)

    def _predicted(self, verdict: Verdict, node: Node) -> int | None:
        if verdict.estimate is None:
            return None
        if not verdict.server.forks:
            return verdict.estimate.cow_expected_bytes
        numbers = gather(verdict.server, node, Assumptions(), self.policy, best_guess=True).numbers
        return numbers.estimate.cow_expected_bytes if isinstance(numbers, Numbers) else None

    def _labelled(self, observed: list[tuple[Found, Server]]) -> list[Labels]:
        """Labels of each; two servers that would have the same are told apart by their pids."""
        labels = [self._labels(server) for _, server in observed]
        counts: dict[Labels, int] = {}
        for each in labels:
            counts[each] = counts.get(each, 0) + 1
        return [
            each._replace(server=f"{each.server} pid {found.pid}") if counts[each] > 1 else each
            for each, (found, _) in zip(labels, observed, strict=True)
        ]

    def _labels(self, server: Server) -> Labels:
        group = server.cgroup
        pod, container = (group.pod_uid, group.container_id) if isinstance(group, Cgroup) else (None, None)
        names = self.naming.names(pod, container)
        if names is not None:
            return Labels(names.namespace, names.pod, names.container, server.subject.name)
        return Labels("", pod or "", container or "", server.subject.name)


def _key(found: Found) -> Key:
    return found.pid, found.stat.start_time_ticks


def _how_known(server: Server) -> Literal["measured", "observed", "assumed"]:
    if server.info is not None and isinstance(server.info.write_rate_per_second, float):
        return "measured"
    return "observed" if server.forks else "assumed"


def _held_bytes(server: Server, binding: Binding) -> int | None:
    if binding.level is not None or not isinstance(server.cgroup, Cgroup) or not server.cgroup.levels:
        return binding.held_bytes
    held = server.cgroup.levels[0].unreclaimable()
    return None if isinstance(held, Unread) else held


def _nothing_known(found: Found, why: Unread) -> Known:
    """A server that hung before anything of it was read."""
    return Known(
        name=f"{found.kind}-server",
        engine=Engine(name=found.kind, version=why, allocator=why, forks=why),
        config=redis_conf.effective((), engine_name=found.kind, version=None, has_config=True, missing=(why,)),
        volume=volume.unread(why),
        unread=(why,),
    )
