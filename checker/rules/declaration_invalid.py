"""Is every bgsafe.io/ annotation understood?

Why: a mistyped annotation must not become a silent default. Source: manifests/declarations.py.
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
    remedy = "; ".join(dict.fromkeys(each.remedy for each in wrong if each.remedy))
    return Finding(ID, "unknown", "; ".join(f"{each.where}: {each.why}" for each in wrong), remedy or None)


RULE = Rule(ID, check, decides=True)
