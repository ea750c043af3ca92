"""The rules, in the order of reports, and `judge()`: the one way from facts to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from checker.estimate import Evidence, gather
from checker.facts import Candidate, Node, Server, Unread
from checker.policy import Assumptions, Policy
from checker.rules import (
    assumed_inputs,
    child_copies_values,
    cpu_limit_stretches_save,
    declaration_invalid,
    expected_peak_over_limit,
    fork_refused,
    group_oom_kill,
    huge_page_copies,
    lfu_copies_keys,
    limit_unset,
    maxmemory_over_limit,
    maxmemory_unset,
    memory_high_throttles,
    node_forks_together,
    overcommit_setting,
    peak_at_maxmemory,
    pids_limit,
    replica_buffer_over_limit,
    restart_loop,
    snapshot_on_memory_volume,
    worst_peak_over_limit,
)
from checker.rules.recommendation import recommend
from checker.rules.rule import Rule, rule_url
from checker.verdict import Finding, Grade, Verdict

RULES: Final[tuple[Rule, ...]] = (
    fork_refused.RULE,
    pids_limit.RULE,
    maxmemory_unset.RULE,
    maxmemory_over_limit.RULE,
    expected_peak_over_limit.RULE,
    worst_peak_over_limit.RULE,
    limit_unset.RULE,
    peak_at_maxmemory.RULE,
    group_oom_kill.RULE,
    memory_high_throttles.RULE,
    huge_page_copies.RULE,
    child_copies_values.RULE,
    lfu_copies_keys.RULE,
    cpu_limit_stretches_save.RULE,
    snapshot_on_memory_volume.RULE,
    replica_buffer_over_limit.RULE,
    restart_loop.RULE,
    node_forks_together.RULE,
    overcommit_setting.RULE,
    assumed_inputs.RULE,
    declaration_invalid.RULE,
)

__all__ = ["RULES", "Rule", "judge", "judge_all", "rule_url"]


def judge(
    server: Server,
    node: Node | None,
    assumptions: Assumptions | None = None,
    policy: Policy | None = None,
    neighbours: Sequence[Server] = (),
    *,
    landing: tuple[Candidate, ...] = (),
) -> Verdict:
    """Judge one server. `neighbours` are the other servers of the same machine, `landing` the nodes of one that runs on
    none yet."""
    assumptions, policy = assumptions or Assumptions(), policy or Policy()
    evidence = gather(server, node, assumptions, policy, landing=landing)
    others = tuple(gather(other, node, assumptions, policy) for other in neighbours)
    return _judged(replace(evidence, neighbours=others) if others else evidence)


def judge_all(
    servers: Sequence[Server], node: Node | None, assumptions: Assumptions | None = None, policy: Policy | None = None
) -> tuple[Verdict, ...]:
    """Judge the servers of one machine, each beside the others."""
    gathered = [gather(server, node, assumptions or Assumptions(), policy or Policy()) for server in servers]
    return tuple(
        _judged(replace(each, neighbours=tuple(other for other in gathered if other is not each))) for each in gathered
    )


def _judged(evidence: Evidence) -> Verdict:
    answers = [(rule, finding) for rule in RULES if (finding := rule.check(evidence)) is not None]
    findings = [(rule, _ignored(finding, evidence.server)) for rule, finding in answers]
    grade = _grade(findings)
    if grade == "safe" and _grade(answers) in ("unsafe", "unknown"):
        grade = "risky"  # a reason to ignore it explains a danger, and does not remove it
    numbers = evidence.numbers
    return Verdict(
        server=evidence.server,
        grade=grade,
        fork_causes=evidence.causes,
        estimate=None if isinstance(numbers, Unread) else numbers.estimate,
        fork=evidence.fork,
        findings=tuple(finding for _, finding in findings),
        recommendation=recommend(evidence, grade),
        save=None if isinstance(numbers, Unread) else numbers.save,
    )


def _ignored(finding: Finding, server: Server) -> Finding:
    reason = server.declared.ignores.get(finding.rule)
    if reason is None or finding.status == "pass":
        return finding
    return replace(finding, status="ignored", ignored_because=reason)


def _grade(findings: Sequence[tuple[Rule, Finding]]) -> Grade:
    """Unsafe before unknown before risky before safe; where it is not known whether it forks, it was judged as if."""
    if any(finding.status == "fail" for _, finding in findings):
        return "unsafe"
    deciding = {finding.status for rule, finding in findings if rule.decides}
    if "unknown" in deciding:
        return "unknown"
    return "risky" if "warn" in deciding else "safe"
