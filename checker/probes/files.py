"""Reading files of the kernel and of other people's containers: bounded, without blocking, and never raising.

What cannot be read is an `Unread` with its path, the kernel's own reason, and what would make it readable. A process
that goes away while it is read leaves `Unread`s behind; `observe` looks once more at the end and drops it then.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from checker.facts import Maybe, Unread
from checker.units import KIB, MIB, UINT64_MAX, UnitError, parse_meminfo_kb

MAX_FILE_BYTES = 64 * MIB
"""A judgement: smaps of 30,000 VMAs is 30 MB; nothing that is read here has a reason to be larger."""

_NUMBER = re.compile(r"\d{1,20}", re.ASCII)

AS_ROOT = "run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"


def unread(where: str, error: OSError | ValueError) -> Unread:
    """Say why the kernel refused, or Python before it (ValueError: a NUL in the path)."""
    if isinstance(error, ValueError):
        return Unread(where, str(error))
    denied = error.errno in (errno.EACCES, errno.EPERM)
    return Unread(where, (error.strerror or str(error)).lower(), AS_ROOT if denied else "")


def read_bytes(path: Path, limit: int = MAX_FILE_BYTES) -> Maybe[bytes]:
    """Return a whole regular file (a file of /proc or /sys is one), or why not.

    A FIFO, device or socket in its place is refused without being opened for data, so that it cannot hang the reader.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        return unread(str(path), error)
    return read_descriptor(descriptor, str(path), limit)


def read_descriptor(descriptor: int, where: str, limit: int = MAX_FILE_BYTES) -> Maybe[bytes]:
    """Read an open file to its end, and close it."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Unread(where, "not a regular file")
        chunks, size = [], 0
        while chunk := os.read(descriptor, 256 * KIB):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                return Unread(where, f"larger than {limit} bytes, which is more than bgsafe reads")
        return b"".join(chunks)
    except OSError as error:
        return unread(where, error)
    finally:
        os.close(descriptor)


def decode(raw: bytes) -> str:
    """Text that can always be printed: bytes that are not UTF-8 are shown as `\\xff`."""
    return raw.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Text of a stranger, without control characters that could speak to the reader's terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def read_text(path: Path, limit: int = MAX_FILE_BYTES) -> Maybe[str]:
    """Return the text of a whole file, or why not."""
    raw = read_bytes(path, limit)
    return raw if isinstance(raw, Unread) else decode(raw)


def read_link(path: Path) -> Maybe[str]:
    """Return where a symbolic link points (`/proc/<pid>/exe`, `cwd`), or why that cannot be told."""
    try:
        return decode(os.fsencode(path.readlink()))
    except (OSError, ValueError) as error:
        return unread(str(path), error)


def number(text: Maybe[str], where: str) -> Maybe[int]:
    """Read a whole number of at most 64 bits, as the kernel writes it: ASCII digits, nothing else."""
    if isinstance(text, Unread):
        return text
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped) or int(stripped) > UINT64_MAX:
        return Unread(where, f"{stripped[:40]!r} is not a number as the kernel writes it")
    return int(stripped)


def kilobytes(text: Maybe[str], where: str) -> Maybe[int]:
    """Bytes of `2048 kB`, or of a bare count; where the file itself counts in kB, append the unit."""
    if isinstance(text, Unread):
        return text
    try:
        value = parse_meminfo_kb(text) if len(text) <= 40 else UINT64_MAX + 1
    except UnitError:
        value = UINT64_MAX + 1
    return value if value <= UINT64_MAX else Unread(where, f"{text.strip()[:40]!r} is not a size as /proc writes it")


def read_number(path: Path) -> Maybe[int]:
    """Read a file that holds one number."""
    return number(read_text(path, 4 * KIB), str(path))


def exists(path: Path) -> bool:
    """Is there such a file? A directory that may not be searched hides what is in it: no."""
    return os.path.exists(path)  # noqa: PTH110  Path.exists raises on EACCES before Python 3.12
