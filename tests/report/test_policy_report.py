"""PolicyReports: of their schema, one for each workload, with every finding."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from checker.report import FORMATS, Report
from checker.report.policy_report import LONGEST_NAME
from checker.report.results import advice
from tests.report.policy_report_schema import REPORT, closed
from tests.report.sample import lint_report, reports

SCHEMA = Draft202012Validator(closed({**REPORT, "properties": {**REPORT["properties"], "metadata": True}}))


def rendered(report: Report) -> list[dict[str, Any]]:
    said = json.loads(FORMATS["policy-report"].render(report, False, False))
    assert (said["apiVersion"], said["kind"]) == ("v1", "List")
    items: list[dict[str, Any]] = said["items"]
    return items


@settings(max_examples=30, deadline=None)
@given(report=reports())
def test_each_is_of_the_schema_and_counts_what_it_has(report: Report) -> None:
    items = rendered(report)
    for item in items:
        SCHEMA.validate(item)
        assert sum(item["summary"].values()) == len(item["results"])
    results = [result for item in items for result in item["results"]]
    findings = [finding for verdict in report.verdicts for finding in verdict.findings]
    assert sorted(each["message"] for each in results) == sorted(map(advice, findings))
    names = [(item["metadata"].get("namespace"), item["metadata"]["name"]) for item in items]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9.-]{1,253}", name) for _, name in names)


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "expected"),
    [
        pytest.param("StatefulSet", "cache", "shop", "bgsafe-statefulset-cache", id="a workload"),
        pytest.param("Pod", "a" * 300, "shop", None, id="a name too long"),
        pytest.param("Pod", "{{ .Release.Name }}", "shop", None, id="a template"),
        pytest.param("Pod", "\udcff", None, None, id="no UTF-8"),
    ],
)
def test_names_are_those_of_objects(kind: str, name: str, namespace: str | None, expected: str | None) -> None:
    verdict = lint_report().verdicts[0]
    subject = replace(verdict.server.subject, kind=kind, name=name, namespace=namespace)
    (item,) = rendered(Report(None, (replace(verdict, server=replace(verdict.server, subject=subject)),)))
    assert len(item["metadata"]["name"]) <= LONGEST_NAME
    assert item["metadata"]["name"] == (expected or item["metadata"]["name"])
    assert re.fullmatch(r"bgsafe-[0-9a-f]{16}", item["metadata"]["name"]) or expected
    assert item["kind"] == ("PolicyReport" if namespace else "ClusterPolicyReport")
    assert item["scope"]["kind"] == kind


def test_of_a_kind_that_is_not_known_no_version_is_made_up() -> None:
    verdict = lint_report().verdicts[0]
    subject = replace(verdict.server.subject, kind="RedisFailover", namespace="shop")
    (item,) = rendered(Report(None, (replace(verdict, server=replace(verdict.server, subject=subject)),)))
    assert "apiVersion" not in item["scope"]
