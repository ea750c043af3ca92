"""/proc/<pid>/mountinfo: what is mounted where.

Source: Documentation/filesystems/proc.rst section 3.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_OCTAL = re.compile(r"\\([0-3][0-7]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mount:
    """One line. `root` is the directory of the filesystem that is mounted: not `/` for a bind mount."""

    root: str
    mount_point: str
    filesystem: str
    super_options: frozenset[str]


def _unescape(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)


def parse(text: str) -> tuple[Mount, ...]:
    """Every mount in the file's order (the later hides the earlier); lines of another shape are passed over.

    Fields: id parent major:minor root mount_point options [optional…] - filesystem device super_options
    """
    mounts = []
    for line in text.split("\n"):
        left, dash, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if dash and len(before) >= 6 and len(after) >= 3:
            options = frozenset(after[-1].split(","))
            mounts.append(Mount(_unescape(before[3]), _unescape(before[4]), after[0], options))
    return tuple(mounts)


def holding(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """Return the mount that a path lies on: the deepest mount point above it, of equals the last one mounted."""
    target = PurePosixPath(path)
    best: Mount | None = None
    for mount in mounts:
        if target.is_relative_to(mount.mount_point) and (
            best is None or len(PurePosixPath(mount.mount_point).parts) >= len(PurePosixPath(best.mount_point).parts)
        ):
            best = mount
    return best


def hides_processes(mounts: tuple[Mount, ...], proc: str) -> bool:
    """Is the procfs that is mounted there told to hide other users' processes?"""
    mount = holding(mounts, proc)
    options = mount.super_options if mount is not None and mount.filesystem == "proc" else frozenset()
    return any(option.startswith("hidepid=") and option not in ("hidepid=0", "hidepid=off") for option in options)
