"""Would the replicas' output buffers alone overrun the limit during a full sync?

Why: they are not counted by maxmemory, and 256mb each by default; a slow replica fills them while the child lives.
Source: DOMAIN §3 (B), redis.conf client-output-buffer-limit.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "replica-buffer-over-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare resident + buffers + backlog with the limit, without any copy."""
    limit, config = evidence.limit.value, evidence.server.config
    if "replication" not in evidence.causes or not isinstance(limit, int) or isinstance(evidence.numbers, Unread):
        return None
    hard, backlog = config.replica_output_buffer_limit, config.repl_backlog_size
    if isinstance(hard, Unread):
        return Finding(ID, "unknown", f"client-output-buffer-limit replica is not known: {hard}")
    remedy = "lower the hard limit of client-output-buffer-limit replica, or raise resources.limits.memory"
    if hard == 0:
        return Finding(ID, "warn", "client-output-buffer-limit replica has no hard limit: nothing bounds it", remedy)
    attached = evidence.server.info.connected_slaves if evidence.server.info else None
    replicas = max(1, attached) if isinstance(attached, int) else 1
    buffers = replicas * hard + (backlog if isinstance(backlog, int) else 0)
    total = round(evidence.numbers.save.base_bytes) + buffers
    numbers = (
        f"{replicas} × {format_bytes(hard)} of output buffer and the backlog beside the data: {format_bytes(total)}"
    )
    if total > limit:
        return Finding(ID, "warn", f"{numbers}, over the limit of {format_bytes(limit)} without any copy", remedy)
    return Finding(ID, "pass", f"{numbers}, within the limit of {format_bytes(limit)}")


RULE = Rule(ID, check, decides=True)
