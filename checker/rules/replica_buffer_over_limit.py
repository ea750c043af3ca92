"""Would the replicas' output buffers alone overrun the limit during a full sync?

Why: they are not counted by maxmemory, and 256mb by default; a slow replica fills them while the child lives.
Source: redis.conf client-output-buffer-limit; src/networking.c checkClientOutputBufferLimits().
"""

from __future__ import annotations

from math import isinf

from checker.estimate import Evidence, Numbers
from checker.estimate.beside import replica_buffer_limit_bytes, replicas, shares_replication_buffer
from checker.facts import Unread
from checker.rules.rule import Rule, unread_finding
from checker.rules.words import raise_limit
from checker.units import format_bytes, format_redis_memory, round_down_size
from checker.verdict import Finding

ID = "replica-buffer-over-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare what is held, the buffers and the backlog with the limit, without any copy."""
    limit, numbers, server = evidence.limit.value, evidence.numbers, evidence.server
    if "replication" not in evidence.causes or not isinstance(limit, int) or isinstance(numbers, Unread):
        return None
    hard = server.config.replica_output_buffer_limit
    if isinstance(hard, Unread):
        return unread_finding(ID, "client-output-buffer-limit replica is not known", hard)
    buffers = replica_buffer_limit_bytes(server)
    if isinf(buffers):
        message = "client-output-buffer-limit replica has no hard limit: a slow replica's output grows without bound"
        return Finding(ID, "warn", message, _remedy(evidence, numbers, limit))
    total = round(numbers.save.base_bytes + buffers)
    said = f"output buffers of up to {format_bytes(buffers)} beside the data need {format_bytes(total)}"
    if total > limit:
        message = f"{said}, over the limit of {format_bytes(limit)} without any copy"
        return Finding(ID, "warn", message, _remedy(evidence, numbers, limit))
    return Finding(ID, "pass", f"{said}, within the limit of {format_bytes(limit)}")


def _remedy(evidence: Evidence, numbers: Numbers, limit: int) -> str:
    """The largest hard limit for which there is room, and the memory limit that has room for today's."""
    server = evidence.server
    backlog = server.config.repl_backlog_size
    kept = backlog if isinstance(backlog, int) else 0
    room = limit - round(numbers.save.base_bytes)
    shared = shares_replication_buffer(server)
    fits = round_down_size(room if shared else (room - kept) // replicas(server))
    ways = []
    if fits and not (shared and kept > room):  # a shared buffer grows to the backlog's size in any case
        ways.append(f"set the hard limit of client-output-buffer-limit replica to {format_redis_memory(fits)} or less")
    buffers = replica_buffer_limit_bytes(server)
    if not isinf(buffers):
        ways.append(raise_limit(evidence, round(numbers.save.base_bytes + buffers)))
    return ", or ".join(ways) or "set a hard limit for client-output-buffer-limit replica, and lower maxmemory"


RULE = Rule(ID, check, decides=True)
