"""What the model says of a case, from its shape and its writes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from checker.facts import Engine, Population
from checker.lab.case import Case
from checker.lab.kinds import KINDS
from checker.model.child import child_bytes, copied_by_child_bytes
from checker.model.cow import copied_bytes, occupancy_bytes, touched_per_write
from checker.model.peak import FORK_KERNEL_BYTES, Save, page_table_bytes, peak_bytes, worst_peak_bytes
from checker.model.workload import Workload
from checker.probes.sample import ENTRY_BYTES

CASE_PAGE_BYTES: Final = 4096
"""Cases are recorded on machines with 4 KiB pages."""

DEFAULT_HZ: Final = 10

UNNOTICED_PERIODS: Final = 0.3
"""How long a child is gone before the server looks, in periods of serverCron (1/hz): half a period on average if it ran
on time. The writes of that time are counted as the save's, and copy nothing. Of two sets of recorded forks 0.2 fits one
best, 0.5 the other."""


SETTLED_SECONDS: Final = 2.0
"""How long a case is written to before its fork, with data that was loaded fresh."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Bytes that the save copies and the anonymous bytes at its peak: expected, at worst, and by the k-formula."""

    cow_bytes: int
    peak_bytes: int
    worst_cow_bytes: int
    worst_peak_bytes: int
    kformula_cow_bytes: int


def population_of(case: Case) -> Population:
    """The keys of a case as `--sample` would describe them."""
    if case.type is None:
        return Population(case.keys, case.value_bytes, case.key_bytes)
    memory = max(1, (case.value_memory_bytes or 0) - case.key_bytes - ENTRY_BYTES)
    kind = KINDS[case.type].type if case.type in KINDS else case.type
    value = float(case.value_bytes if kind == "string" else memory)
    expiring = 1.0 if case.type == "ttl" else 0.0
    encoding, elements = case.encoding or "", float(case.elements or 1)
    return Population(case.keys, value, case.key_bytes, kind, encoding, elements, expiring)


def _unknown(workload: Workload, case: Case) -> Workload:
    """The same workload with no shape: what INFO alone would tell."""
    moves = 1.0 if case.type == "zset" else 0.0
    evicts = case.write().startswith("EVICT")
    average = case.value_bytes if case.type in (None, "ttl") else 0
    return replace(workload, shape=(), average_value_bytes=average, sorted_set_ratio=moves, evicts=evicts)


def predict(case: Case) -> Prediction:
    """Predict from keys, sizes, distribution, writes and resident bytes; nothing that was measured after the fork."""
    name, version, allocator = case.server()
    workload = Workload(
        resident_bytes=case.rss_anon_bytes,
        page_size_bytes=CASE_PAGE_BYTES,
        copy_unit_bytes=CASE_PAGE_BYTES,
        engine=Engine(name=name, version=version, allocator=allocator, forks=True),
        shape=(population_of(case),),
        distribution=case.distribution,
        compression=case.compression is not False,
        lfu=case.write() == "EVICT-LFU" or str(case.policy).endswith("-lfu"),
        write=case.write(),
        writes_before=(case.write_rate_per_second or 0.0) * SETTLED_SECONDS,
    )
    unnoticed = (case.write_rate_per_second or 0.0) * UNNOTICED_PERIODS / (case.hz or DEFAULT_HZ)
    writes = max(case.writes_during_save / 2, case.writes_during_save - unnoticed)
    copied = copied_bytes(workload, writes)
    tables = case.vm_pte_bytes or page_table_bytes(case.rss_anon_bytes, CASE_PAGE_BYTES)
    # The recorded peaks are anonymous memory alone: neither side's page tables are in them.
    save = Save(workload=workload, seconds=1.0, base_bytes=case.rss_anon_bytes, child_page_tables_bytes=round(tables))
    in_child = copied_by_child_bytes(_unknown(workload, case))
    by_formula = occupancy_bytes(
        case.rss_anon_bytes,
        case.writes_during_save,
        pages_per_write=touched_per_write(_unknown(workload, case)),
        page=CASE_PAGE_BYTES,
    )
    return Prediction(
        cow_bytes=round(copied),
        peak_bytes=round(peak_bytes(save, writes) - tables - FORK_KERNEL_BYTES),
        worst_cow_bytes=round(workload.resident_bytes + child_bytes(workload)),
        worst_peak_bytes=round(worst_peak_bytes(save) - tables - FORK_KERNEL_BYTES),
        kformula_cow_bytes=round(min(case.rss_anon_bytes, by_formula + in_child) + child_bytes(workload)),
    )
