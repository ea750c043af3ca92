"""The limits that bind a process: memory, pids and CPU, over its cgroup and all levels above that can be seen.

Source: Linux Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, scheduler/sched-bwc.rst.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checker.facts import UNLIMITED, Cgroup, CgroupLevel, Limit, Maybe, Sourced, Unlimited, Unread
from checker.probes import cgroup_v1, cgroup_v2, cri
from checker.probes.files import exists, number, read_number, read_text
from checker.probes.hierarchy import Hierarchy, Place, Version, is_hidden, parse_membership, place

Cores = float | Unlimited | Unread


def memory_limit(cgroup: Cgroup) -> Sourced[Limit]:
    """Return the smallest memory limit of all levels, with the file where it binds.

    Unread as soon as one level is: a smaller one may be there.
    """
    smallest: Sourced[Limit] = Sourced(UNLIMITED, "no cgroup level that can be seen has a memory limit")
    for level in cgroup.levels:
        if isinstance(level.memory_max, Unread):
            return Sourced(level.memory_max, level.memory_max.where)
        if isinstance(level.memory_max, int) and (
            not isinstance(smallest.value, int) or level.memory_max < smallest.value
        ):
            name = "memory.max" if cgroup.version == 2 else "memory.limit_in_bytes"
            smallest = Sourced(level.memory_max, f"{level.path}/{name}")
    return smallest


def oom_group(cgroup: Cgroup) -> Maybe[bool]:
    """Does an OOM of one process take all of its cgroup along?

    The kernel looks from the victim's cgroup up to the one that ran out (mm/memcontrol.c mem_cgroup_get_oom_group).
    """
    binding = memory_limit(cgroup).value
    answer: Maybe[bool] = False
    for level in cgroup.levels:
        if level.oom_group is True:
            return True
        if isinstance(level.oom_group, Unread):
            answer = level.oom_group
        if isinstance(binding, int) and level.memory_max == binding:
            break
    return answer


def parse_limit(text: Maybe[str], where: str) -> Limit:
    """`max` is UNLIMITED; else a number."""
    if not isinstance(text, Unread) and text.strip() == "max":
        return UNLIMITED
    return number(text, where)


def _pids(where: Place | Unread) -> tuple[Limit, Maybe[int]]:
    """Return pids.max and pids.current of the level with the least room left."""
    if isinstance(where, Unread):
        return where, where
    tightest: tuple[Limit, Maybe[int]] = (UNLIMITED, Unread("pids.current", "no level has a limit"))
    room: int | None = None
    for directory in where.directories:
        if not exists(directory / "pids.max"):
            continue
        limit = parse_limit(read_text(directory / "pids.max"), str(directory / "pids.max"))
        if limit is UNLIMITED:
            continue
        current = read_number(directory / "pids.current")
        if isinstance(limit, Unread) or isinstance(current, Unread):
            return limit, current
        if isinstance(limit, int) and (room is None or limit - current < room):
            room, tightest = limit - current, (limit, current)
    return tightest


def parse_cpu_max(text: str, where: str) -> Cores:
    """Cores of v2's `cpu.max`: `50000 100000` is 0.5, `max 100000` is no limit."""
    fields = text.split()
    if fields[:1] == ["max"]:
        return UNLIMITED
    quota = number(fields[0] if fields else "", where)
    period = number(fields[1] if len(fields) > 1 else "100000", where)
    return _cores(quota, period, where)


def _cores(quota: Maybe[int], period: Maybe[int], where: str) -> Cores:
    if isinstance(quota, Unread) or isinstance(period, Unread):
        return quota if isinstance(quota, Unread) else period if isinstance(period, Unread) else Unread(where, "")
    if quota <= 0 or period <= 0:
        return Unread(where, f"quota {quota} in a period of {period}: no quota that a kernel accepts")
    return quota / period


def _read_cpu(version: int, directory: Path) -> Cores:
    if version == 2:
        text = read_text(directory / "cpu.max")
        return text if isinstance(text, Unread) else parse_cpu_max(text, str(directory / "cpu.max"))
    path = directory / "cpu.cfs_quota_us"
    quota = read_text(path)
    if not isinstance(quota, Unread) and quota.strip() == "-1":
        return UNLIMITED
    return _cores(number(quota, str(path)), read_number(directory / "cpu.cfs_period_us"), str(path))


def _cpu_quota(where: Place | Unread) -> Cores:
    """Return the smallest quota of all levels, in cores."""
    if isinstance(where, Unread):
        return where
    smallest: float | Unlimited = UNLIMITED
    name = "cpu.max" if where.hierarchy.version == 2 else "cpu.cfs_quota_us"
    for directory in where.directories:
        if not exists(directory / name):
            continue
        cores = _read_cpu(where.hierarchy.version, directory)
        if isinstance(cores, Unread):
            return cores
        if not isinstance(cores, Unlimited) and (isinstance(smallest, Unlimited) or cores < smallest):
            smallest = cores
    return smallest


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a process is accounted. It holds until somebody moves the process, or its cgroup is removed."""

    memory: Place
    pids: Place | Unread
    cpu: Place | Unread
    pod_uid: str | None
    container_id: str | None


def locate(proc: Path, hierarchies: tuple[Hierarchy, ...]) -> Maybe[Places]:
    """Find the control groups of the process whose /proc directory is given."""
    where = str(proc / "cgroup")
    text = read_text(proc / "cgroup")
    if isinstance(text, Unread):
        return text
    membership = parse_membership(text)
    memory = place(hierarchies, membership, "memory", where)
    if isinstance(memory, Unread):
        return memory
    named = [path for path in (memory.path, *membership.values()) if cri.container_id(path) or cri.pod_uid(path)]
    return Places(
        memory=memory,
        pids=place(hierarchies, membership, "pids", where),
        cpu=place(hierarchies, membership, "cpu", where),
        pod_uid=cri.pod_uid(named[0]) if named else None,
        container_id=cri.container_id(named[0]) if named else None,
    )


def read_level(version: Version, directory: Path) -> CgroupLevel | None:
    """Read one memory cgroup; None for a directory that has no limit to read (the true root of version 2)."""
    probe = cgroup_v2 if version == 2 else cgroup_v1
    return probe.read(directory) if exists(directory / probe.LIMIT_FILE) else None


def read_at(places: Places, read_level: Callable[[Version, Path], CgroupLevel | None] = read_level) -> Cgroup:
    """Read the control groups. `read_level` may remember a level that many processes share."""
    memory = places.memory
    version = memory.hierarchy.version
    found = (read_level(version, directory) for directory in memory.directories)
    levels = tuple(level for level in found if level is not None)
    hidden = is_hidden(memory.hierarchy)
    if version == 1 and hidden:
        levels = cgroup_v1.with_hidden_limit(levels)
    pids_max, pids_current = _pids(places.pids)
    return Cgroup(
        version=version,
        path=memory.path,
        levels=levels,
        ancestors_hidden=hidden,
        pids_max=pids_max,
        pids_current=pids_current,
        cpu_quota_cores=_cpu_quota(places.cpu),
        pod_uid=places.pod_uid,
        container_id=places.container_id,
    )


def read(proc: Path, hierarchies: tuple[Hierarchy, ...]) -> Maybe[Cgroup]:
    """Read the control groups of the process whose /proc directory is given."""
    places = locate(proc, hierarchies)
    return places if isinstance(places, Unread) else read_at(places)
