"""A memory cgroup of our own for the server: made, limited, read and removed.

Only ever a new cgroup, below the one we are in (or the nearest above it that can have memory-accounted children); no
setting of a cgroup that was there before is touched. Files: KERNEL C1 (v2), C2 (v1).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from checker.facts import Unread

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


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted cgroup hierarchy that accounts memory."""

    version: Literal[1, 2]
    root: str  # the cgroup that is mounted: "/", or the container's own
    point: str


def parse_memory_mount(mountinfo: str) -> Mount | None:
    """Find the hierarchy of the memory controller in /proc/self/mountinfo: v1's own if there is one, else v2's.

    Where both are mounted (hybrid), v1 has the controller: v2 can only have what no v1 hierarchy took.
    """
    unified = None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if len(before) < 5 or len(after) < 3:
            continue
        if after[0] == "cgroup" and "memory" in after[2].split(","):
            return Mount(1, before[3], before[4])
        if after[0] == "cgroup2" and unified is None:
            unified = Mount(2, before[3], before[4])
    return unified


def parse_own_path(cgroup: str, version: Literal[1, 2]) -> str | None:
    """Our own memory cgroup from /proc/self/cgroup (`4:memory:/a/b`, `0::/a/b`)."""
    for line in cgroup.splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if (version == 2 and number == "0" and not controllers) or (version == 1 and "memory" in controllers.split(",")):
            return path
    return None


def own_directory(root: Path = Path("/")) -> tuple[Literal[1, 2], Path, Path] | Unread:
    """Version, the mount point, and below it the directory of our own memory cgroup."""
    where, remedy = "/proc/self/cgroup", "mount the cgroup file system (/sys/fs/cgroup) to have a limit tried"
    try:
        mount = parse_memory_mount((root / "proc/self/mountinfo").read_text())
        own = parse_own_path((root / "proc/self/cgroup").read_text(), mount.version) if mount else None
    except OSError as error:
        return Unread(where, str(error), remedy)
    if mount is None or own is None:
        return Unread(where, "no cgroup hierarchy that accounts memory is mounted", remedy)
    point = root / mount.point.lstrip("/")
    below = own.removeprefix(mount.root).strip("/") if mount.root != "/" else own.strip("/")
    # With a cgroup namespace the path may start with "..": then what is mounted is the most that we can see.
    directory = point if below.startswith("..") else point / below
    return mount.version, point, directory


def create(name: str, root: Path = Path("/")) -> MemoryCgroup | Unread:
    """Make a memory cgroup `name`; Unread with the reason where that is not allowed.

    Under v2 a cgroup with members of its own has no memory-accounted children ("no internal processes"), so the
    search goes upwards to the first whose cgroup.subtree_control already offers memory, and stops there.
    """
    found = own_directory(root)
    if isinstance(found, Unread):
        return found
    version, point, directory = found
    if version == 2:
        while not _offers_memory(directory):
            if directory in (point, directory.parent):
                return Unread(
                    str(point), "no cgroup above us offers memory to a new child", "delegate the memory controller"
                )
            directory = directory.parent
    try:
        (directory / name).mkdir()
    except OSError as error:
        return Unread(str(directory / name), f"cannot be made: {error.strerror}", "run as root, or delegate the cgroup")
    return MemoryCgroup(version, directory / name)


def _offers_memory(directory: Path) -> bool:
    try:
        return "memory" in (directory / "cgroup.subtree_control").read_text().split()
    except OSError:
        # Not there or not ours to read: it offers us nothing.
        return False
