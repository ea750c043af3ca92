"""`bgsafe explain --try`: one process, one child, a few pages; what the kernel does when they are written."""

from __future__ import annotations

import mmap
import os
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checker.facts import Cgroup, Maybe, Unread
from checker.lab.server import LabError
from checker.model.cow import occupancy_bytes
from checker.probes import cgroup, meminfo
from checker.probes.hierarchy import read_hierarchies
from checker.probes.proc import read_private_dirty
from checker.units import MIB, format_bytes, format_count

MEMORY_BYTES: Final = 32 * MIB
"""Enough pages for steady figures, little enough for any container."""

ROOM_BYTES: Final = 8 * MEMORY_BYTES
"""What must be free before we begin, on the machine and in our control group: a judgement, far above what is copied."""

RECORD_BYTES: Final = 100
"""A small value: dozens lie on one page."""

WRITTEN_RATIO: Final = 0.01
"""Of the records, as in the mistake "1 % of the keys, so 1 % of the memory"."""

SEED: Final = 42


@dataclass(frozen=True, slots=True)
class Written:
    """What some writes cost: one byte each, to pages chosen in advance."""

    what: str
    writes: int
    minor_faults: int
    seconds: float
    child_private: Maybe[int]  # bytes that the child has for itself alone: what was copied, and its own

    def line(self) -> str:
        """One row of the table; a fault is the kernel's work for one page, a copy where there is a child."""
        private = "-" if isinstance(self.child_private, Unread) else format_bytes(self.child_private)
        each = f"{self.seconds / self.writes * 1e6:.2f} µs"
        return f"  {self.what:<44}{self.writes:>9,}{self.minor_faults:>9,}{each:>12}{private:>12}"


@dataclass(frozen=True, slots=True)
class Experiment:
    """The rounds in their order, and what the model says of the last."""

    page_size_bytes: int
    fork_seconds: float
    rounds: tuple[Written, ...]
    records: int
    scattered_bytes: int  # copied by the last round, by its faults
    predicted_bytes: int

    def text(self) -> str:
        """The story with this machine's numbers."""
        head = f"  {'':<44}{'writes':>9}{'faults':>9}{'each':>12}{'private':>12}"
        plain, copy, last = self.rounds[0], self.rounds[1], self.rounds[-1]
        copied = self.scattered_bytes / MEMORY_BYTES
        extra = (copy.seconds / copy.writes - plain.seconds / plain.writes) * 1e6
        return "\n".join(
            [
                f"{format_bytes(MEMORY_BYTES)} of memory in pages of {format_bytes(self.page_size_bytes)}; "
                f"fork took {self.fork_seconds * 1e3:.1f} ms and copied none of it.",
                "",
                head,
                *(each.line() for each in self.rounds),
                "",
                "private: what the child has for itself alone, its own megabyte included.",
                f"A page that is written after a fork costs a fault and a copy: {extra:.2f} µs more than a plain write "
                "here, once a page.",
                f"The last row wrote {format_count(last.writes)} of {format_count(self.records)} records of "
                f"{RECORD_BYTES} bytes, {WRITTEN_RATIO:.0%} of them, anywhere: {copied:.0%} of the memory was copied "
                f"({format_bytes(self.scattered_bytes)}; the formula of `bgsafe explain` says "
                f"{format_bytes(self.predicted_bytes)}).",
                "A Redis write touches up to three such places: its table entry, its object, its value.",
            ]
        )


def run() -> Experiment:
    """Do it. Raises LabError where there is not room enough, or fork is refused."""
    _check_room()
    page = mmap.PAGESIZE
    pages = [number * page for number in range(MEMORY_BYTES // page)]
    quarter = pages[: len(pages) // 4]
    records = MEMORY_BYTES // RECORD_BYTES
    chosen = random.Random(SEED).sample(range(records), round(records * WRITTEN_RATIO))  # noqa: S311  # no secret
    scattered = [number * RECORD_BYTES for number in chosen]
    with mmap.mmap(-1, MEMORY_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for place in pages:
            memory[place] = 1
        none = Unread("the child", "there is none")
        rounds = [_write(memory, "no child: a quarter of the pages", quarter, lambda: none)]
        with _child() as (pid, fork_seconds):
            private = _private_of(pid)
            rounds.append(_write(memory, "child there: the same quarter", quarter, private))
            rounds.append(_write(memory, "child there: the same quarter again", quarter, private))
        with _child() as (pid, _):
            rounds.append(_write(memory, "a new child: 1 % of all records, anywhere", scattered, _private_of(pid)))
    return Experiment(
        page_size_bytes=page,
        fork_seconds=fork_seconds,
        rounds=tuple(rounds),
        records=records,
        scattered_bytes=rounds[-1].minor_faults * page,
        predicted_bytes=round(occupancy_bytes(MEMORY_BYTES, len(scattered), pages_per_write=1, page=page)),
    )


def _check_room() -> None:
    """A container's limit is as real here as for any server: nobody is to be killed by an explanation."""
    root = Path("/")
    available = meminfo.get(meminfo.read(root), "MemAvailable")
    if isinstance(available, int) and available < ROOM_BYTES:
        raise LabError(f"the machine has {format_bytes(available)} available, and it takes {format_bytes(ROOM_BYTES)}")
    own = cgroup.read(Path("/proc/self"), read_hierarchies(root))
    for level in own.levels if isinstance(own, Cgroup) else ():
        held = level.unreclaimable()
        if isinstance(level.memory_max, int) and isinstance(held, int) and level.memory_max - held < ROOM_BYTES:
            left = format_bytes(max(0, level.memory_max - held))
            raise LabError(f"{level.path} has {left} left below its limit, and it takes {format_bytes(ROOM_BYTES)}")


def _write(memory: mmap.mmap, what: str, places: Sequence[int], private: Callable[[], Maybe[int]]) -> Written:
    """Write one byte at each place, and count."""
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    begun = time.perf_counter()
    for place in places:
        memory[place] = 2
    seconds = time.perf_counter() - begun
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return Written(what, len(places), faults, seconds, private())


def _private_of(pid: int) -> Callable[[], Maybe[int]]:
    return lambda: read_private_dirty(Path(f"/proc/{pid}"))


@contextmanager
def _child() -> Iterator[tuple[int, float]]:
    """A child that does nothing until it is let go."""
    waits, lets_go = os.pipe()
    begun = time.perf_counter()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(waits)
        os.close(lets_go)
        raise LabError(f"fork: {error.strerror}") from error
    seconds = time.perf_counter() - begun
    if pid == 0:
        os.close(lets_go)
        os.read(waits, 1)  # until the other end is closed, also by our death
        os._exit(0)
    os.close(waits)
    try:
        yield pid, seconds
    finally:
        os.close(lets_go)
        os.waitpid(pid, 0)
