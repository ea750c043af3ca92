"""Text: a block for a process, and for servers in files a layout in which a hundred can be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings

from checker.facts import Unread
from checker.report import FORMATS, Report
from checker.verdict import Estimate, Finding, Verdict
from tests.report.sample import (
    IGNORED,
    NO_FORK,
    REASON,
    RISKY,
    SAFE,
    UNKNOWN,
    UNSAFE,
    lint_report,
    node_report,
    reports,
    tokens,
)


def render(report: Report, *, colour: bool = False, quiet: bool = False) -> str:
    return FORMATS["text"].render(report, colour, quiet)


def test_golden(golden: Callable[[str, str], None]) -> None:
    golden("report_lint.txt", render(lint_report()))


def headlines(text: str) -> list[str]:
    return re.findall(r"^deploy/.*$", text, re.MULTILINE)


def test_a_server_in_a_file_begins_with_its_place_name_and_verdict() -> None:
    first, *_ = render(lint_report()).splitlines()
    assert first.startswith("deploy/cache.yaml:12  StatefulSet/shop/cache/redis  UNSAFE  maxmemory 600 MiB")


def test_servers_stand_with_their_file_wherever_it_came() -> None:
    mixed = render(Report(None, (UNSAFE, NO_FORK, RISKY, UNKNOWN)))
    files = [line.partition(":")[0] for line in headlines(mixed)]
    assert files == ["deploy/cache.yaml"] * 2 + ["deploy/more, or less.yaml"] * 2


def test_a_safe_server_is_one_line() -> None:
    text = render(Report(None, (SAFE,)))
    assert len(text.split("\n\n")[0].splitlines()) == 1
    assert "  SAFE  even the worst case of" in text


def test_what_is_ignored_stays_in_sight_of_a_safe_server() -> None:
    assert f"      ignored: {REASON}\n" in render(Report(None, (IGNORED,)))


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        pytest.param(UNSAFE, "maxmemory 600 MiB × fragmentation 1.1", id="unsafe: what failed first"),
        pytest.param(RISKY, "it holds up to 3,023 writes/s", id="risky: what warned"),
        pytest.param(UNKNOWN, "the memory limit is not known", id="unknown: what is not known"),
        pytest.param(SAFE, "even the worst case of 1.29 GiB fits the limit of 4.00 GiB", id="safe: it fits"),
        pytest.param(NO_FORK, "nothing makes this server fork", id="safe: no fork"),
        pytest.param(IGNORED, "nothing else is wrong, with limit-unset ignored", id="safe: what is wrong is ignored"),
        pytest.param(
            replace(IGNORED, grade="risky", estimate=SAFE.estimate),
            "nothing else is wrong, with limit-unset ignored",
            id="risky: a danger is ignored",
        ),
    ],
)
def test_the_headline_says_why(verdict: Verdict, reason: str) -> None:
    headline = render(Report(None, (verdict,)), quiet=True)
    assert f"  {verdict.grade.upper()}  {reason}" in headline


def test_a_rule_that_only_informs_is_no_reason() -> None:
    first = Finding("cpu-limit-stretches-save", "warn", "a CPU limit of 0.5 cores")
    verdict = replace(RISKY, findings=(first, *RISKY.findings))
    assert "RISKY  it holds up to 3,023 writes/s" in render(Report(None, (verdict,)), quiet=True)


@pytest.mark.parametrize(
    ("estimate", "budget"),
    [
        pytest.param(RISKY.estimate, "3,023 writes/s", id="up to a rate"),
        pytest.param(UNSAFE.estimate, "0 writes/s", id="none"),
        pytest.param(SAFE.estimate, "any rate fits", id="any"),
        pytest.param(IGNORED.estimate, "no limit to fit", id="there is no limit"),
        pytest.param(UNKNOWN.estimate, "limit not known", id="the limit is unread"),
    ],
)
def test_the_write_budget_stands_beside_the_assumed_rate(estimate: Estimate, budget: str) -> None:
    text = render(Report(None, (replace(RISKY, estimate=estimate),)))
    assert re.search(rf"write rate .*: nothing was measured; budget: {budget}$", text, re.MULTILINE)


def test_a_finding_names_the_line_to_edit_and_what_to_do() -> None:
    text = render(lint_report())
    assert "\n  ✗ expected-peak-over-limit, line 22: at 1,000 writes/s" in text
    assert "\n      → raise resources.limits.memory to " in text


def test_what_the_headline_said_is_not_said_again() -> None:
    text = render(lint_report())
    said = "600 MiB × fragmentation 1.1 = 660 MiB reaches the limit of 500 MiB"
    assert text.count(said) == 1
    assert "\n  ✗ maxmemory-over-limit, line 14\n      → " in text


def test_the_numbers_say_what_they_rest_on() -> None:
    text = render(lint_report())
    assert "resources.limits.memory\n" in text
    assert "1,000 writes/s: policy (built-in defaults): nothing was measured" in text
    assert re.search(r"save time +\d+\.\d s: .* at 80\.0 MiB/s, policy \(built-in defaults\)", text)


def test_passes_are_left_out_of_files_and_shown_of_processes() -> None:
    assert "✓" not in render(lint_report())
    assert "  ✓ pids-limit: " in render(node_report())


def test_unread_facts_are_named() -> None:
    server = replace(UNKNOWN.server, unread=(Unread("ConfigMap x", "is not in the input", "give its file too"),))
    text = render(Report(None, (replace(UNKNOWN, server=server),)))
    assert "  ? unread: ConfigMap x: is not in the input (give its file too)\n" in text


def test_problems_and_the_summary_come_last() -> None:
    broken, secret, empty, summary = render(lint_report()).splitlines()[-4:]
    assert broken.startswith("? deploy/broken.yaml line 7 column 3: broken YAML")
    assert secret.startswith("? deploy/secret.yaml: Permission denied")
    assert empty == ""
    assert summary == (
        "6 servers: 3 safe, 1 risky, 1 unsafe, 1 unknown; 2 other Redis programs left out; "
        "1 exempt by the policy; 3 objects of other kinds"
    )


def test_quiet_is_one_line_a_server() -> None:
    report = lint_report()
    lines = render(report, quiet=True).splitlines()
    servers, problems = lines[:6], lines[6:]
    assert headlines("\n".join(servers)) == servers
    assert len(problems) == len(report.problems)
    assert all(line.startswith("? ") for line in problems)


@pytest.mark.parametrize("report", [lint_report(), node_report()], ids=["manifests", "processes"])
def test_colour_adds_nothing_but_colour(report: Report) -> None:
    coloured = render(report, colour=True)
    assert "\x1b[1;3" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == render(report)


@settings(max_examples=60, deadline=None)
@given(report=reports())
def test_any_report_has_each_finding_once(report: Report) -> None:
    text = render(report)
    written = [verdict for verdict in report.verdicts if verdict.server.subject.file is not None]
    for token in tokens(replace(report, verdicts=tuple(written))):
        assert text.count(token) == 1
    for token in tokens(report):
        assert token in text
