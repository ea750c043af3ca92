"""What an executable file says of itself: version and allocator, without running it.

The version is a string of its own among thousands. Redis and Valkey also hold "since" versions of their commands there,
none above their own, and the compiler's, which the .comment section names: the highest of the rest is the program's.
Checked on redis 6.2.14, 7.0.15 and valkey 9.1.2. The allocator is the text that INFO shows as `mem_allocator`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from checker.facts import Maybe, Unread
from checker.probes.files import MAX_FILE_BYTES
from checker.probes.inside import Inside

_VERSION = re.compile(rb"(?<=\0)(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?=\0)")
_COMPILER = re.compile(rb"(?:GCC: \([^)\0]{0,80}\)|clang version|rustc version) (\d+\.\d+\.\d+)")
_ALLOCATOR = re.compile(rb"(?<=\0)((?:jemalloc|tcmalloc|mimalloc)-\d{1,2}\.\d{1,2}(?:\.\d{1,2})?)(?=\0)")

_HIGHEST_MAJOR = 20
"""A judgement: what is above (255.255.255 of unstable builds, dates) is no released Redis, Valkey or KeyDB."""

_WHERE = "the executable"


def parse_version(image: bytes) -> Maybe[str]:
    """The version of a Redis, Valkey or KeyDB server, from the bytes of its ELF file."""
    if not image.startswith(b"\x7fELF"):
        return Unread(_WHERE, "not an ELF file")
    compilers = {match[1] for match in _COMPILER.finditer(image)}
    found = {
        (int(match[1]), int(match[2]), int(match[3]))
        for match in _VERSION.finditer(image)
        if match[0] not in compilers and int(match[1]) <= _HIGHEST_MAJOR
    }
    if not found:
        return Unread(_WHERE, "no version in it", "give --redis URL, so that the server can be asked")
    return ".".join(map(str, max(found)))


def parse_allocator(image: bytes) -> Maybe[str]:
    """`jemalloc-5.3.0`, or `libc` where the file names no other allocator."""
    if not image.startswith(b"\x7fELF"):
        return Unread(_WHERE, "not an ELF file")
    found = sorted({match[1].decode() for match in _ALLOCATOR.finditer(image)})
    if len(found) > 1:
        return Unread(_WHERE, f"it names {' and '.join(found)}", "give --redis URL, so that the server can be asked")
    return found[0] if found else "libc"


@lru_cache(maxsize=256)
def _read(inside: Inside, path: str, _identity: tuple[int, ...]) -> tuple[Maybe[str], Maybe[str]]:
    """Read a file once for as long as it is the same: the agent comes by every few seconds, and this is megabytes."""
    image = inside.read(path, MAX_FILE_BYTES)
    return (image, image) if isinstance(image, Unread) else (parse_version(image), parse_allocator(image))


def read(inside: Inside, path: Maybe[str]) -> tuple[Maybe[str], Maybe[str]]:
    """Read version and allocator from an executable inside its process' root."""
    if isinstance(path, Unread):
        return path, path
    identity = inside.identity(path)
    return (identity, identity) if isinstance(identity, Unread) else _read(inside, path, identity)
