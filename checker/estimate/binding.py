"""The memory limit that leaves least room, of all levels from the process' own cgroup to the root."""

from __future__ import annotations

from dataclasses import dataclass

from checker.facts import UNLIMITED, Cgroup, CgroupLevel, Limit, Node, Server, Sourced, Unlimited, Unread
from checker.units import format_bytes


@dataclass(frozen=True, slots=True)
class Binding:
    """A limit, and the cgroup level that has it (None: no cgroup is known, or none of its levels has a limit)."""

    limit: Sourced[Limit]
    level: CgroupLevel | None

    @property
    def held_bytes(self) -> int | None:
        """Unreclaimable bytes already charged to that level; None where they were not read."""
        held = None if self.level is None else self.level.unreclaimable()
        return None if isinstance(held, Unread) else held


def binding_limit(server: Server, node: Node | None) -> Binding:
    """Of all levels, the smallest `limit − unreclaimable` decides: what a save adds, it adds to every level.

    A limit that is not below the machine's memory is none; Unread as soon as one level is, for a smaller one may be
    there. Source: mm/memcontrol.c, try_charge_memcg() walks up to the root.
    """
    levels = server.cgroup.levels if isinstance(server.cgroup, Cgroup) else ()
    for level in levels:
        if isinstance(level.memory_max, Unread):
            return Binding(Sourced(level.memory_max, level.memory_max.where), None)
    total = node.mem_total if node else None
    least_room: int | None = None
    binding = Binding(server.limit, None)
    for level in levels:
        if not isinstance(level.memory_max, int) or (isinstance(total, int) and level.memory_max >= total):
            continue
        held = level.unreclaimable()
        room = level.memory_max - (0 if isinstance(held, Unread) else held)
        if least_room is None or room < least_room:
            own = level.memory_max == server.limit.value
            source = server.limit.source if own else f"memory limit of {level.path}"
            least_room, binding = room, Binding(Sourced(level.memory_max, source), level)
    limit = binding.limit
    if isinstance(limit.value, int) and isinstance(total, int) and limit.value >= total:
        why = f"none: {format_bytes(limit.value)} ({limit.source}) is not below the machine's {format_bytes(total)}"
        return Binding(Sourced(UNLIMITED, why), None)
    return binding


def limit_source(limit: Sourced[Limit]) -> str:
    """Where the limit comes from, as `sources.limit_bytes` of a report writes it."""
    if isinstance(limit.value, Unread):
        return f"unread: {limit.value}"
    if isinstance(limit.value, Unlimited):
        return f"no limit ({limit.source})"
    return limit.source
