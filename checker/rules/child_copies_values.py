"""Does the child itself copy what it saves?

Why: since Valkey 8.1 (jemalloc) the child frees each string that it has saved, and compresses the next into the memory
just freed, whose pages it shares with the server: with values from 8 KiB to 32 KiB a save copies the whole dataset with
no client writing at all. Source: src/object.c dismissSds(), src/rdb.c rdbSaveLzfStringObject(); docs/model.md.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.model.child import JEMALLOC_TCACHE_MAX_BYTES, LZF_STATIC_BUFFER_BYTES, child_copies_values
from checker.model.layouts import layout_of
from checker.model.workload import Workload
from checker.rules.rule import Rule
from checker.units import format_bytes
from checker.verdict import Finding

ID = "child-copies-values"

SPAN = f"{format_bytes(LZF_STATIC_BUFFER_BYTES)} to {format_bytes(JEMALLOC_TCACHE_MAX_BYTES)}"


def check(evidence: Evidence) -> Finding | None:
    """Ask only of servers whose child frees what it saves."""
    server, numbers = evidence.server, evidence.numbers
    frees = layout_of(server.engine).child_frees and not isinstance(server.engine.version, Unread)
    if evidence.forks is False or isinstance(numbers, Unread) or not frees:
        return None
    workload = numbers.save.workload
    if not workload.compression:
        return Finding(ID, "pass", "rdbcompression is no: the child does not write to what it has freed")
    if not workload.shape:
        return _by_average(workload)
    if any(child_copies_values(population, workload) for population in workload.shape):
        return Finding(
            ID,
            "warn",
            f"this server's child copies the values of {SPAN} that it saves: expect the worst case",
            "set rdbcompression no",
        )
    return Finding(ID, "pass", f"no values of {SPAN}, which this server's child would copy")


def _by_average(workload: Workload) -> Finding:
    average = workload.average_value_bytes
    if average is not None and LZF_STATIC_BUFFER_BYTES < average <= JEMALLOC_TCACHE_MAX_BYTES:
        return Finding(
            ID,
            "warn",
            f"values of {format_bytes(average)} on average: this server's child copies those of {SPAN} that it saves; "
            "expect the worst case",
            "set rdbcompression no",
        )
    return Finding(
        ID,
        "unknown",
        f"the sizes of the values are not known; a save copies all values of {SPAN} on this server version",
        "look at the data with --redis URL --sample 1000, or set rdbcompression no",
    )


RULE = Rule(ID, check)
