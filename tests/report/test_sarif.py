"""SARIF 2.1.0: valid by the official schema, and what code scanning makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft7Validator

from checker import __version__
from checker.report import FORMATS, Report
from checker.report.sarif import artifact_location
from checker.rules import RULES
from tests.report.official import sarif_schema
from tests.report.sample import REASON, UNSAFE, lint_report, node_report, reports, tokens


def log(report: Report) -> dict[str, Any]:
    parsed = json.loads(FORMATS["sarif"].render(report, False, False))
    assert isinstance(parsed, dict)
    return parsed


def results(report: Report) -> list[dict[str, Any]]:
    found = log(report)["runs"][0]["results"]
    assert isinstance(found, list)
    return found


def result_of(report: Report, rule: str, name: str) -> dict[str, Any]:
    (found,) = (
        each
        for each in results(report)
        if each["ruleId"] == rule and f"/{name}/" in each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    )
    return found


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    Draft7Validator.check_schema(sarif_schema())
    return Draft7Validator(sarif_schema())


# --- the schema ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(lint_report(), id="manifests"),
        pytest.param(node_report(), id="processes"),
        pytest.param(Report(None, ()), id="nothing"),
    ],
)
def test_reports_are_valid_by_the_official_schema(report: Report, validator: Draft7Validator) -> None:
    validator.validate(log(report))


def test_the_official_schema_does_reject(validator: Draft7Validator) -> None:
    wrong = log(lint_report())
    wrong["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator.is_valid(wrong)
    wrong = log(lint_report())
    wrong["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert not validator.is_valid(wrong)


@settings(max_examples=25, deadline=None)
@given(report=reports())
def test_any_report_is_valid_and_has_each_finding_once(report: Report) -> None:
    document = log(report)
    run = document["runs"][0]
    Draft7Validator(sarif_schema()).validate({**document, "runs": [{**run, "tool": {"driver": {"name": "bgsafe"}}}]})
    assert [re.findall(r"<\d\.\d>", result["message"]["text"]) for result in run["results"]] == [
        [token] for token in tokens(report)
    ]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_golden(golden: Callable[[str, str], None]) -> None:
    document = log(lint_report())
    driver = document["runs"][0]["tool"]["driver"]
    driver["version"] = "VERSION"
    driver["rules"] = [{**rule, "help": "docs/rules.md"} for rule in driver["rules"][:1]]
    golden("report_lint.sarif", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


# --- the tool --------------------------------------------------------------------------------------------------------


def test_every_rule_says_what_it_asks_and_where_to_read_on() -> None:
    driver = log(Report(None, ()))["runs"][0]["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("bgsafe", __version__)
    assert [rule["id"] for rule in driver["rules"]] == [rule.id for rule in RULES]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"].endswith("?")
        assert rule["helpUri"].endswith(f"#{rule['id']}")
        assert rule["help"]["markdown"].startswith(rule["id"])
    names = {rule["id"]: rule["name"] for rule in driver["rules"]}
    assert names["fork-refused"] == "ForkRefused"
    levels = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in driver["rules"]}
    assert (levels["limit-unset"], levels["group-oom-kill"]) == ("warning", "note")


# --- results ---------------------------------------------------------------------------------------------------------


def test_levels_are_what_a_finding_does_to_the_verdict() -> None:
    report = lint_report()
    assert result_of(report, "expected-peak-over-limit", "cache")["level"] == "error"
    assert result_of(report, "worst-peak-over-limit", "sessions")["level"] == "warning"
    assert result_of(report, "expected-peak-over-limit", "far")["level"] == "warning"
    assert result_of(report, "cpu-limit-stretches-save", "cache")["level"] == "note"


def test_a_result_is_on_the_line_of_the_field_to_edit() -> None:
    report = lint_report()
    physical = result_of(report, "maxmemory-over-limit", "cache")["locations"][0]["physicalLocation"]
    assert physical["region"] == {"startLine": 14}
    assert physical["artifactLocation"] == {"uri": "deploy/cache.yaml", "uriBaseId": "%SRCROOT%"}


def test_a_process_has_a_name_and_no_file() -> None:
    server = replace(UNSAFE.server, subject=node_report().verdicts[0].server.subject, lines={})
    (location,) = results(Report(None, (replace(UNSAFE, server=server),)))[0]["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "redis-server :6379 (pid 4711)"
    assert "physicalLocation" not in location


def test_only_what_is_ignored_is_suppressed_with_its_reason() -> None:
    report = lint_report()
    ignored = result_of(report, "limit-unset", "known")
    assert ignored["suppressions"] == [{"kind": "inSource", "justification": REASON}]
    assert [each["ruleId"] for each in results(report) if each["suppressions"]] == ["limit-unset"]
    assert all("suppressions" in each for each in results(report))


def fingerprint(**changed: Any) -> str:
    """Of the first finding on UNSAFE, with another subject."""
    server = replace(UNSAFE.server, subject=replace(UNSAFE.server.subject, **changed), lines={})
    (first, *_) = results(Report(None, (replace(UNSAFE, server=server),)))
    found = first["partialFingerprints"]["ruleAndServer/v1"]
    assert isinstance(found, str)
    return found


def test_fingerprints_do_not_move_with_the_lines() -> None:
    (first, *_) = results(lint_report())
    assert first["partialFingerprints"]["ruleAndServer/v1"] == fingerprint(line=99)
    assert fingerprint(pid=1) == fingerprint(pid=2)


@pytest.mark.parametrize("field", ["file", "kind", "namespace", "name", "container"])
def test_fingerprints_tell_servers_apart(field: str) -> None:
    assert fingerprint(**{field: "other"}) != fingerprint()


def test_fingerprints_tell_rules_apart() -> None:
    found = [each["partialFingerprints"]["ruleAndServer/v1"] for each in results(lint_report())]
    assert len(set(found)) == len(found)


def test_braces_of_a_message_are_no_placeholders() -> None:
    text = result_of(lint_report(), "expected-peak-over-limit", "far")["message"]["text"]
    assert "{{lots}}" in text


# --- what could not be read ------------------------------------------------------------------------------------------


def test_unread_input_is_a_notification_and_no_success() -> None:
    (invocation,) = log(lint_report())["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    broken, secret = invocation["toolExecutionNotifications"]
    assert broken["level"] == "error"
    assert broken["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "deploy/broken.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7, "startColumn": 3},
    }
    assert secret["message"]["text"].startswith("deploy/secret.yaml: Permission denied")
    assert "locations" not in secret


def test_a_run_that_read_everything_is_a_success() -> None:
    (invocation,) = log(replace(lint_report(), problems=()))["runs"][0]["invocations"]
    assert invocation == {"executionSuccessful": True, "toolExecutionNotifications": []}


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        pytest.param("deploy/cache.yaml", "deploy/cache.yaml", id="plain"),
        pytest.param("./deploy//cache.yaml", "deploy/cache.yaml", id="as the shell completes it"),
        pytest.param("a b/50%.yaml", "a%20b/50%25.yaml", id="space and per cent"),
        pytest.param("a:b#c?.yaml", "a%3Ab%23c%3F.yaml", id="what would be a scheme, a fragment, a query"),
        pytest.param("größe.yaml", "gr%C3%B6%C3%9Fe.yaml", id="not ASCII"),
        pytest.param("\udcff.yaml", "%FF.yaml", id="not UTF-8"),
        pytest.param("<stdin>", "%3Cstdin%3E", id="standard input"),
    ],
)
def test_a_path_is_a_relative_uri(file: str, uri: str) -> None:
    assert artifact_location(file) == {"uri": uri, "uriBaseId": "%SRCROOT%"}


def test_an_absolute_path_is_a_file_uri() -> None:
    assert artifact_location("/srv/a b.yaml") == {"uri": "file:///srv/a%20b.yaml"}
