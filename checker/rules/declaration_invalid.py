"""Is every bgsafe.io/ annotation understood?

Why: a mistyped annotation must not become a silent default. Source: manifests/declarations.py.
"""

from __future__ import annotations

from checker.estimate import Evidence
from checker.facts import Unread
from checker.rules.rule import Rule
from checker.verdict import Finding

ID = "declaration-invalid"


def check(evidence: Evidence) -> Finding | None:
    """Report every declared value that could not be read."""
    from checker.rules import RULES  # which has this rule among them

    declared = evidence.server.declared
    known = {rule.id for rule in RULES}
    wrong = [*declared.wrong]
    wrong += [
        Unread(f"annotation bgsafe.io/ignore.{rule}", "there is no such rule", "`bgsafe explain list` names them")
        for rule in declared.ignores
        if rule not in known
    ]
    if not wrong:
        return None
    remedy = "; ".join(dict.fromkeys(each.remedy for each in wrong if each.remedy))
    return Finding(ID, "unknown", "; ".join(f"{each.where}: {each.why}" for each in wrong), remedy or None)


RULE = Rule(ID, check, decides=True)
