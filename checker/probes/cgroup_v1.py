"""One memory cgroup of version 1.

Source: Linux Documentation/admin-guide/cgroup-v1/memory.rst.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from checker.facts import UNLIMITED, CgroupLevel, Limit, Maybe
from checker.probes.cgroup_v2 import get, read_stat
from checker.probes.files import read_number

LIMIT_FILE = "memory.limit_in_bytes"

_NO_LIMIT = 2**62
"""Version 1 writes "no limit" as LONG_MAX rounded down to a page: just below 2^63, whatever the page size."""


def parse_limit(value: Maybe[int]) -> Limit:
    """A limit of 2^62 and more is none."""
    return UNLIMITED if isinstance(value, int) and value >= _NO_LIMIT else value


def _swap_max(directory: Path, memory_max: Limit) -> Limit:
    """Version 1 limits memory and swap together: memsw − memory."""
    both = parse_limit(read_number(directory / "memory.memsw.limit_in_bytes"))
    if isinstance(both, int) and isinstance(memory_max, int):
        return max(0, both - memory_max)
    return both


def read(directory: Path) -> CgroupLevel:
    """Read one level. `total_` lines count the cgroups below, as usage_in_bytes and the limit do.

    Version 1 does not tell reclaimable slab apart: it is given as 0, which counts it among what cannot be reclaimed.
    """
    stat, where = read_stat(directory / "memory.stat"), directory / "memory.stat"
    memory_max = parse_limit(read_number(directory / LIMIT_FILE))
    oom_control = directory / "memory.oom_control"
    return CgroupLevel(
        path=str(directory),
        memory_max=memory_max,
        memory_high=UNLIMITED,
        swap_max=_swap_max(directory, memory_max),
        memory_current=read_number(directory / "memory.usage_in_bytes"),
        anon=get(stat, "total_rss", where),
        file=get(stat, "total_cache", where),
        kernel=read_number(directory / "memory.kmem.usage_in_bytes"),
        inactive_file=get(stat, "total_inactive_file", where),
        active_file=get(stat, "total_active_file", where),
        slab_reclaimable=0,
        shmem=get(stat, "total_shmem", where),
        oom_group=False,
        oom_kills=get(read_stat(oom_control), "oom_kill", oom_control),
    )


def with_hidden_limit(levels: tuple[CgroupLevel, ...]) -> tuple[CgroupLevel, ...]:
    """Take in the limit of levels that cannot be seen: `hierarchical_memory_limit` of the outermost visible one.

    It stands in that level's place, since nothing else is known of the one that sets it.
    """
    if not levels:
        return levels
    *inner, outermost = levels
    path = Path(outermost.path) / "memory.stat"
    effective = parse_limit(get(read_stat(path), "hierarchical_memory_limit", path))
    smaller = isinstance(effective, int) and (
        not isinstance(outermost.memory_max, int) or effective < outermost.memory_max
    )
    return (*inner, replace(outermost, memory_max=effective)) if smaller else levels
