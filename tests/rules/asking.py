"""Ask one rule, and follow its remedy."""

from __future__ import annotations

import re
from typing import Any

from checker.facts import Node, Server
from checker.policy import Assumptions, Policy
from checker.rules import RULES, judge
from checker.units import MIB, parse_quantity, parse_redis_memory
from checker.verdict import Finding, Verdict
from tests.build import a_node

_LIMIT = re.compile(r"(?:raise|set) [^;]*? to (\d+)(Ki|Mi|Gi|M|m)\b")
_MAXMEMORY = re.compile(r"maxmemory(?: to|, at most) (\d+(?:kb|mb|gb))")
_SIZE = re.compile(r"\b(\d+(?:Ki|Mi|Gi))\b")


def verdict_on(
    server: Server,
    node: Node | None = None,
    policy: Policy | None = None,
    neighbours: tuple[Server, ...] = (),
    **stated: Any,
) -> Verdict:
    """The verdict on the plain machine, or for a manifest on none."""
    here = node or (a_node() if server.subject.source == "process" else None)
    return judge(server, here, Assumptions(**stated), policy, neighbours)


def ask(rule: str, server: Server, node: Node | None = None, **rest: Any) -> Finding | None:
    """One rule's finding in the verdict; None where the question does not arise."""
    assert rule in {each.id for each in RULES}
    found = [finding for finding in verdict_on(server, node, **rest).findings if finding.rule == rule]
    assert len(found) <= 1
    return found[0] if found else None


def status(rule: str, server: Server, node: Node | None = None, **rest: Any) -> str | None:
    """The finding's status."""
    finding = ask(rule, server, node, **rest)
    return None if finding is None else finding.status


def limit_in(finding: Finding | None) -> int:
    """The memory limit that a remedy names."""
    assert finding is not None
    assert finding.remedy is not None
    match = _LIMIT.search(finding.remedy)
    assert match, finding.remedy
    return int(match[1]) * MIB if match[2] in ("M", "m") else parse_quantity(match[1] + match[2])


def maxmemory_in(finding: Finding | None) -> int:
    """The maxmemory that a remedy names."""
    assert finding is not None
    assert finding.remedy is not None
    match = _MAXMEMORY.search(finding.remedy)
    assert match, finding.remedy
    return parse_redis_memory(match[1])


def size_in(finding: Finding | None) -> int:
    """The first size of a remedy."""
    assert finding is not None
    assert finding.remedy is not None
    match = _SIZE.search(finding.remedy)
    assert match, finding.remedy
    return parse_quantity(match[1])
