"""PolicyReports (wgpolicyk8s.io/v1alpha2), as JSON: for what shows them in a cluster. One for each namespace.

Format: kubernetes-sigs/wg-policy-prototypes, policy-report/pkg/api/wgpolicyk8s.io/v1alpha2. `unknown` is its `error`:
the policy could not be evaluated.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

from checker.report.results import Report, level
from checker.rules import rule_url
from checker.verdict import Finding, Status, Verdict

API_VERSION: Final = "wgpolicyk8s.io/v1alpha2"

RESULTS: Final[dict[Status, str]] = {
    "pass": "pass",
    "warn": "warn",
    "fail": "fail",
    "unknown": "error",
    "ignored": "skip",
}

SEVERITIES: Final = {"error": "high", "warning": "medium", "note": "info"}

API_GROUPS: Final = {
    "StatefulSet": "apps/v1",
    "Deployment": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "Pod": "v1",
}

CLUSTER_WIDE: Final = ""
"""Namespace of what has none: a ClusterPolicyReport."""


def render(report: Report) -> str:
    """A List, which `kubectl apply -f -` takes."""
    by_namespace: dict[str, list[dict[str, Any]]] = {}
    for verdict in report.verdicts:
        results = [_result(verdict, finding) for finding in verdict.findings]
        by_namespace.setdefault(verdict.server.subject.namespace or CLUSTER_WIDE, []).extend(results)
    items = [_report(namespace, results) for namespace, results in sorted(by_namespace.items())]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2, ensure_ascii=False) + "\n"


def _report(namespace: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    count = Counter(result["result"] for result in results)
    metadata = {"name": "bgsafe", "labels": {"app.kubernetes.io/managed-by": "bgsafe"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "PolicyReport" if namespace else "ClusterPolicyReport",
        "metadata": {**metadata, "namespace": namespace} if namespace else metadata,
        "summary": {name: count[name] for name in ("pass", "fail", "warn", "error", "skip")},
        "results": results,
    }


def _result(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    subject = verdict.server.subject
    said = finding.message if finding.remedy is None else f"{finding.message} → {finding.remedy}"
    resource = {
        "apiVersion": API_GROUPS.get(subject.kind or "", "v1"),
        "kind": subject.kind or "Pod",
        "name": subject.name,
        **({"namespace": subject.namespace} if subject.namespace else {}),
    }
    properties = {"container": subject.container, "verdict": verdict.grade, "url": rule_url(finding.rule)}
    return {
        "source": "bgsafe",
        "policy": finding.rule,
        "category": "Redis persistence",
        "result": RESULTS[finding.status],
        "severity": SEVERITIES[level(finding)],
        "scored": True,
        "message": said,
        "resources": [resource],
        "properties": {name: value for name, value in properties.items() if value is not None},
    }
