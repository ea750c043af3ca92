"""JSON, schema bgsafe.io/v1 (docs/schema/v1.json)."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from checker import __version__
from checker.facts import Node, Unread
from checker.model.overcommit import Fork
from checker.report.planned import Plan
from checker.report.results import Report
from checker.rules import rule_url
from checker.verdict import Estimate, Verdict

SCHEMA = "bgsafe.io/v1"


def render(report: Report) -> str:
    """One object, indented, with a final newline."""
    return json.dumps(document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The object that `render` writes."""
    plan = {} if report.plan is None else {"plan": plan_fields(report.plan)}
    return {
        "schema": SCHEMA,
        "tool": {"name": "bgsafe", "version": __version__},
        "node": None if report.node is None else node_fields(report.node),
        "subjects": [subject_fields(verdict) for verdict in report.verdicts],
        "summary": {**report.counts(), "not_redis": report.not_redis},
        "exempt": report.exempt,
        "skipped": dict(report.skipped),
        "problems": [_unread(problem) for problem in report.problems],
        **plan,
    }


def plan_fields(plan: Plan) -> dict[str, Any]:
    """What `bgsafe plan` answers."""
    return {
        "asked_for": plan.asked_for,
        "answer": plan.answer,
        "maxmemory_bytes": plan.maxmemory_bytes,
        "limit_bytes": plan.limit_bytes,
        "write_rate_per_second": plan.write_rate_per_second,
        "roomier": plan.roomier,
        "rates": [asdict(row) for row in plan.rates],
        "rules_of_thumb": [asdict(row) for row in plan.rules_of_thumb],
        "snippets": [asdict(snippet) for snippet in plan.snippets],
    }


def node_fields(node: Node) -> dict[str, Any]:
    """Facts of the machine; what is unread is null, with its reason under `unread`."""
    values: dict[str, Any] = {}
    unread = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Unread):
            unread[field.name] = str(value)
            value = None
        values[field.name] = value
    return {**values, "unread": unread}


def subject_fields(verdict: Verdict) -> dict[str, Any]:
    """One server."""
    server = verdict.server
    engine, recommendation = server.engine, verdict.recommendation
    return {
        "subject": {field.name: getattr(server.subject, field.name) for field in fields(server.subject)},
        "engine": {
            "name": engine.name,
            "version": _or_none(engine.version),
            "forks": _or_none(engine.forks),
            "fork_causes": list(verdict.fork_causes),
        },
        "verdict": verdict.grade,
        "estimate": None if verdict.estimate is None else _estimate(verdict.estimate),
        "fork": _fork(verdict.fork),
        "findings": [
            {
                "rule": finding.rule,
                "status": finding.status,
                "message": finding.message,
                "remedy": finding.remedy,
                "url": rule_url(finding.rule),
                "ignored_because": finding.ignored_because,
            }
            for finding in verdict.findings
        ],
        "recommendation": {
            "limit_bytes": recommendation.limit_bytes,
            "maxmemory_bytes": recommendation.maxmemory_bytes,
            "patch": recommendation.patch,
        },
        "unread": [_unread(part) for part in server.unread],
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    values = {field.name: getattr(estimate, field.name) for field in fields(estimate)}
    return {**values, "sources": dict(estimate.sources)}


def _fork(fork: Fork) -> dict[str, Any]:
    names = ("outcome", "overcommit_memory", "charge_bytes", "allowed_bytes", "reason")
    return {name: getattr(fork, name) for name in names}


def _unread(part: Unread) -> dict[str, Any]:
    return {"where": part.where, "why": part.why, "remedy": part.remedy or None}


def _or_none(value: Any) -> Any:
    return None if isinstance(value, Unread) else value
