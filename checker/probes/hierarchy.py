"""Where a process stands in the cgroup hierarchies: v1, v2, both at once, or seen from inside a container.

Source: docs/model.md "Control groups"; cgroups(7), cgroup_namespaces(7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from checker.facts import Unread
from checker.probes.files import read_text
from checker.probes.mountinfo import Mount
from checker.probes.mountinfo import parse as parse_mountinfo

CGROUPFS = "sys/fs/cgroup"

MAX_UNKNOWN_DEPTH = 5
"""How many unknown directories may lie above what `/proc/<pid>/cgroup` writes as `/../..`: kind's are four."""

Version = Literal[1, 2]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup filesystem."""

    version: Version
    directory: Path  # where it is mounted, below DIR
    root: str  # which cgroup is mounted there; `/` for the whole tree, or the container's own
    controllers: frozenset[str]


def parse_membership(text: str) -> Mapping[str, str]:
    """Return controller → path of `/proc/<pid>/cgroup`; the v2 path has the empty name. Lines: `id:controllers:path`.

    A line of another shape is passed over. `/x (deleted)` is a cgroup that was removed with a process still in it.
    """
    paths: dict[str, str] = {}
    for line in text.split("\n"):
        match = re.fullmatch(r"\d+:([^:]*):(/.*)", line, re.ASCII)
        for controller in match[1].split(",") if match else ():
            paths.setdefault(controller, match[2] if match else "")
    return paths


def hierarchies(mounts: tuple[Mount, ...], root: Path) -> tuple[Hierarchy, ...]:
    """Every cgroup filesystem that is mounted below DIR/sys.

    Under `--root /host` the mount points of this very container are there too (`/sys/fs/cgroup`, its own cgroup only):
    those below DIR are taken where there are any. A captured tree has them as its machine wrote them.
    """
    prefix = str(root).rstrip("/")
    groups = [mount for mount in mounts if mount.filesystem in ("cgroup", "cgroup2")]
    below = [replace(mount, mount_point=mount.mount_point[len(prefix) :]) for mount in groups
             if prefix and mount.mount_point.startswith(prefix + "/sys/")]  # fmt: skip
    found = [
        Hierarchy(
            2 if mount.filesystem == "cgroup2" else 1,
            Path(f"{prefix}{mount.mount_point}"),
            mount.root,
            mount.super_options,
        )
        for mount in below or groups
        if mount.mount_point.startswith("/sys/")
    ]
    return tuple(found) or conventional(root)


def conventional(root: Path) -> tuple[Hierarchy, ...]:
    """Where systemd and the container runtimes mount them, for when mountinfo cannot be read."""
    base, none = root / CGROUPFS, frozenset[str]()
    found = [Hierarchy(2, path, "/", none) for path in (base, base / "unified") if (path / "cgroup.procs").exists()]
    names = ("memory", "pids", "cpu", "cpu,cpuacct")
    found += [Hierarchy(1, base / name, "/", frozenset(name.split(","))) for name in names if (base / name).is_dir()]
    return tuple(found)


def read_hierarchies(root: Path) -> tuple[Hierarchy, ...]:
    """Read DIR/proc/self/mountinfo; without it, look in the conventional places."""
    text = read_text(root / "proc/self/mountinfo")
    return conventional(root) if isinstance(text, Unread) else hierarchies(parse_mountinfo(text), root)


def locate(hierarchy: Hierarchy, path: str) -> Path | Unread:
    """Return the directory of a cgroup, from the path that `/proc/<pid>/cgroup` writes.

    The path is relative to the reader's cgroup namespace, so another container's begins with `/..` and what lies above
    is not named: it is looked for by what is. Where only a part of the tree is mounted (Docker on v1), the mount's
    root is cut off.
    """
    parts = path.removesuffix(" (deleted)").strip("/").split("/") if path != "/" else []
    named = [part for part in parts if part != ".."]
    if len(named) == len(parts):
        top = hierarchy.root.strip("/").split("/") if hierarchy.root != "/" else []
        if parts[: len(top)] == top and ".." not in top:
            named = parts[len(top) :]
        directory = hierarchy.directory.joinpath(*named)
        if directory.is_dir():
            return directory
    elif named:
        pattern = "/".join(re.sub(r"([*?[])", r"[\1]", part) for part in named)
        for depth in range(MAX_UNKNOWN_DEPTH + 1):
            found = sorted(hierarchy.directory.glob("*/" * depth + pattern))
            if len(found) == 1:
                return found[0]
            if found:
                return Unread(str(hierarchy.directory), f"{len(found)} cgroups could be {path}", "run on the host")
    remedy = "run on the host, or with --root on a mount of its /proc and /sys"
    return Unread(str(hierarchy.directory), f"the cgroup {path} is not below it", remedy)


def levels_of(hierarchy: Hierarchy, directory: Path) -> tuple[Path, ...]:
    """Return the directory and all above it up to the mount, innermost first."""
    above = [parent for parent in directory.parents if parent.is_relative_to(hierarchy.directory)]
    return (directory, *above)


def is_hidden(hierarchy: Hierarchy) -> bool:
    """Is there something above the mount that cannot be seen?

    Only the true root lacks `cgroup.type` (v2), and only it has `cgroup.sane_behavior` (v1).
    """
    if hierarchy.version == 2:
        return (hierarchy.directory / "cgroup.type").exists()
    return hierarchy.root != "/" or not (hierarchy.directory / "cgroup.sane_behavior").exists()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process stands in one hierarchy: its directory and those above, innermost first."""

    hierarchy: Hierarchy
    path: str
    directories: tuple[Path, ...]


def place(mounted: tuple[Hierarchy, ...], membership: Mapping[str, str], controller: str, where: str) -> Place | Unread:
    """Where a process stands for one controller: on v1 where the controller is mounted there, else on v2."""
    version: Version = 1 if controller in membership else 2
    path = membership.get(controller, membership.get(""))
    if path is None:
        return Unread(where, f"neither a {controller} line nor a v2 line in it", "")
    missing = Unread(CGROUPFS, f"no cgroup v{version} with the controller {controller} is mounted", "mount the host's")
    for hierarchy in mounted:
        if hierarchy.version == version and (version == 2 or controller in hierarchy.controllers):
            directory = locate(hierarchy, path)
            if isinstance(directory, Path):
                return Place(hierarchy, path, levels_of(hierarchy, directory))
            missing = directory
    return missing
