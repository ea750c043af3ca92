"""Does the child itself copy what it saves?

Why: since Valkey 8.1 (jemalloc) the child frees each string that it has saved, and compresses the next into the memory
just freed, whose pages it shares with the server: with values from 8 KiB to 32 KiB a save copies the whole dataset with
no client writing at all. Source: DOMAIN §2; src/object.c dismissSds, src/rdb.c rdbSaveLzfStringObject.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.cow import JEMALLOC_TCACHE_MAX_BYTES, LZF_STATIC_BUFFER_BYTES, child_copies_values
from checker.model.layouts import layout_of
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "child-copies-values"


def check(evidence: Evidence) -> Finding | None:
    """Ask only of servers whose child frees what it saves."""
    server, numbers = evidence.server, evidence.numbers
    frees = layout_of(server.engine).child_frees and not isinstance(server.engine.version, Unread)
    if evidence.forks is False or isinstance(numbers, Unread) or not frees:
        return None
    workload = numbers.save.workload
    span = f"{format_bytes(LZF_STATIC_BUFFER_BYTES)} to {format_bytes(JEMALLOC_TCACHE_MAX_BYTES)}"
    if not workload.compression:
        return Finding(ID, "pass", "rdbcompression is no: the child does not write to what it has freed")
    if not workload.shape:
        return Finding(
            ID,
            "unknown",
            f"the sizes of the values are not known; a save copies all values of {span} on this server version",
            "look at the data with --redis URL --sample 1000, or set rdbcompression no",
        )
    if any(child_copies_values(population, workload) for population in workload.shape):
        return Finding(
            ID,
            "warn",
            f"this server's child copies the values of {span} that it saves: the expected case is the worst case",
            "set rdbcompression no",
        )
    return Finding(ID, "pass", f"no values of {span}, which this server's child would copy")


RULE = Rule(ID, check)
