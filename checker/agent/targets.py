"""What the watcher must know of a server before it forks, from the last scan."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from checker.agent.live import Target
from checker.agent.seen import Seen
from checker.facts import Cgroup, CgroupLevel, Process
from checker.probes.running import MAX_ROLLUP_BYTES
from checker.units import MIB

OTHERS_RATIO: Final = 0.2
OTHERS_BYTES: Final = 16 * MIB
"""A judgement: with more anonymous memory of others than this in its cgroup, whose growth is not the copies'."""


def target_of(seen: Seen) -> Target | None:
    """None for a server that cannot fork, or of which nothing is known."""
    server, process = seen.server, seen.server.process
    if process is None or server.engine.forks is False:
        return None
    estimate = seen.verdict.estimate
    level = server.cgroup.levels[0] if isinstance(server.cgroup, Cgroup) and server.cgroup.levels else None
    version = server.cgroup.version if isinstance(server.cgroup, Cgroup) else 2
    resident = process.rss_anon if isinstance(process.rss_anon, int) else None
    return Target(
        key=seen.key,
        labels=seen.labels,
        comm=process.comm,
        resident_bytes=0 if estimate is None else estimate.resident_bytes,
        others_bytes=_others(process, level),
        cgroup=None if level is None else (version, Path(level.path)),
        countable=resident is not None and resident <= MAX_ROLLUP_BYTES,
        predicted_bytes=seen.predicted_copy_bytes,
        child_pid=seen.child_pid,
    )


def _others(process: Process, level: CgroupLevel | None) -> int | None:
    """Anonymous bytes of the cgroup beside the server's own; None while a child lives, or where they are many.

    Below 0 where the server brought memory along that is charged elsewhere: what the cgroup grows by is what counts.
    """
    if level is None or not isinstance(level.anon, int) or not isinstance(process.rss_anon, int):
        return None
    if process.child is not None:
        return None
    others = level.anon - process.rss_anon
    return others if others <= max(OTHERS_BYTES, OTHERS_RATIO * process.rss_anon) else None
