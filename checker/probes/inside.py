"""Files inside another process' root directory: a container's, which its owner may have filled with traps.

Every component is opened by itself, below the one before, and symbolic links are followed by hand as that process would
follow them: none leads out of its root (as openat2() does with RESOLVE_IN_ROOT). A FIFO or device is not opened.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from checker.facts import Maybe, Unread
from checker.probes.files import decode, read_descriptor, read_link, unread
from checker.units import MIB

MAX_LINKS = 40
"""Linux' own bound (include/linux/namei.h MAXSYMLINKS)."""

MAX_MATCHES = 256
"""A judgement: files that one `include` pattern may name."""

MAX_CONFIG_BYTES = 4 * MIB
"""A judgement: the redis.conf that is shipped has 0.1 MB."""

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Inside:
    """The root of a process, `/proc/<pid>/root`, and its working directory as that process sees it."""

    root: Path
    directory: Maybe[str]

    def absolute(self, path: str) -> Maybe[str]:
        """Return the path as the process sees it from its root; a relative one counts from its working directory."""
        if path.startswith("/"):
            return path
        return self.directory if isinstance(self.directory, Unread) else f"{self.directory}/{path}"

    def read(self, path: str, limit: int = MAX_CONFIG_BYTES) -> Maybe[bytes]:
        """Read a regular file, or say why not."""
        target = self.absolute(path)
        if isinstance(target, Unread):
            return target
        where = f"{self.root}{target}"
        try:
            return read_descriptor(_open(self.root, target), where, limit)
        except (OSError, ValueError) as error:
            return unread(where, error)

    def read_text(self, path: str, limit: int = MAX_CONFIG_BYTES) -> Maybe[str]:
        """Read the text of a regular file, or say why not."""
        raw = self.read(path, limit)
        return raw if isinstance(raw, Unread) else decode(raw)

    def names(self, path: str) -> Maybe[tuple[str, ...]]:
        """Return what a directory holds, sorted."""
        target = self.absolute(path)
        if isinstance(target, Unread):
            return target
        try:
            descriptor = _open(self.root, target, os.O_RDONLY | os.O_DIRECTORY)
            try:
                return tuple(sorted(decode(os.fsencode(name)) for name in os.listdir(descriptor)))  # noqa: PTH208
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            return unread(f"{self.root}{target}", error)

    def status(self, path: str) -> Maybe[os.stat_result]:
        """Return what stat(2) says of a file or directory."""
        target = self.absolute(path)
        if isinstance(target, Unread):
            return target
        try:
            descriptor = _open(self.root, target, os.O_PATH)
        except (OSError, ValueError) as error:
            return unread(f"{self.root}{target}", error)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def identity(self, path: str) -> Maybe[tuple[int, ...]]:
        """Return what changes when a file does: device, inode, size, time of change."""
        status = self.status(path)
        if isinstance(status, Unread):
            return status
        return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns

    def glob(self, pattern: str) -> Maybe[tuple[str, ...]]:
        """Return the paths that glob(3) would: sorted; the pattern itself where it has no wildcard; () for none."""
        target = self.absolute(pattern)
        if isinstance(target, Unread):
            return target
        found = ["/"]
        for part in PurePosixPath(target).parts[1:]:
            if not any(sign in part for sign in "*?["):
                found = [f"{path.rstrip('/')}/{part}" for path in found]
                continue
            matches = []
            for path in found:
                names = self.names(path)
                if isinstance(names, Unread):
                    return names
                hidden = part.startswith(".")
                matches += [
                    f"{path.rstrip('/')}/{name}"
                    for name in names
                    if fnmatchcase(name, part) and (hidden or not name.startswith("."))
                ]
            if len(matches) > MAX_MATCHES:
                return Unread(f"{self.root}{target}", f"{len(matches)} files match, more than bgsafe reads", "")
            found = matches
        return tuple(found)


def of_process(proc: Path) -> Inside:
    """Return the root and working directory of the process whose /proc directory is given.

    The kernel writes `cwd` from the reader's root; for a process in a chroot the jail's own path is cut off it.
    """
    directory, jail = read_link(proc / "cwd"), read_link(proc / "root")
    if not isinstance(directory, Unread):
        directory = directory.removesuffix(" (deleted)")
        if isinstance(jail, str) and jail != "/" and PurePosixPath(directory).is_relative_to(jail):
            directory = "/" + str(PurePosixPath(directory).relative_to(jail)).removeprefix(".")
    return Inside(proc / "root", directory)


def _open(root: Path, path: str, flags: int = os.O_RDONLY) -> int:
    """Open what a path names below a root; raise OSError. The descriptor is the caller's."""
    todo = [part for part in path.split("/") if part not in ("", ".")][::-1]
    opened = [os.open(root, _DIRECTORY)]  # this one link, /proc/<pid>/root, is the kernel's own
    links = 0
    try:
        while todo:
            part = todo.pop()
            if part == "..":
                if len(opened) > 1:
                    os.close(opened.pop())
                continue
            mode = os.stat(part, dir_fd=opened[-1], follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(part, dir_fd=opened[-1])
                if target.startswith("/"):
                    while len(opened) > 1:
                        os.close(opened.pop())
                todo += [name for name in target.split("/") if name not in ("", ".")][::-1]
            elif todo or stat.S_ISDIR(mode):
                opened.append(os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
            elif stat.S_ISREG(mode):
                careful = flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                return os.open(part, careful, dir_fd=opened[-1])
            else:
                raise OSError(errno.EINVAL, "not a regular file", path)
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=opened[-1])
    finally:
        for descriptor in opened:
            with suppress(OSError):
                os.close(descriptor)
