"""What a save needs beside the copies: replicas' and AOF buffers, and files that lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from checker.facts import Server, Unread, major_minor
from checker.model.workload import Workload
from checker.units import MIB
from checker.verdict import Cause

REPLICA_BYTES_PER_WRITE = 100
"""Protocol and list overhead of one write in a replica's output buffer, beside the value: a judgement."""

DEFAULT_REPLICA_BUFFER_BYTES = 256 * MIB
"""Hard limit of `client-output-buffer-limit replica` in Redis and Valkey (src/config.c)."""

MULTI_PART_AOF = (7, 0)
"""Since Redis 7.0 writes during a rewrite go to a file, not to a buffer (multi-part AOF)."""

SHARED_REPLICATION_BUFFER = (7, 0)
"""Since Redis 7.0 all replicas and the backlog share one buffer (src/replication.c, feedReplicationBuffer())."""


def replicas(server: Server) -> int:
    """How many replicas a full sync may serve: those attached or declared, and one where none is yet."""
    attached = server.info.connected_slaves if server.info else None
    return max(1, server.declared.replicas or 0, attached if isinstance(attached, int) else 0)


def shares_replication_buffer(server: Server) -> bool:
    """True where the replicas' output is kept once for all of them; False where the version is not known."""
    version = major_minor(server.engine.version)
    return version is not None and version >= SHARED_REPLICATION_BUFFER


def replica_buffer_limit_bytes(server: Server) -> float:
    """Bytes at which the replicas' output and the backlog end: infinite without a hard limit, the default if unread."""
    hard, backlog = server.config.replica_output_buffer_limit, server.config.repl_backlog_size
    if hard == 0:
        return inf
    each = DEFAULT_REPLICA_BUFFER_BYTES if isinstance(hard, Unread) else hard
    kept = 0 if isinstance(backlog, Unread) else backlog
    # One buffer for all may grow to the backlog's size whatever the limit says (src/networking.c,
    # checkClientOutputBufferLimits()).
    return max(each, kept) if shares_replication_buffer(server) else replicas(server) * each + kept


def buffers(server: Server, causes: Sequence[Cause], workload: Workload) -> tuple[float, float]:
    """Bytes that a write adds to buffers beside the copies, and where the buffers end."""
    each = _mean_value_bytes(workload) + REPLICA_BYTES_PER_WRITE
    per_write = limit = 0.0
    if "replication" in causes:
        per_write += each * (1 if shares_replication_buffer(server) else replicas(server))
        limit += replica_buffer_limit_bytes(server)
    version = major_minor(server.engine.version)
    if "aof" in causes and version is not None and version < MULTI_PART_AOF:
        per_write += each
        limit += workload.resident_bytes
    return per_write, limit


def _mean_value_bytes(workload: Workload) -> float:
    keys = sum(population.keys for population in workload.shape)
    if keys:
        return sum(population.keys * population.value_bytes for population in workload.shape) / keys
    return workload.average_value_bytes or 0.0


def memory_file_bytes(server: Server, causes: Sequence[Cause], resident: int, *, held_known: bool) -> float:
    """What a save needs in memory when the data directory is a tmpfs: the last file's size, else the data's.

    The old file stays until the new one is complete. What the cgroup holds counts it already, where that is known.
    """
    if server.volume.in_memory is not True or not set(causes) & {"rdb", "aof"}:
        return 0.0
    there = server.volume.files_bytes
    file = float(there) if isinstance(there, int) and there > 0 else float(resident)
    return file if held_known else 2 * file
