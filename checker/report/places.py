"""Where a finding is, for the reader who will edit it: a file, a line, and the server's name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from checker.facts import Server, Subject, Unread
from checker.verdict import Finding


class Place(NamedTuple):
    """A line of a file, counted from 1; column None where only the line is known."""

    file: str
    line: int
    column: int | None = None


_LIMIT: Final = ("resources.limits.memory", "resources")

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "maxmemory-unset": ("maxmemory", "args", "command", "env"),
        "maxmemory-over-limit": ("maxmemory", *_LIMIT),
        "expected-peak-over-limit": _LIMIT,
        "worst-peak-over-limit": _LIMIT,
        "limit-unset": ("resources",),
        "peak-at-maxmemory": ("maxmemory", *_LIMIT),
        "group-oom-kill": _LIMIT,
        "memory-high-throttles": _LIMIT,
        "child-copies-values": ("rdbcompression", "image"),
        "lfu-copies-keys": ("maxmemory_policy", "image"),
        "cpu-limit-stretches-save": ("resources.limits.cpu", "resources"),
        "snapshot-on-memory-volume": ("directory",),
        "replica-buffer-over-limit": ("replica_output_buffer_limit", *_LIMIT),
        "restart-loop": _LIMIT,
    }
)
"""Rule → what its remedy edits, the best first: a field of the container, or a field of `Config` where it was set.

The others, and what is not in the file, are about the container."""


def finding_place(server: Server, finding: Finding) -> Place | None:
    """The line that the finding is about, or that of the container; None for what is in no file."""
    file, lines = server.subject.file, server.lines
    if file is None:
        return None
    for field in _FIELDS.get(finding.rule, ()):
        for name in (field, _key_of(server, field)):
            if name in lines:
                return Place(file, lines[name])
    return Place(file, lines.get("container", server.subject.line or 1))


def _key_of(server: Server, field: str) -> str:
    """Where a setting was made, as `Server.lines` calls it: the source `args --maxmemory` is in `args`."""
    source = server.config.sources.get(field, "")
    known = (key for key in server.lines if source == key or source.startswith((f"{key} ", f"{key}[")))
    return max(known, key=len, default="")


_LINE: Final = re.compile(
    r"(?P<file>.+) line (?P<line>[1-9]\d*)(?: column (?P<column>[1-9]\d*))?", re.ASCII | re.DOTALL
)


def problem_place(problem: Unread) -> Place | None:
    """The place in `cache.yaml line 7 column 3`; None where a problem names something else."""
    match = _LINE.fullmatch(problem.where)
    if match is None:
        return None
    column = match["column"]
    return Place(match["file"], int(match["line"]), int(column) if column else None)


def full_name(subject: Subject) -> str:
    """`StatefulSet/shop/cache/redis`, as far as it is known; for a process, its title and pid."""
    parts = (subject.kind, subject.namespace, subject.name, subject.container)
    name = "/".join(part for part in parts if part)
    return name if subject.pid is None else f"{name} (pid {subject.pid})"


def lasting_identity(subject: Subject) -> Iterator[str]:
    """What names the server from one run to the next: neither its line nor its pid."""
    yield "" if subject.file is None else os.path.normpath(subject.file)
    for part in (subject.source, subject.kind, subject.namespace, subject.name, subject.container):
        yield part or ""
