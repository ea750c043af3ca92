"""What could not be done: counted for the metrics, and logged once as long as it stays the same."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final, Literal, get_args

from checker.facts import Unread
from checker.log import log

Probe = Literal[
    "processes",
    "process",
    "cgroup",
    "children",
    "hanging",
    "info",
    "kubernetes",
    "node_facts",
    "limit",
    "policy",
    "internal",
]

MOST_REMEMBERED: Final = 1000
"""A judgement: different troubles that are remembered as logged; then all are logged anew."""


class Troubles:
    """Takes troubles from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # From 0 on: Prometheus sees no increase in a counter that begins at 1.
        self._counts: Counter[Probe] = Counter(dict.fromkeys(get_args(Probe), 0))
        self._logged: set[tuple[Probe, str, str]] = set()

    def add(self, probe: Probe, trouble: Unread) -> None:
        """Count it; log it where it is new."""
        told = (probe, trouble.where, trouble.why)
        with self._lock:
            self._counts[probe] += 1
            is_new = told not in self._logged
            if len(self._logged) >= MOST_REMEMBERED:
                self._logged.clear()
            self._logged.add(told)
        if is_new:
            log("not read", level="warning", probe=probe, where=trouble.where, why=trouble.why, remedy=trouble.remedy)

    def counts(self) -> Counter[Probe]:
        """How many there were of each."""
        with self._lock:
            return Counter(self._counts)
