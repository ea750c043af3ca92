"""What a rule is: one question, answered by one function that reads facts and compares once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checker.estimate import Evidence
from checker.facts import Unread
from checker.verdict import Finding

DOCS_URL = "https://bgsafe.io/docs/rules"


@dataclass(frozen=True, slots=True)
class Rule:
    """A stable id and its check. A `fail` always makes the verdict unsafe.

    `decides`: a `warn` makes it risky and an `unknown` makes it unknown. The others inform.
    """

    id: str
    check: Callable[[Evidence], Finding | None]  # None: the question does not arise
    decides: bool = False


def unread_finding(rule: str, question: str, unread: Unread) -> Finding:
    """The answer of a rule that lacks a fact: what it could not tell, why, and what would make it readable."""
    return Finding(rule, "unknown", f"{question}: {unread.where}: {unread.why}", unread.remedy or None)


def rule_url(rule: str) -> str:
    """Where a rule is documented."""
    return f"{DOCS_URL}#{rule}"
