"""Does it fork, and why: unread configuration counts as "it may"."""

from __future__ import annotations

from checker.facts import Maybe, Server, Unread
from checker.verdict import Cause


def fork_causes(server: Server) -> tuple[tuple[Cause, ...], Maybe[bool]]:
    """What makes this server fork, and whether anything may; Unread where what decides that is missing."""
    config, engine = server.config, server.engine
    if engine.forks is False:
        return (), False
    causes: list[Cause] = []
    doubts: list[Unread] = []

    def consider(cause: Cause, answer: Maybe[bool]) -> None:
        if isinstance(answer, Unread):
            doubts.append(answer)
        elif answer and cause not in causes:
            causes.append(cause)

    if config.forkless is not True:
        consider("rdb", config.save if isinstance(config.save, Unread) else bool(config.save))
    if config.appendonly is False or config.auto_aof_rewrite_percentage == 0:
        consider("aof", False)
    else:
        consider("aof", config.appendonly)
    attached = server.info.connected_slaves if server.info else None
    if isinstance(attached, int) and attached > 0:
        consider("replication", True)
    else:
        consider("replication", config.replicas_possible)
    if server.process is not None and server.process.child is not None and not causes:
        causes.append("rdb")  # a child is saving right now: something makes it fork, whatever the configuration says
    if isinstance(engine.forks, Unread) and not causes:
        return (), engine.forks
    if not causes and doubts:
        return (), doubts[0]
    return tuple(causes), bool(causes)
