"""PolicyReports (wgpolicyk8s.io/v1alpha2), as JSON: for what shows them in a cluster. One for each workload.

A namespace's findings in one report would outgrow what etcd takes (1.5 MB) with a hundred servers. Format:
kubernetes-sigs/wg-policy-prototypes, policy-report/pkg/api/wgpolicyk8s.io/v1alpha2. `unknown` is its `error`: the
policy could not be evaluated.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from hashlib import sha256
from typing import Any, Final

from checker.report.results import Report, advice, level
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

API_VERSIONS: Final = {
    "StatefulSet": "apps/v1",
    "Deployment": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "ReplicationController": "v1",
    "Pod": "v1",
}
"""Of the others, it is not known here."""

LONGEST_NAME: Final = 253
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
"""Of an object (RFC 1123 subdomain, as Kubernetes bounds it)."""

CLUSTER_WIDE: Final = ""
"""Namespace of what has none: a ClusterPolicyReport."""


Workload = tuple[str, str, str]
"""Namespace, kind and name."""


def render(report: Report) -> str:
    """A List, which `kubectl apply -f -` takes."""
    results: dict[Workload, list[dict[str, Any]]] = {}
    for verdict in report.verdicts:
        subject = verdict.server.subject
        workload = (subject.namespace or CLUSTER_WIDE, subject.kind or "", subject.name)
        results.setdefault(workload, []).extend(_result(verdict, finding) for finding in verdict.findings)
    items = [_report(workload, results[workload]) for workload in sorted(results)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2, ensure_ascii=False) + "\n"


def _report(workload: Workload, results: list[dict[str, Any]]) -> dict[str, Any]:
    namespace = workload[0]
    count = Counter(result["result"] for result in results)
    metadata = {"name": _name(workload), "labels": {"app.kubernetes.io/managed-by": "bgsafe"}}
    return {
        "apiVersion": API_VERSION,
        "kind": "PolicyReport" if namespace else "ClusterPolicyReport",
        "metadata": {**metadata, "namespace": namespace} if namespace else metadata,
        "scope": _reference(workload),
        "summary": {name: count[name] for name in ("pass", "fail", "warn", "error", "skip")},
        "results": results,
    }


def _name(workload: Workload) -> str:
    """`bgsafe-statefulset-cache`; what is no name of an object, or too long for one, gets a hash in its place."""
    _, kind, name = workload
    said = "-".join(("bgsafe", *(part.lower() for part in (kind, name) if part)))
    if len(said) <= LONGEST_NAME and _NAME.fullmatch(said):
        return said
    return f"bgsafe-{sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _reference(workload: Workload) -> dict[str, str]:
    namespace, kind, name = workload
    said = {"apiVersion": API_VERSIONS.get(kind, ""), "kind": kind, "namespace": namespace, "name": name}
    return {field: value for field, value in said.items() if value}


def _result(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    properties = {"container": verdict.server.subject.container, "verdict": verdict.grade}
    return {
        "source": "bgsafe",
        "policy": finding.rule,
        "category": "Redis persistence",
        "result": RESULTS[finding.status],
        "severity": SEVERITIES[level(finding)],
        "scored": True,
        "message": advice(finding),
        "properties": {
            **{name: value for name, value in properties.items() if value is not None},
            "url": rule_url(finding.rule),
        },
    }
