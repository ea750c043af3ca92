"""Do the RDB and AOF files lie in memory?

Why: files on tmpfs (emptyDir with medium Memory) count against the same limit and cannot be reclaimed; while a save
runs, the old and the new file are there together. Source: KERNEL C4, D7.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "snapshot-on-memory-volume"


def check(evidence: Evidence) -> Finding | None:
    """Look at what is under `dir`, where something is saved there."""
    if evidence.forks is False or not set(evidence.causes) & {"rdb", "aof"}:
        return None
    in_memory, where = evidence.server.volume.in_memory, evidence.server.config.directory
    if isinstance(in_memory, Unread):
        return Finding(ID, "unknown", f"what is under the data directory is not known: {in_memory}")
    if not in_memory:
        return Finding(ID, "pass", f"the data directory {where} is not in memory ({evidence.server.volume.filesystem})")
    adds = ""
    if not isinstance(evidence.numbers, Unread):
        adds = f"; the new file adds up to {format_bytes(evidence.numbers.save.memory_file_bytes)}, counted in the peak"
    return Finding(
        ID,
        "warn",
        f"the data directory {where} is in memory: its files count against the limit, twice while saving{adds}",
        "put the data directory on a disk volume",
    )


RULE = Rule(ID, check)
