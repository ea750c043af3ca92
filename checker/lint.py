"""Manifests → a report: what `bgsafe lint` does with the texts that it is given. Pure; files and exits are cli's."""

from __future__ import annotations

from collections.abc import Iterable

from checker.facts import Unread
from checker.manifests import Extraction, Text, extract
from checker.policy import Assumptions, Policy
from checker.report.results import Report
from checker.rules import judge


def lint(
    texts: Iterable[Text | Unread], assumptions: Assumptions | None = None, policy: Policy | None = None
) -> Report:
    """Judge every Redis-like server that the texts would start."""
    policy = policy or Policy()
    return report(extract(texts, policy.engines), assumptions or Assumptions(), policy)


def report(extraction: Extraction, assumptions: Assumptions, policy: Policy) -> Report:
    """Judge what was extracted; exempted servers are counted, not judged. No machine is known: no two are neighbours."""
    judged = [
        server
        for server in extraction.servers
        if policy.exemption(server.subject.namespace, server.subject.name) is None
    ]
    return Report(
        node=None,
        verdicts=tuple(judge(server, None, assumptions, policy) for server in judged),
        not_redis=extraction.not_servers,
        problems=extraction.problems,
        exempt=len(extraction.servers) - len(judged),
        skipped=extraction.skipped,
    )
