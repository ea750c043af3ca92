"""What is under the data directory: the filesystem, and what the last save left there."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from checker.facts import Maybe, Unread, Volume
from checker.probes import mountinfo
from checker.probes.files import read_text
from checker.probes.inside import Inside

IN_MEMORY = frozenset({"tmpfs", "ramfs"})
"""Filesystems whose files are memory, charged to the cgroup that wrote them (docs/model.md, "The peak")."""


def unread(why: Unread) -> Volume:
    """A volume of which nothing can be seen."""
    return Volume(filesystem=why, in_memory=why, files_bytes=why)


def filesystem(mounts: Maybe[str], directory: Maybe[str], where: str) -> Maybe[str]:
    """Return the type of the filesystem that a directory lies on, from the text of a mountinfo."""
    if isinstance(mounts, Unread) or isinstance(directory, Unread):
        return mounts if isinstance(mounts, Unread) else directory
    mount = mountinfo.holding(mountinfo.parse(mounts), directory)
    return mount.filesystem if mount else Unread(where, f"no mount holds {directory}")


def files_bytes(inside: Inside, directory: Maybe[str], names: Iterable[str]) -> Maybe[int]:
    """Bytes of files, and of what lies in directories, of these names in the data directory; 0 for none."""
    if isinstance(directory, Unread):
        return directory
    total = 0
    paths = [f"{directory}/{name}" for name in names]
    for path in paths:
        status = inside.status(path)
        if isinstance(status, Unread):
            if "no such file" in status.why:
                continue
            return status
        if stat.S_ISDIR(status.st_mode):
            held = inside.names(path)
            if isinstance(held, Unread):
                return held
            paths += [f"{path}/{name}" for name in held]
        elif stat.S_ISREG(status.st_mode):
            total += status.st_size
    return total


def read(proc: Path, inside: Inside, directory: Maybe[str], names: Iterable[str]) -> Volume:
    """Look at the data directory of the process whose /proc directory is given."""
    where = str(proc / "mountinfo")
    kind = filesystem(read_text(proc / "mountinfo"), directory, where)
    return Volume(
        filesystem=kind,
        in_memory=kind if isinstance(kind, Unread) else kind in IN_MEMORY,
        files_bytes=files_bytes(inside, directory, names),
    )
