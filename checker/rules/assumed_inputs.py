"""Which of the numbers did nobody measure or declare, and would measuring change the answer?

Why: without a measurement a server is judged at maxmemory × fragmentation and at the policy's write rate and save
throughput. The reader must know which of them the answer hangs on. Source: docs/model.md, "Expected case: page
occupancy".
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.units import format_bytes, format_count, format_rate
from checker.verdict import Finding

ID = "assumed-inputs"


def check(evidence: Evidence) -> Finding | None:
    """Name the assumptions of a server that only its manifest is known of, and the write rate that tips the answer."""
    limit, numbers = evidence.limit.value, evidence.numbers
    judged_by_manifest = evidence.server.process is None and evidence.server.info is None
    if not judged_by_manifest or isinstance(numbers, Unread) or evidence.forks is False or not isinstance(limit, int):
        return None
    assumed = _assumed(evidence)
    if not assumed:
        how = "observed" if _observed(evidence) else "declared"
        return Finding(ID, "pass", f"the write rate and the time of a save are {how}")
    estimate = numbers.estimate
    said = f"assumed, not measured: {' and '.join(assumed)}"
    budget = estimate.write_budget_per_second
    if estimate.peak_worst_bytes <= limit or budget is None:
        return Finding(ID, "pass", f"{said}; the answer does not hang on it: at any write rate a save fits")
    if budget <= 0:
        return Finding(ID, "pass", f"{said}; the answer does not hang on it: at no write rate does a save fit")
    return Finding(
        ID,
        "warn",
        # Only the product of write rate and save time matters: twice the throughput bears twice the rate.
        f"{said}; the answer tips at {format_rate(budget)} writes/s, or in proportion at another save throughput",
        "measure it (`bgsafe node --redis URL` beside the running server), and declare the annotations "
        "bgsafe.io/write-rate and bgsafe.io/save-throughput",
    )


def _assumed(evidence: Evidence) -> list[str]:
    stated, declared, policy = evidence.assumptions, evidence.server.declared, evidence.policy
    assumed = []
    if not _observed(evidence) and stated.write_rate_per_second is None and declared.write_rate_per_second is None:
        assumed.append(f"{format_count(policy.write_rate_per_second)} writes/s")
    times = (stated.save_seconds, stated.save_throughput_per_second, declared.save_throughput_per_second)
    if not evidence.server.forks and all(time is None for time in times):
        assumed.append(f"a save of {format_bytes(policy.save_throughput_per_second)}/s")
    return assumed


def _observed(evidence: Evidence) -> bool:
    """Has somebody watched the server for a while?"""
    return evidence.server.observed_rate is not None or bool(evidence.server.forks)


RULE = Rule(ID, check)
