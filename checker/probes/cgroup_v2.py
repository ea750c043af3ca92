"""One memory cgroup of version 2.

Source: Linux Documentation/admin-guide/cgroup-v2.rst "Memory".
"""

from __future__ import annotations

from pathlib import Path

from checker.facts import UNLIMITED, CgroupLevel, Limit, Maybe, Unread
from checker.probes.files import exists, number, read_number, read_text

LIMIT_FILE = "memory.max"
"""Absent in the root cgroup, and where the memory controller is not switched on: neither limits anything."""

_KERNEL_PARTS = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "vmalloc", "slab")
"""What kernels before 5.18, which have no `kernel` line, list of it."""


def parse_stat(text: str, where: str) -> dict[str, Maybe[int]]:
    """Every `name value` line of memory.stat, memory.events or a v1 file of the same shape."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: number(pair[1], f"{where} {pair[0]}") for pair in pairs if len(pair) == 2}


def read_stat(path: Path) -> dict[str, Maybe[int]] | Unread:
    """Read and parse such a file."""
    text = read_text(path)
    return text if isinstance(text, Unread) else parse_stat(text, str(path))


def get(table: dict[str, Maybe[int]] | Unread, name: str, where: Path) -> Maybe[int]:
    """One line's value, or why there is none."""
    return table if isinstance(table, Unread) else table.get(name, Unread(f"{where} {name}", "no such line"))


def kernel(table: dict[str, Maybe[int]] | Unread, where: Path) -> Maybe[int]:
    """Bytes of kernel memory: the `kernel` line, or the sum of the parts that an older kernel lists."""
    if isinstance(table, Unread) or "kernel" in table:
        return get(table, "kernel", where)
    parts = [table[name] for name in _KERNEL_PARTS if name in table]
    known = [part for part in parts if isinstance(part, int)]
    if not parts or len(known) < len(parts):
        return next((part for part in parts if isinstance(part, Unread)), Unread(str(where), "no kernel memory in it"))
    return sum(known)


def _limit(path: Path) -> Limit:
    """`max` is no limit. A file that this kernel does not have limits nothing (memory.high of the root, swap off)."""
    text = read_text(path)
    if not isinstance(text, Unread) and text.strip() == "max":
        return UNLIMITED
    return number(text, str(path))


def _oom_group(path: Path) -> Maybe[bool]:
    if not exists(path):
        return False  # Linux before 4.19 never kills a group
    value = read_number(path)
    return value if isinstance(value, Unread) else value != 0


def read(directory: Path) -> CgroupLevel:
    """Read one level."""
    stat = read_stat(directory / "memory.stat")
    where = directory / "memory.stat"
    swap = directory / "memory.swap.max"
    return CgroupLevel(
        path=str(directory),
        memory_max=_limit(directory / LIMIT_FILE),
        memory_high=_limit(directory / "memory.high"),
        swap_max=_limit(swap) if exists(swap) else Unread(str(swap), "this kernel does not account swap"),
        memory_current=read_number(directory / "memory.current"),
        anon=get(stat, "anon", where),
        file=get(stat, "file", where),
        kernel=kernel(stat, where),
        inactive_file=get(stat, "inactive_file", where),
        active_file=get(stat, "active_file", where),
        slab_reclaimable=get(stat, "slab_reclaimable", where),
        shmem=get(stat, "shmem", where),
        oom_group=_oom_group(directory / "memory.oom.group"),
        oom_kills=get(read_stat(directory / "memory.events"), "oom_kill", directory / "memory.events"),
    )
