"""`bgsafe cluster`: what a cluster runs → a report. `reading` asks the API server; all else here is pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from checker.facts import Candidate, Unread
from checker.manifests.placement import landing
from checker.policy import Assumptions, Policy
from checker.report.results import Report
from checker.rules import judge
from checker.survey.observed import Observed, Where, with_observed
from checker.survey.owners import Found, resolve
from checker.survey.reading import Reading
from checker.verdict import Verdict

_WORST_FIRST: Final = ("unsafe", "unknown", "risky", "safe")


def judged(
    reading: Reading,
    assumptions: Assumptions,
    policy: Policy,
    observed: Mapping[Where, Observed] | None = None,
    hours: int = 0,
) -> Report:
    """Judge every server once, the worst first; `observed` is what was measured of them in the last `hours`."""
    found, not_redis = resolve(reading.seen, reading.operated)
    counted = [
        each for each in found if policy.exemption(each.server.subject.namespace, each.server.subject.name) is None
    ]
    verdicts = [
        judge(
            with_observed(each, observed, hours) if observed else each.server,
            None,
            assumptions,
            policy,
            landing=_nodes(each, reading),
        )
        for each in counted
    ]
    return Report(
        node=None,
        verdicts=tuple(sorted(verdicts, key=_badness)),
        not_redis=not_redis,
        problems=tuple(reading.problems),
        exempt=len(found) - len(counted),
    )


def _nodes(found: Found, reading: Reading) -> tuple[Candidate, ...]:
    """Where it runs; where it runs nowhere, where it may be put. () where no agent tells of any node."""
    names = {pod.node for pod in found.pods if pod.node} if reading.facts else ()
    silent = Unread("facts of the node", "no agent published any", "run the agent there")
    if names:
        return tuple(Candidate(name, reading.facts.get(name, silent), runs=True) for name in sorted(names))
    constraints = found.by.constraints  # of an operator's resource, only the operator knows where its pods may go
    return () if constraints is None else landing(reading.fleet, constraints, daemon=found.by.daemon)


def _badness(verdict: Verdict) -> tuple[int, float, tuple[str, ...]]:
    """By verdict, then by what is missing below the limit in the expected case, then by name."""
    estimate, subject = verdict.estimate, verdict.server.subject
    headroom = None if estimate is None else estimate.headroom_expected_bytes
    name = (subject.namespace or "", subject.name, subject.kind or "", subject.container or "")
    return _WORST_FIRST.index(verdict.grade), float("inf") if headroom is None else headroom, name
