"""vm.overcommit_*, and what mode 0 before Linux 5.2 compares a mapping with.

Source: Linux v4.19 mm/util.c `__vm_enough_memory()`, mm/page_alloc.c
`calculate_totalreserve_pages()`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from checker.facts import Maybe, Unread
from checker.probes import meminfo
from checker.probes.files import kilobytes, number, read_number, read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Overcommit:
    """/proc/sys/vm, sizes in bytes in spite of the files' names."""

    overcommit_memory: Maybe[int]
    overcommit_ratio: Maybe[int]
    overcommit_kbytes: Maybe[int]
    admin_reserve_kbytes: Maybe[int]
    user_reserve_kbytes: Maybe[int]


def parse_mode(text: str, where: str = "/proc/sys/vm/overcommit_memory") -> Maybe[int]:
    """0, 1 or 2; anything else is no mode of any kernel."""
    mode = number(text, where)
    if isinstance(mode, Unread) or mode in (0, 1, 2):
        return mode
    return Unread(where, f"{mode} is no overcommit mode (0, 1 or 2)")


def read(root: Path) -> Overcommit:
    """Read DIR/proc/sys/vm."""
    directory = root / "proc/sys/vm"
    mode = read_text(directory / "overcommit_memory")

    def size(name: str) -> Maybe[int]:
        text = read_text(directory / name)
        return text if isinstance(text, Unread) else kilobytes(f"{text.strip()} kB", str(directory / name))

    return Overcommit(
        overcommit_memory=mode if isinstance(mode, Unread) else parse_mode(mode, str(directory / "overcommit_memory")),
        overcommit_ratio=read_number(directory / "overcommit_ratio"),
        overcommit_kbytes=size("overcommit_kbytes"),
        admin_reserve_kbytes=size("admin_reserve_kbytes"),
        user_reserve_kbytes=size("user_reserve_kbytes"),
    )


_ZONE = re.compile(r"^Node \d+, zone +\S+$", re.MULTILINE)
_HIGH = re.compile(r"^ +high +(\d{1,18})$", re.MULTILINE | re.ASCII)
_MANAGED = re.compile(r"^ +managed +(\d{1,18})$", re.MULTILINE | re.ASCII)
_PROTECTION = re.compile(r"^ +protection: \(([\d, ]+)\)$", re.MULTILINE | re.ASCII)


def parse_totalreserve(zoneinfo: str, where: str = "/proc/zoneinfo") -> Maybe[int]:
    """Pages that the kernel keeps back.

    totalreserve_pages = Σ zones min(max(lowmem_reserve) + high, managed)
    """
    total, zones = 0, _ZONE.split(zoneinfo)[1:]
    for zone in zones:
        high, managed, protection = _HIGH.search(zone), _MANAGED.search(zone), _PROTECTION.search(zone)
        if not (high and managed and protection):
            return Unread(where, "a zone without high, managed or protection")
        reserves = [int(field[:18]) for field in protection[1].replace(",", " ").split()]
        total += min(max(reserves, default=0) + int(high[1]), int(managed[1]))
    return total if zones else Unread(where, "no zone in the file")


def parse_vmstat(text: str, where: str = "/proc/vmstat") -> dict[str, Maybe[int]]:
    """Every `name value` line."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: number(pair[1], f"{where} {pair[0]}") for pair in pairs if len(pair) == 2}


def guess_free(
    vmstat: str, zoneinfo: str, swap_free: Maybe[int], page_size_bytes: int, where: str = "/proc/vmstat"
) -> Maybe[int]:
    """Bytes that mode 0 before Linux 5.2 compares one mapping with, before the reserve for administrators.

    free = NR_FREE_PAGES + NR_FILE_PAGES − NR_SHMEM + free swap + reclaimable slab and misc − totalreserve_pages

    Can be below 0 on a machine that is out of memory. `admin_reserve_kbytes` is left to the caller: it depends on the
    process. The misc counter is younger (4.20; 4.17 to 4.19 count it in bytes): a kernel without it has none.
    """
    table = parse_vmstat(vmstat, where)
    table.setdefault("nr_kernel_misc_reclaimable", 0)
    table.setdefault("nr_indirectly_reclaimable_bytes", 0)

    def count(name: str) -> Maybe[int]:
        return table.get(name, Unread(f"{where} {name}", "the file has no such line"))

    parts = [
        count("nr_free_pages"),
        count("nr_file_pages"),
        count("nr_shmem"),
        count("nr_slab_reclaimable"),
        count("nr_kernel_misc_reclaimable"),
        count("nr_indirectly_reclaimable_bytes"),
        parse_totalreserve(zoneinfo),
        swap_free,
    ]
    for part in parts:
        if isinstance(part, Unread):
            return part
    free, file, shmem, slab, misc, misc_bytes, reserve, swap = (p for p in parts if not isinstance(p, Unread))
    return (free + file - shmem + slab + misc - reserve) * page_size_bytes + misc_bytes + swap


def read_guess_free(root: Path, table: meminfo.Table | Unread, page_size_bytes: int) -> Maybe[int]:
    """Read DIR/proc/vmstat and DIR/proc/zoneinfo."""
    vmstat, zoneinfo = read_text(root / "proc/vmstat"), read_text(root / "proc/zoneinfo")
    if isinstance(vmstat, Unread):
        return vmstat
    if isinstance(zoneinfo, Unread):
        return zoneinfo
    return guess_free(
        vmstat, zoneinfo, meminfo.get(table, "SwapFree"), page_size_bytes, where=str(root / "proc/vmstat")
    )
