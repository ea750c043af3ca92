"""All formats alike: pure, complete, encodable, fast."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from checker.report import FORMATS, Report
from checker.report.results import advice, level
from checker.rules import RULES
from checker.verdict import Finding, Status
from tests.report.sample import lint_report, node_report, reports, tokens

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/v1.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15, deadline=None)
@given(report=reports())
def test_any_report_can_be_encoded_and_is_the_same_twice(name: str, report: Report) -> None:
    rendered = FORMATS[name].render(report, False, False)
    rendered.encode("utf-8")
    assert rendered == FORMATS[name].render(report, False, False)
    assert rendered == "" or rendered.endswith("\n")


@settings(max_examples=30, deadline=None)
@given(report=reports())
def test_json_has_each_finding_once_and_is_valid(report: Report) -> None:
    document = json.loads(FORMATS["json"].render(report, False, False))
    Draft202012Validator(SCHEMA).validate(document)
    found = [finding for subject in document["subjects"] for finding in subject["findings"]]
    assert [each["message"][-5:] for each in found if each["status"] != "pass"] == tokens(report)


def test_json_says_what_was_left_out() -> None:
    document = json.loads(FORMATS["json"].render(lint_report(), False, False))
    assert (document["exempt"], document["skipped"]) == (1, {"Service": 2, "Ingress": 1})
    assert document["summary"]["not_redis"] == 2
    assert (document["subjects"][0]["subject"]["file"], document["subjects"][0]["subject"]["line"]) == (
        "deploy/cache.yaml",
        12,
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("report", [lint_report(), node_report()], ids=["manifests", "processes"])
def test_two_thousand_servers_take_less_than_a_second(name: str, report: Report) -> None:
    many = replace(report, verdicts=(report.verdicts * 2000)[:2000])
    begun = process_time()
    FORMATS[name].render(many, False, False)
    assert process_time() - begun < 1.0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_fail_is_an_error_and_the_rest_weighs_what_its_rule_weighs(rule) -> None:
    weight = "warning" if rule.decides else "note"
    assert level(Finding(rule.id, "fail", "")) == "error"
    assert level(Finding(rule.id, "warn", "")) == weight
    assert level(Finding(rule.id, "unknown", "")) == weight
    assert level(Finding(rule.id, "ignored", "")) == "note"
    assert level(Finding(rule.id, "pass", "")) == "note"


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        pytest.param(Finding("r", "fail", "it is so", "do this"), "it is so → do this", id="with a remedy"),
        pytest.param(Finding("r", "fail", "it is so"), "it is so", id="without"),
        pytest.param(
            Finding("r", "ignored", "it is so", "do this", "we know"), "it is so (ignored: we know)", id="ignored"
        ),
    ],
)
def test_advice_is_one_line(finding: Finding, text: str) -> None:
    assert advice(finding) == text


# --- docs/formats.md -------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")


def test_the_page_lists_the_formats_in_their_order() -> None:
    assert re.findall(r"^\| `([\w-]+)` \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE) == list(FORMATS)


@pytest.mark.parametrize("decides", [True, False], ids=["decides", "informs"])
@pytest.mark.parametrize("status", ["fail", "warn", "unknown", "ignored"])
def test_the_page_names_the_level_that_a_finding_has(status: Status, decides: bool) -> None:
    rule = next(rule for rule in RULES if rule.decides is decides)
    of = f" of a rule that {'decides' if decides else 'informs'}" if status in ("warn", "unknown") else ".*?"
    assert re.search(rf"^\| `{status}`{of} \| .*? \| `{level(Finding(rule.id, status, ''))}`", PAGE, re.MULTILINE)
