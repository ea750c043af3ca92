"""The machine: every file about it, put together."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from checker.facts import Maybe, Node, Unread
from checker.probes import meminfo, overcommit, thp
from checker.probes.files import read_text

ARCHITECTURE_FILE = "bgsafe-facts.json"
"""DIR/bgsafe-facts.json: what a captured tree cannot show in its files, `{"page_size_bytes": 16384}`."""

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)


def parse_architecture(text: str, where: str) -> Maybe[dict[str, int]]:
    """Read page_size_bytes (a power of two from 4096) and cpu_count (1 or more), each optional; other keys are left."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Unread(where, f"not JSON: {error}", 'write it like {"page_size_bytes": 16384}')
    if not isinstance(table, dict):
        return Unread(where, "not a JSON object", 'write it like {"page_size_bytes": 16384}')
    facts: dict[str, int] = {}
    for name in ("page_size_bytes", "cpu_count"):
        value = table.get(name)
        if value is None:
            continue
        sound = type(value) is int and 0 < value < 2**31
        if not sound or (name == "page_size_bytes" and (value < 4096 or value & (value - 1))):
            return Unread(
                where, f"{name} is {value!r}", "page_size_bytes is 4096, 16384 or 65536; cpu_count at least 1"
            )
        facts[name] = value
    return facts


def parse_cpu_list(text: str, where: str = "/sys/devices/system/cpu/online") -> Maybe[int]:
    """How many CPUs `0-3,8` are: 5."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            return Unread(where, f"{text.strip()[:40]!r} is not a list of CPUs (expected like 0-3,8)")
        cpus.update(range(first, min(last, 2**16) + 1))
    return len(cpus)


def read_cpu_count(root: Path) -> Maybe[int]:
    """Count the online CPUs: DIR/sys/devices/system/cpu/online, or the cpuN lines of DIR/proc/stat."""
    path = root / "sys/devices/system/cpu/online"
    online = read_text(path)
    if not isinstance(online, Unread):
        return parse_cpu_list(online, str(path))
    stat = read_text(root / "proc/stat")
    cpus = 0 if isinstance(stat, Unread) else len(re.findall(r"^cpu\d+ ", stat, re.MULTILINE))
    return cpus or online


def read(root: Path) -> tuple[Node, tuple[Unread, ...]]:
    """Read the machine's facts below DIR, and what was wrong with DIR/bgsafe-facts.json if something was."""
    problems: tuple[Unread, ...] = ()
    facts: dict[str, int] = {}
    if (path := root / ARCHITECTURE_FILE).exists():
        text = read_text(path)
        parsed = text if isinstance(text, Unread) else parse_architecture(text, str(path))
        if isinstance(parsed, Unread):
            problems = (parsed,)
        else:
            facts = parsed
    page_size_bytes = facts.get("page_size_bytes", os.sysconf("SC_PAGESIZE"))
    release = read_text(root / "proc/sys/kernel/osrelease")
    table, vm = meminfo.read(root), overcommit.read(root)
    node = Node(
        kernel_release=release if isinstance(release, Unread) else release.strip(),
        page_size_bytes=page_size_bytes,
        cpu_count=facts["cpu_count"] if "cpu_count" in facts else read_cpu_count(root),
        overcommit_memory=vm.overcommit_memory,
        overcommit_ratio=vm.overcommit_ratio,
        overcommit_kbytes=vm.overcommit_kbytes,
        admin_reserve_kbytes=vm.admin_reserve_kbytes,
        user_reserve_kbytes=vm.user_reserve_kbytes,
        mem_total=meminfo.get(table, "MemTotal"),
        mem_free=meminfo.get(table, "MemFree"),
        mem_available=meminfo.get(table, "MemAvailable"),
        swap_total=meminfo.get(table, "SwapTotal"),
        swap_free=meminfo.get(table, "SwapFree"),
        commit_limit=meminfo.get(table, "CommitLimit"),
        committed_as=meminfo.get(table, "Committed_AS"),
        hugetlb=meminfo.hugetlb(table),
        guess_free=overcommit.read_guess_free(root, table, page_size_bytes),
        thp_enabled=thp.read(root, "enabled"),
        thp_defrag=thp.read(root, "defrag"),
    )
    return node, problems
