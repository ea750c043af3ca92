"""A memory cgroup of our own for the server: made, limited, read and removed.

Only ever a new cgroup, below the one we are in (or the nearest above it that can have memory-accounted children); no
setting of a cgroup that was there before is touched. Source: Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/memory.rst.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from checker.facts import Unread
from checker.probes.files import read_text
from checker.probes.hierarchy import parse_membership, place, read_hierarchies

REMOVE_SECONDS: Final = 3.0
"""How long rmdir may answer EBUSY while the kernel still takes the killed processes apart: a judgement."""

RETRY_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """A memory cgroup that we made. Its methods raise OSError where the kernel says no."""

    version: Literal[1, 2]
    directory: Path

    @property
    def procs(self) -> Path:
        """The file that a process writes its pid to in order to join."""
        return self.directory / "cgroup.procs"

    def set_limit(self, limit_bytes: int) -> None:
        """Limit memory, and leave no way out into swap: a server that swaps is not killed, and proves nothing."""
        if self.version == 2:
            _write_if_there(self.directory / "memory.swap.max", 0)
            (self.directory / "memory.max").write_text(str(limit_bytes))
            return
        (self.directory / "memory.limit_in_bytes").write_text(str(limit_bytes))
        # memsw may not be below the limit, so it comes second. Absent where the kernel does not account swap.
        _write_if_there(self.directory / "memory.memsw.limit_in_bytes", limit_bytes)

    def anon(self) -> int:
        """Bytes of anonymous memory that the members have now, page cache and page tables left out."""
        name = "anon" if self.version == 2 else "total_rss"
        return _flat_key(self.directory / "memory.stat", name)

    def oom_kills(self) -> int:
        """How many members the kernel has killed for this limit so far."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _flat_key(self.directory / name, "oom_kill")

    def remove(self) -> None:
        """Remove the cgroup, whose members have been killed; waits until the kernel has let go of them."""
        deadline = time.monotonic() + REMOVE_SECONDS
        while True:
            try:
                self.directory.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)


def _write_if_there(path: Path, value: int) -> None:
    if path.exists():
        path.write_text(str(value))


def _flat_key(path: Path, name: str) -> int:
    """Value of one line `name value`; raise OSError where the file has no such line."""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    raise OSError(f"{path}: no line {name!r}")


def create(name: str, root: Path = Path("/")) -> MemoryCgroup | Unread:
    """Make a memory cgroup `name` below our own; Unread with the reason where that is not allowed.

    Under v2 a cgroup with members of its own has no memory-accounted children ("no internal processes"), so the
    search goes upwards to the first whose cgroup.subtree_control already offers memory, and stops there.
    """
    membership = read_text(root / "proc/self/cgroup")
    if isinstance(membership, Unread):
        return membership
    own = place(read_hierarchies(root), parse_membership(membership), "memory", "/proc/self/cgroup")
    if isinstance(own, Unread):
        return own
    version = own.hierarchy.version
    parent = next((level for level in own.directories if version == 1 or _offers_memory(level)), None)
    if parent is None:
        return Unread(
            str(own.directories[0] / "cgroup.subtree_control"),
            "neither it nor one above offers memory to a new child",
            "delegate the memory controller (systemd-run --property=Delegate=memory)",
        )
    try:
        (parent / name).mkdir()
    except OSError as error:
        return Unread(str(parent / name), f"cannot be made: {error.strerror}", "run as root, or delegate the cgroup")
    return MemoryCgroup(version, parent / name)


def refusal() -> Unread | None:
    """Why we may not have a memory cgroup of our own; None where we may. Makes one, and removes it."""
    made = create(f"bgsafe-lab-probe-{os.getpid()}")
    if isinstance(made, Unread):
        return made
    made.remove()
    return None


def _offers_memory(directory: Path) -> bool:
    try:
        return "memory" in (directory / "cgroup.subtree_control").read_text().split()
    except OSError:
        # Not there or not ours to read: it offers us nothing.
        return False
