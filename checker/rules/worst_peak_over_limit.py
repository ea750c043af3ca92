"""Does only the worst case not fit?

Why: it says how far today's answer holds: up to the write budget. Source: model/peak.py; DOMAIN §2.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.units import format_bytes, format_count, format_quantity, round_up_size
from checker.verdict import Finding

ID = "worst-peak-over-limit"


def check(evidence: Evidence) -> Finding | None:
    """Compare the worst peak with the limit, and name the write rate up to which the expected case holds."""
    limit = evidence.limit.value
    if not isinstance(limit, int) or isinstance(evidence.numbers, Unread) or evidence.forks is False:
        return None
    estimate = evidence.numbers.estimate
    peak = estimate.peak_worst_bytes
    if peak <= limit:
        numbers = f"{format_bytes(peak)}, {format_bytes(limit - peak)} below the limit of {format_bytes(limit)}"
        return Finding(ID, "pass", f"even if every page is written during the save, it peaks at {numbers}")
    remedy = f"for any write rate: resources.limits.memory {format_quantity(round_up_size(peak))}, or a lower maxmemory"
    budget = estimate.write_budget_per_second
    holds = "at no write rate does a save fit" if not budget else f"it holds up to {format_count(budget)} writes/s"
    return Finding(
        ID,
        "warn",
        f"{holds}: the worst case peaks at {format_bytes(peak)}, "
        f"{format_bytes(peak - limit)} over the limit of {format_bytes(limit)}",
        remedy,
    )


RULE = Rule(ID, check, decides=True)
