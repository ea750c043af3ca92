"""What a rule is: one question, answered by one function that reads facts and compares once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checker.estimate import Evidence
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


def rule_url(rule: str) -> str:
    """Where a rule is documented."""
    return f"{DOCS_URL}#{rule}"
