"""Which servers run here, cheaply again and again: a process that is no server is not looked at in every scan.

The inode of /proc/<pid> tells whether it is still the same process: it is a new one as soon as the pid is reused. It
does not tell that the process has executed another program, so everybody is looked at anew after a few scans, and the
young, who are most likely to do that, in every one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from checker.agent.lanes import Lanes
from checker.facts import Unread
from checker.probes.files import unread
from checker.probes.proc import read_stat
from checker.probes.servers import Found, glance, look_at, with_children

LOOKS_WHILE_YOUNG: Final = 4
"""Scans in which a new process is looked at each time: a minute, at the default interval. A judgement."""

LOOK_AGAIN_SCANS: Final = 4
"""An older one is looked at in one of so many scans."""


READ_AGAIN_SCANS: Final = 40
"""The arguments of a server are read in one of so many scans: a title changes with the address it listens on."""

COMM_BYTES: Final = 64
"""include/linux/sched.h TASK_COMM_LEN is 16; the name of a kernel worker is longer in /proc."""


@dataclass(frozen=True, slots=True)
class Census:
    """What was found."""

    servers: tuple[Found, ...]  # by pid
    processes: int
    problems: tuple[Unread, ...]


@dataclass(slots=True)
class _Stranger:
    inode: int
    looks: int
    program: tuple[bytes, str] | None = None  # comm and file of a process that turned out to be no server


class Registrar:
    """Takes one census after the other."""

    def __init__(self, root: Path, lanes: Lanes) -> None:
        self._proc = root / "proc"
        self._lanes = lanes
        self._strangers: dict[int, _Stranger] = {}
        self._found: dict[int, Found] = {}
        self._looks: dict[int, int] = {}  # at those that were found
        self._scans = 0

    def take(self) -> Census:
        """Look at every process that may have become a server since the last time."""
        self._scans += 1
        try:
            pids = sorted(int(name) for name in os.listdir(self._proc) if name.isascii() and name.isdigit())  # noqa: PTH208
        except OSError as error:
            self._strangers, self._found, self._looks = {}, {}, {}
            return Census((), 0, (unread(str(self._proc), error),))
        found: dict[int, Found] = {}
        strangers: dict[int, _Stranger] = {}
        problems = []
        for pid in pids:
            if (same := self._same(pid)) is not None:
                found[pid] = self._again(same)
                continue
            stranger = self._stranger(pid)
            if stranger is None:
                continue
            looked: Found | Unread | None = None
            if self._is_due(pid, stranger):
                looked = self._look(pid, stranger)
                stranger.looks += 1
            if isinstance(looked, Found):
                found[pid] = looked
                continue
            if isinstance(looked, Unread):
                problems.append(looked)
            strangers[pid] = stranger
        self._strangers, self._found = strangers, found
        self._looks = {pid: looks for pid, looks in self._looks.items() if pid in found}
        return Census(with_children(found.values())[0], len(pids), tuple(problems))

    def _same(self, pid: int) -> Found | None:
        """A server of the last census that still is one; None where it has to be looked at."""
        before = self._found.get(pid)
        if before is None:
            return None
        stat = read_stat(self._proc / str(pid))
        if isinstance(stat, Unread) or stat.start_time_ticks != before.stat.start_time_ticks:
            return None
        if stat.comm != before.stat.comm or stat.parent != before.stat.parent:
            return None  # it executed something else, or lost its parent: an orphan of a server that died
        return replace(before, stat=stat)

    def _again(self, same: Found) -> Found:
        """Read the arguments of a young server again: it writes its title over them a moment after its start."""
        pid, looks = same.pid, self._looks.get(same.pid, 0)
        if looks >= LOOKS_WHILE_YOUNG and (self._scans + pid) % READ_AGAIN_SCANS:
            return same
        self._looks[pid] = looks + 1
        proc = self._proc / str(pid)
        looked = self._lanes.read(pid, str(proc), lambda: look_at(proc))
        return looked if isinstance(looked, Found) else same

    def _stranger(self, pid: int) -> _Stranger | None:
        try:
            inode = os.stat(f"{self._proc}/{pid}").st_ino  # noqa: PTH116 - half the cost of Path.stat, for each process
        except OSError:
            return None  # gone
        before = self._strangers.get(pid)
        return before if before is not None and before.inode == inode else _Stranger(inode, 0)

    def _is_due(self, pid: int, stranger: _Stranger) -> bool:
        return stranger.looks < LOOKS_WHILE_YOUNG or (self._scans + pid) % LOOK_AGAIN_SCANS == 0

    def _look(self, pid: int, stranger: _Stranger) -> Found | Unread | None:
        """Look closer only where another program runs than the one that was no server."""
        program = self._program(pid)
        if program is None or program == stranger.program:
            return None
        proc = self._proc / str(pid)
        looked = None if glance(proc) is None else self._lanes.read(pid, str(proc), lambda: look_at(proc))
        stranger.program = program if looked is None else None
        return looked

    def _program(self, pid: int) -> tuple[bytes, str] | None:
        """What runs in a process, as cheaply as can be; None where it is gone."""
        try:
            descriptor = os.open(f"{self._proc}/{pid}/comm", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                comm = os.read(descriptor, COMM_BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        try:
            return comm, os.readlink(f"{self._proc}/{pid}/exe")  # noqa: PTH115 - for each process
        except OSError:
            return comm, ""  # a kernel thread, or not ours to see
