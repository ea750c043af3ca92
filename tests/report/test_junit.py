"""JUnit XML: always well-formed, its counts right, and red exactly where a server is unsafe."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings

from checker.facts import Unread
from checker.report import FORMATS, Report
from tests.report.sample import lint_report, node_report, reports


def parsed(report: Report) -> ET.Element:
    return ET.fromstring(FORMATS["junit"].render(report, False, False).encode())


def case(report: Report, classname: str, name: str) -> ET.Element:
    (found,) = (
        each
        for each in parsed(report).iter("testcase")
        if (each.get("classname"), each.get("name")) == (classname, name)
    )
    return found


def test_golden(golden: Callable[[str, str], None]) -> None:
    golden("report_lint.xml", FORMATS["junit"].render(lint_report(), False, False))


def test_a_suite_is_a_file_and_a_case_a_server_and_rule() -> None:
    root = parsed(lint_report())
    assert [suite.get("name") for suite in root] == [
        "deploy/cache.yaml",
        "deploy/more, or less.yaml",
        "deploy/broken.yaml",
        "deploy/secret.yaml",
    ]
    found = case(lint_report(), "StatefulSet/shop/cache/redis", "maxmemory-over-limit")
    assert (found.get("file"), found.get("line")) == ("deploy/cache.yaml", "14")


def test_processes_are_one_suite() -> None:
    root = parsed(node_report())
    assert [suite.get("name") for suite in root] == ["process"]
    assert {each.get("classname") for each in root.iter("testcase")} == {
        "redis-server :6379 (pid 4711)",
        "redis-server :6380 (pid 4712)",
    }


def test_a_failure_says_what_to_do() -> None:
    failure = case(lint_report(), "StatefulSet/shop/cache/redis", "expected-peak-over-limit").find("failure")
    assert failure is not None
    assert "over the limit of 500 MiB" in (failure.get("message") or "")
    assert "→ raise resources.limits.memory" in (failure.text or "")


@pytest.mark.parametrize(
    ("name", "rule", "begins"),
    [
        pytest.param("far", "expected-peak-over-limit", "unknown: the memory limit is not known", id="not known"),
        pytest.param("known", "limit-unset", "ignored: there is no memory limit", id="ignored"),
    ],
)
def test_what_is_not_known_and_what_is_ignored_is_skipped(name: str, rule: str, begins: str) -> None:
    skipped = case(lint_report(), f"StatefulSet/shop/{name}/redis", rule).find("skipped")
    assert skipped is not None
    assert (skipped.get("message") or "").startswith(begins)


def test_a_warning_passes_with_its_text() -> None:
    found = case(lint_report(), "StatefulSet/shop/sessions/redis", "worst-peak-over-limit")
    assert [child.tag for child in found] == ["system-out"]
    assert "it holds up to" in (found[0].text or "")


def test_input_that_could_not_be_read_is_an_error() -> None:
    errors = [error.text for error in parsed(lint_report()).iter("error")]
    assert errors == [str(problem) for problem in lint_report().problems]


@pytest.mark.parametrize(
    ("why", "text"),
    [
        pytest.param("a\x1b[31m", "a\\x1b[31m", id="a control character"),
        pytest.param("a\x00b", "a\\x00b", id="NUL"),
        pytest.param("\ufffe\udcff", "\\ufffe\\udcff", id="a noncharacter and a surrogate"),
        pytest.param("]]><&\"'", "]]><&\"'", id="markup"),
        pytest.param(" a\r\n\tb ", " a\r\n\tb ", id="white space"),
        pytest.param("größer 😀", "größer 😀", id="not ASCII"),
    ],
)
def test_any_text_arrives(why: str, text: str) -> None:
    (error,) = parsed(Report(None, (), problems=(Unread("x", why),))).iter("error")
    assert error.get("message") == text
    assert error.text == f"x: {text}"


@settings(max_examples=60, deadline=None)
@given(report=reports())
def test_any_report_is_well_formed_and_its_counts_are_right(report: Report) -> None:
    root = parsed(report)
    findings = [finding for verdict in report.verdicts for finding in verdict.findings]
    cases = list(root.iter("testcase"))
    assert len(cases) == len(findings) + len(report.problems)
    for element in (root, *root):
        inside = list(element.iter("testcase"))
        outcomes = Counter(child.tag for each in inside for child in each)
        assert {
            "tests": str(len(inside)),
            "failures": str(outcomes["failure"]),
            "errors": str(outcomes["error"]),
            "skipped": str(outcomes["skipped"]),
        }.items() <= element.attrib.items()
    status = Counter(finding.status for finding in findings)
    assert root.get("failures") == str(status["fail"])
    assert root.get("skipped") == str(status["unknown"] + status["ignored"])
    assert root.get("errors") == str(len(report.problems))


@settings(max_examples=60, deadline=None)
@given(report=reports())
def test_each_finding_that_is_not_a_pass_has_one_case_with_its_text(report: Report) -> None:
    told = [ET.tostring(each, "unicode") for each in parsed(report).iter("testcase") if len(each)]
    found = [token for text in told for token in set(re.findall(r"&lt;(\d\.\d)&gt;", text))]
    assert sorted(found) == sorted(finding.message[-4:-1] for _, finding in report.notable())
