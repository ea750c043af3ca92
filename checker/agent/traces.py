"""What a child leaves in files of the kernel: its state, its numbers, its title, and the file that it writes."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checker.agent.book import Cause
from checker.units import KIB

READ_BYTES: Final = 16 * KIB
"""More than any file has that is read here; memory.stat, the longest, has about 2 KiB."""

_TEMP_FILE: Final = re.compile(r"/temp-[a-z-]*\d+\.(?:rdb|aof)$", re.ASCII)
"""redis src/rdb.c, aof.c: temp-<pid>.rdb, temp-rewriteaof-<pid>.aof, temp-rewriteaof-bg-<pid>.aof."""

MOST_DESCRIPTORS: Final = 16384
"""A judgement: a child has its server's clients too."""


class TempFile:
    """The file that a child writes to, kept in sight by a descriptor that can neither read nor write.

    A save that ends well renames it, wherever it lies; one that does not leaves it behind or unlinks it. The kernel
    knows the last name of an open file, also of one that the next save has replaced since.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def of(cls, proc: Path) -> TempFile | None:
        """Find it among the child's open files."""
        try:
            numbers = os.listdir(proc / "fd")[:MOST_DESCRIPTORS]  # noqa: PTH208
        except OSError:
            return None
        for number in numbers:
            path = f"{proc}/fd/{number}"
            with suppress(OSError):
                if _TEMP_FILE.search(os.readlink(path)):  # noqa: PTH115 - of thousands, perhaps
                    return cls(os.open(path, os.O_PATH | os.O_CLOEXEC))
        return None

    def renamed(self) -> bool | None:
        """Has it another name than a temporary one? None where that cannot be told."""
        try:
            name = os.readlink(f"/proc/self/fd/{self._descriptor}")  # noqa: PTH115
        except OSError:
            return None
        return _TEMP_FILE.search(name.removesuffix(" (deleted)")) is None

    def __del__(self) -> None:
        """Let go of it."""
        with suppress(OSError):
            os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class StatLine:
    """What is used of /proc/<pid>/stat, many times a second."""

    comm: str
    dead: bool  # a zombie, or about to be removed
    start_ticks: int
    readable: bool  # the kernel shows us what it shows to those alone who may trace the process
    exit_status: int

    @classmethod
    def parse(cls, raw: bytes) -> StatLine | None:
        """Read the line; None where it is none."""
        opening, closing = raw.find(b"("), raw.rfind(b")")
        fields = raw[closing + 1 :].split()
        if not 0 < opening < closing or len(fields) < 50:
            return None
        return cls(
            comm=raw[opening + 1 : closing].decode("utf-8", "backslashreplace"),
            dead=fields[0] in b"ZXx",
            start_ticks=int(fields[19]),
            readable=fields[45] != b"0",
            exit_status=int(fields[49]),
        )


def read_again(descriptor: int) -> bytes:
    """The whole file, from its start; empty where it is gone."""
    try:
        return os.pread(descriptor, READ_BYTES, 0)
    except OSError:
        return b""


def number_after(raw: bytes, name: bytes) -> int | None:
    """The number behind the name at the beginning of a line."""
    at = 0 if raw.startswith(name) else raw.find(b"\n" + name) + 1
    if at == 0 and not raw.startswith(name):
        return None
    match = _NUMBER.match(raw, at + len(name))
    return int(match[1]) if match else None


_NUMBER: Final = re.compile(rb"[ \t]*(\d{1,20})")


def cause_of(title: str) -> Cause:
    """redis-rdb-bgsave, redis-aof-rewrite, redis-rdb-to-slaves; a module's or a slot migration's child is `other`.

    The full sync that goes through a file has the title of a BGSAVE: it is one.
    """
    if "-rdb-to-" in title:
        return "replication"
    if "-rdb-" in title:
        return "rdb"
    return "aof" if "-aof-" in title else "other"
