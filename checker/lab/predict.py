"""What the model says of a case, from its shape and its writes alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from checker.facts import Engine, Population
from checker.lab.case import Case
from checker.model.child import child_bytes
from checker.model.cow import copied_bytes, occupancy_bytes, touched_per_write
from checker.model.peak import FORK_KERNEL_BYTES, Save, page_table_bytes, peak_bytes, worst_peak_bytes
from checker.model.workload import Workload

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


def predict(case: Case) -> Prediction:
    """Predict from keys, sizes, distribution, writes and resident bytes; nothing that was measured after the fork."""
    name, version, allocator = case.server()
    workload = Workload(
        resident_bytes=case.rss_anon_bytes,
        page_size_bytes=CASE_PAGE_BYTES,
        copy_unit_bytes=CASE_PAGE_BYTES,
        engine=Engine(name=name, version=version, allocator=allocator, forks=True),
        shape=(Population(case.keys, case.value_bytes, case.key_bytes),),
        distribution=case.distribution,
        compression=True,
        writes_before=(case.write_rate_per_second or 0.0) * SETTLED_SECONDS,
    )
    unnoticed = (case.write_rate_per_second or 0.0) * UNNOTICED_PERIODS / (case.hz or DEFAULT_HZ)
    writes = max(case.writes_during_save / 2, case.writes_during_save - unnoticed)
    copied = copied_bytes(workload, writes)
    tables = case.vm_pte_bytes or page_table_bytes(case.rss_anon_bytes, CASE_PAGE_BYTES)
    # The recorded peaks are anonymous memory alone: neither side's page tables are in them.
    save = Save(workload=workload, seconds=1.0, base_bytes=case.rss_anon_bytes, child_page_tables_bytes=round(tables))
    by_formula = occupancy_bytes(
        case.rss_anon_bytes,
        case.writes_during_save,
        pages_per_write=touched_per_write(replace(workload, shape=(), average_value_bytes=case.value_bytes)),
        page=CASE_PAGE_BYTES,
    )
    return Prediction(
        cow_bytes=round(copied),
        peak_bytes=round(peak_bytes(save, writes) - tables - FORK_KERNEL_BYTES),
        worst_cow_bytes=round(workload.resident_bytes + child_bytes(workload)),
        worst_peak_bytes=round(worst_peak_bytes(save) - tables - FORK_KERNEL_BYTES),
        kformula_cow_bytes=round(min(case.rss_anon_bytes, by_formula) + child_bytes(workload)),
    )
