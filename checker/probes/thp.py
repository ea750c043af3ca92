"""Transparent huge pages: which of the modes is in brackets.

Source: Documentation/admin-guide/mm/transhuge.rst; /sys/kernel/mm/transparent_hugepage/{enabled,defrag}.
"""

from __future__ import annotations

import re
from pathlib import Path

from checker.facts import Maybe, Unread
from checker.probes.files import read_text

_CHOSEN = re.compile(r"\[([a-z+_]{1,32})\]", re.ASCII)


def parse(text: str, where: str = "/sys/kernel/mm/transparent_hugepage/enabled") -> Maybe[str]:
    """Return the chosen word of `always [madvise] never`."""
    match = _CHOSEN.search(text)
    return match[1] if match else Unread(where, f"no word in brackets in {text[:60].strip()!r}")


def read(root: Path, name: str) -> Maybe[str]:
    """Read DIR/sys/kernel/mm/transparent_hugepage/<name>; `never` on a kernel that has no such directory.

    A kernel without CONFIG_TRANSPARENT_HUGEPAGE has DIR/sys/kernel/mm and not the directory below it.
    """
    directory = root / "sys/kernel/mm"
    path = directory / "transparent_hugepage" / name
    if directory.is_dir() and not path.parent.exists():
        return "never"
    text = read_text(path)
    return text if isinstance(text, Unread) else parse(text, str(path))
