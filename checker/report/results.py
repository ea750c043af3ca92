"""What all reports are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from checker.facts import Node, Unread
from checker.verdict import Grade, Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts of one run, in input order, with what belongs to no server."""

    node: Node | None
    verdicts: tuple[Verdict, ...]
    not_redis: int = 0  # Redis-like programs that are no data servers
    problems: tuple[Unread, ...] = ()
    exempt: int = 0  # servers that the policy leaves out
    skipped: Mapping[str, int] = field(default_factory=dict)  # kind of manifest → how many were not looked into

    def counts(self) -> dict[Grade, int]:
        """Number of verdicts by grade."""
        count = Counter(verdict.grade for verdict in self.verdicts)
        grades: tuple[Grade, ...] = ("safe", "risky", "unsafe", "unknown")
        return {grade: count[grade] for grade in grades}
