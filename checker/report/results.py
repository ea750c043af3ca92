"""What all reports are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from checker.facts import Node, Unread
from checker.report.planned import Plan
from checker.rules import RULES
from checker.verdict import Finding, Grade, Verdict

Level = Literal["error", "warning", "note"]
"""How loudly a finding is shown by formats that know three levels."""

_DECIDING: Final = frozenset(rule.id for rule in RULES if rule.decides)


def level(finding: Finding) -> Level:
    """What a finding does to the verdict: error makes it unsafe, warning risky or unknown, a note only informs."""
    if finding.status == "fail":
        return "error"
    return "warning" if finding.status in ("warn", "unknown") and finding.rule in _DECIDING else "note"


def advice(finding: Finding) -> str:
    """The finding in one line: what it says, and what to do or why it is ignored."""
    if finding.ignored_because:
        return f"{finding.message} (ignored: {finding.ignored_because})"
    return f"{finding.message} → {finding.remedy}" if finding.remedy else finding.message


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts of one run, in input order, with what belongs to no server."""

    node: Node | None
    verdicts: tuple[Verdict, ...]
    not_redis: int = 0  # Redis-like programs that are no data servers
    problems: tuple[Unread, ...] = ()
    exempt: int = 0  # servers that the policy leaves out
    skipped: Mapping[str, int] = field(default_factory=dict)  # kind of manifest → how many were not looked into
    plan: Plan | None = None  # what `bgsafe plan` answers; its verdict is the only one

    def notable(self) -> Iterator[tuple[Verdict, Finding]]:
        """Every finding that is not a pass, with its verdict, in the order of servers and rules."""
        for verdict in self.verdicts:
            for finding in verdict.findings:
                if finding.status != "pass":
                    yield verdict, finding

    def counts(self) -> dict[Grade, int]:
        """Number of verdicts by grade."""
        count = Counter(verdict.grade for verdict in self.verdicts)
        grades: tuple[Grade, ...] = ("safe", "risky", "unsafe", "unknown")
        return {grade: count[grade] for grade in grades}
