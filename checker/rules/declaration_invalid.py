"""Is every bgsafe.io/ annotation understood?

Why: a mistyped annotation must not become a silent default. Source: DESIGN, policy.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.rules.rule import Rule
from checker.verdict import Finding

ID = "declaration-invalid"


def check(evidence: Evidence) -> Finding | None:
    """Report every declared value that could not be read."""
    wrong = evidence.server.declared.wrong
    if not wrong:
        return None
    return Finding(ID, "unknown", "; ".join(f"{each.where}: {each.why}" for each in wrong), wrong[0].remedy or None)


RULE = Rule(ID, check, decides=True)
