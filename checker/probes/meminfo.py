"""/proc/meminfo: one table of sizes.

Source: Documentation/filesystems/proc.rst "meminfo"; `kB` there means 1024 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from checker.facts import Maybe, Unread
from checker.probes.files import kilobytes, read_text

Table = Mapping[str, Maybe[int]]


def parse(text: str, where: str = "/proc/meminfo") -> Table:
    """Bytes of every line (counts such as HugePages_Total as they are); a line that is no size is `Unread`.

    The first line of a name wins, as it does for every tool that reads the file from its top.
    """
    table: dict[str, Maybe[int]] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name not in table:
            table[name] = kilobytes(value.strip(), f"{where} {name}")
    return table


def read(root: Path) -> Table | Unread:
    """Read DIR/proc/meminfo."""
    path = root / "proc/meminfo"
    text = read_text(path)
    return text if isinstance(text, Unread) else parse(text, str(path))


def get(table: Table | Unread, name: str, where: str = "/proc/meminfo") -> Maybe[int]:
    """One size of the table, or why there is none."""
    if isinstance(table, Unread):
        return table
    return table.get(name, Unread(f"{where} {name}", "the file has no such line"))


def hugetlb(table: Table | Unread) -> Maybe[int]:
    """HugePages_Total × Hugepagesize; 0 on a kernel built without huge pages, whose meminfo has neither line."""
    if not isinstance(table, Unread) and "MemTotal" in table and "HugePages_Total" not in table:
        return 0
    pages, size = get(table, "HugePages_Total"), get(table, "Hugepagesize")
    if isinstance(pages, Unread) or isinstance(size, Unread):
        return pages if isinstance(pages, Unread) else size
    return pages * size
