"""Do the RDB and AOF files lie in memory?

Why: files on tmpfs (emptyDir with medium Memory) count against the same limit and cannot be reclaimed; while a save
runs, the old and the new file are there together. Source: mm/shmem.c; docs/model.md, "Control groups".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule, unread_finding
from checker.units import format_bytes
from checker.verdict import Finding

ID = "snapshot-on-memory-volume"


def check(evidence: Evidence) -> Finding | None:
    """Look at what is under `dir`, where something is saved there."""
    if evidence.forks is False or not set(evidence.causes) & {"rdb", "aof"}:
        return None
    volume, directory = evidence.server.volume, evidence.server.config.directory
    if isinstance(volume.in_memory, Unread):
        return unread_finding(ID, "what is under the data directory is not known", volume.in_memory)
    named = not isinstance(directory, Unread) and directory != "."
    where = f"the data directory {directory}" if named else "the data directory"
    if not volume.in_memory:
        on = "" if isinstance(volume.filesystem, Unread) else f" ({volume.filesystem})"
        return Finding(ID, "pass", f"{where} is not in memory{on}")
    adds = ""
    if not isinstance(evidence.numbers, Unread):
        adds = f"; {format_bytes(evidence.numbers.save.memory_file_bytes)} of files are counted in the peak"
    return Finding(
        ID,
        "warn",
        f"{where} is in memory: its files count against the limit, twice while saving{adds}",
        "put the data directory on a disk volume",
    )


RULE = Rule(ID, check)
