"""Which pages a server really writes, without a fork: the soft-dirty bits of its page tables.

Write 4 to clear_refs, wait as long as a save takes, count the pages that are dirty again: that is what a fork at the
first moment would have copied by now, whatever the data types, the skew and the allocator. It costs one walk of the
page tables under the mmap lock, and one minor fault for each page first written afterwards: only on request. Clearing
is one walk that cannot be cut; it is shorter than the fork that it stands for, which walks and copies the same tables
(docs/model.md has the times). Counting is cut by the kernel, which holds the lock for 2 MiB at a time (pagemap_read()).
Source: Documentation/admin-guide/mm/soft-dirty.rst, pagemap.rst.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from checker.facts import Maybe, Unread, Vma, Written
from checker.probes.proc import parse_vmas

ENTRY_BYTES: Final = 8
CHUNK_ENTRIES: Final = 128 * 1024

CLEAR_SOFT_DIRTY: Final = b"4"

LOOKS: Final = 4
"""How often the pages are counted: only the last stretch shows how fast pages are written that were not before."""

# An entry is 64 bits, little-endian. Byte 7: bit 63, present; bit 61, file or shared. Byte 6: bit 55, soft-dirty.
_PRESENT_ANONYMOUS: Final = bytes(1 if byte & 0x80 and not byte & 0x20 else 0 for byte in range(256))
_SOFT_DIRTY: Final = bytes(1 if byte & 0x80 else 0 for byte in range(256))


def count_dirty(entries: bytes) -> int:
    """Number of present, anonymous, soft-dirty pages among the entries of a pagemap."""
    present = entries[7::ENTRY_BYTES].translate(_PRESENT_ANONYMOUS)
    dirty = entries[6::ENTRY_BYTES].translate(_SOFT_DIRTY)
    return (int.from_bytes(present, "little") & int.from_bytes(dirty, "little")).bit_count()


def refusal() -> Unread | None:
    """Why this kernel cannot do it; None where it can. Clears our own bits, writes one of our own pages, and looks."""
    page = mmap.PAGESIZE
    where = "/proc/self/clear_refs"
    unsupported = Unread(where, "this kernel does not track soft-dirty pages", "a kernel with CONFIG_MEM_SOFT_DIRTY")
    with mmap.mmap(-1, page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
        own[0] = 1
        start = _address(own)
        try:
            _clear(Path("/proc/self"))
            before = _count_range(Path("/proc/self"), start, page, page)
            own[0] = 2
            after = _count_range(Path("/proc/self"), start, page, page)
        except OSError as error:
            return Unread(where, error.strerror or str(error), "run on a kernel that has clear_refs and pagemap")
    return None if (before, after) == (0, 1) else unsupported


def measure(
    root: Path, pids: Sequence[int], seconds: float, *, page: int, sleep: Callable[[float], None] = time.sleep
) -> Mapping[int, Maybe[Written]]:
    """Count the anonymous bytes that each process writes in the same so many seconds. Blocks for as long."""
    cannot = refusal()
    if cannot is not None or not pids:
        return dict.fromkeys(pids, cannot) if cannot else {}
    with ExitStack() as stack:
        failures = {pid: _attempt(root, pid, lambda proc: _clear_alone(proc, stack)) for pid in pids}
        found: dict[int, list[tuple[float, int]]] = {pid: [] for pid in pids}
        start = time.monotonic()
        for look in range(1, LOOKS + 1):
            sleep(max(0.0, start + seconds * look / LOOKS - time.monotonic()))
            for pid in [pid for pid, failure in failures.items() if not isinstance(failure, Unread)]:
                elapsed = time.monotonic() - start
                dirty = _attempt(root, pid, lambda proc: _dirty_pages(proc, page))
                if isinstance(dirty, Unread):
                    failures[pid] = dirty
                else:
                    found[pid].append((elapsed, (dirty or 0) * page))
    written: dict[int, Maybe[Written]] = {}
    for pid, failure in failures.items():
        if isinstance(failure, Unread):
            written[pid] = failure
        else:
            *earlier, (elapsed, dirtied) = found[pid]
            written[pid] = Written(bytes=dirtied, seconds=elapsed, earlier=tuple(earlier))
    return written


def _attempt(root: Path, pid: int, step: Callable[[Path], int | None]) -> int | Unread | None:
    proc = root / "proc" / str(pid)
    try:
        return step(proc)
    except BlockingIOError:
        return Unread(f"{proc}/clear_refs", "another measurement of this process is under way", "run again after it")
    except OSError as error:
        remedy = "run as root, or as the server's own user" if isinstance(error, PermissionError) else ""
        return Unread(str(error.filename or proc), error.strerror or str(error), remedy)


def _clear_alone(proc: Path, stack: ExitStack) -> None:
    """Clear, and keep other measurements out until the stack is left: two would take each other's pages away."""
    descriptor = os.open(proc / "clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(descriptor, CLEAR_SOFT_DIRTY)


def _dirty_pages(proc: Path, page: int) -> int:
    return sum(_count_range(proc, vma.start, vma.size, page) for vma in _written_to(proc))


def _written_to(proc: Path) -> list[Vma]:
    """The private writable mappings, read after the wait: what was mapped meanwhile is dirty from birth."""
    vmas = parse_vmas((proc / "maps").read_text(encoding="utf-8", errors="surrogateescape"))
    return [vma for vma in vmas if vma.perms.startswith("rw") and vma.perms.endswith("p")]


def _clear(proc: Path) -> None:
    descriptor = os.open(proc / "clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, CLEAR_SOFT_DIRTY)
    finally:
        os.close(descriptor)


def _count_range(proc: Path, start: int, size: int, page: int) -> int:
    count = 0
    descriptor = os.open(proc / "pagemap", os.O_RDONLY | os.O_CLOEXEC)
    try:
        offset, end = start // page * ENTRY_BYTES, (start + size) // page * ENTRY_BYTES
        while offset < end:
            entries = os.pread(descriptor, min(CHUNK_ENTRIES * ENTRY_BYTES, end - offset), offset)
            if not entries:
                break
            count += count_dirty(entries)
            offset += len(entries)
    finally:
        os.close(descriptor)
    return count


def _address(memory: mmap.mmap) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
