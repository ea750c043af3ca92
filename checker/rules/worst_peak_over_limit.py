"""Does only the worst case not fit?

Why: it says how far today's answer holds: up to the write budget. Source: model/peak.py; docs/model.md, "The peak".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.rules.sizing import carefree_limit_bytes
from checker.rules.words import raise_limit
from checker.units import format_bytes, format_rate
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
    return Finding(
        ID,
        "warn",
        f"{_holds(estimate.write_budget_per_second)}: the worst case peaks at {format_bytes(peak)}, "
        f"{format_bytes(peak - limit)} over the limit of {format_bytes(limit)}",
        f"for any write rate: {raise_limit(evidence, carefree_limit_bytes(evidence, evidence.numbers))}, "
        "or lower maxmemory",
    )


def _holds(budget: float | None) -> str:
    if budget is None:
        return "no write rate is expected to pass the limit"  # the child gives back what it has saved
    return f"it holds up to {format_rate(budget)} writes/s" if budget else "at no write rate does a save fit"


RULE = Rule(ID, check, decides=True)
