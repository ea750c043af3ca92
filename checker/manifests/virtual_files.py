"""The files that a container sees, as far as the input tells: mounted ConfigMaps, and what scripts write."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from checker.facts import Unread
from checker.probes.redis_conf import RUN_TIME

MAX_LINES: Final = 5_000
"""Lines that one written file may have: a script that copies a file onto itself ends here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, and where a person finds it."""

    text: str
    where: str  # "ConfigMap redis key redis.conf line 3"


_OF_THE_RUNNING_POD: Final = ("/proc/", "/sys/", "/dev/", "/run/", "/var/run/", "/etc/host", "/etc/resolv.conf")

Lines: TypeAlias = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory (or one file) of the container that is not the image's."""

    path: str
    volume: str
    sub_path: str  # "" for the whole volume
    known: Unread | None  # None: all that is in it at the start is known (a volume that starts empty included)


@dataclass(frozen=True, slots=True)
class Files:
    """What is known of a container's file system. Frozen: every path through a script has its own."""

    held: Mapping[str, Lines] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()  # the longest path first
    image: Unread | None = None  # None: the image is known to bring no configuration of its own

    def unread(self, path: str) -> Unread | None:
        """Why a file that is not held cannot be read; None where it is known not to be there."""
        for mount in self.mounts:
            if path == mount.path or path.startswith(mount.path.rstrip("/") + "/"):
                return mount.known
        if path.startswith(_OF_THE_RUNNING_POD):
            return Unread(path, "is there only in the running pod", "write the value itself")
        return self.image

    def matching(self, pattern: str) -> list[str]:
        """Paths of held files, for a path or glob."""
        if not any(character in pattern for character in "*?["):
            return [pattern] if pattern in self.held else []
        depth = pattern.count("/")
        return sorted(path for path in self.held if path.count("/") == depth and fnmatchcase(path, pattern))

    def exists(self, path: str) -> bool | None:
        """Is there such a file or directory? None where that cannot be told."""
        if RUN_TIME in path:
            return None
        below = path.rstrip("/") + "/"
        if path in self.held or any(held.startswith(below) for held in self.held):
            return True
        if any(mount.path.rstrip("/") + "/" == below for mount in self.mounts):
            return True
        return None if self.unread(path) is not None else False

    def read(self, path: str) -> Lines:
        """The lines of a file or glob; one RUN_TIME line where something is there that was not read."""
        found = [line for name in self.matching(path) for line in self.held[name]]
        if found or path in self.held:
            return tuple(found)
        why = self.unread(path)
        if why is None and RUN_TIME not in path:
            return ()
        return (Line(RUN_TIME, why.where if why else path),)

    def write(self, path: str, lines: Lines, *, append: bool) -> Files:
        """Append keeps what is there, and a file that was not read stays unread in front."""
        written = (self.read(path) if append else ()) + lines
        if len(written) > MAX_LINES and append:
            written = (*written[:MAX_LINES], Line(RUN_TIME, written[MAX_LINES].where))
        return replace(self, held={**self.held, path: written})

    def remove(self, path: str) -> Files:
        gone = set(self.matching(path))
        return replace(self, held={name: lines for name, lines in self.held.items() if name not in gone})

    def copy(self, source: str, target: str) -> Files:
        """A file to a file or into a directory; a directory's files (`cp -r a/. b`) likewise."""
        into = target.rstrip("/")
        directory = target.endswith("/") or (target not in self.held and self.exists(target) is True)
        below = source.removesuffix("/.").rstrip("/") + "/"
        held = dict(self.held)
        names = self.matching(source)
        for name in names:
            held[f"{into}/{posixpath.basename(name)}" if directory else into] = self.held[name]
        for name, lines in self.held.items():
            if name.startswith(below):
                held[f"{into}/{name.removeprefix(below)}"] = lines
        if not names and held == self.held and self.unread(source) is not None:
            name = f"{into}/{posixpath.basename(source)}" if directory else into
            held[name] = self.read(source)
        return replace(self, held=held)
