"""Text: a block for a process, and for servers in files a layout in which a hundred can be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings

from checker.facts import Unread
from checker.report import FORMATS, Report
from checker.rules import judge
from tests.build import a_config, a_manifest
from tests.report.sample import lint_report, node_report, reports, servers, tokens


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
    report = lint_report()
    mixed = (report.verdicts[0], report.verdicts[3], report.verdicts[1], report.verdicts[4])
    files = [line.partition(":")[0] for line in headlines(render(replace(report, verdicts=mixed)))]
    assert files == ["deploy/cache.yaml"] * 2 + ["deploy/more, or less.yaml"] * 2


def test_a_safe_server_is_one_line() -> None:
    safe = [verdict for verdict in lint_report().verdicts if verdict.grade == "safe"]
    text = render(Report(None, tuple(safe[:1])))
    assert len(text.split("\n\n")[0].splitlines()) == 1
    assert "  SAFE  even the worst case of" in text


def test_what_is_ignored_stays_in_sight_of_a_safe_server() -> None:
    (known,) = (verdict for verdict in lint_report().verdicts if verdict.server.subject.name == "known")
    assert known.grade == "safe"
    assert "      ignored: the namespace's LimitRange sets it\n" in render(Report(None, (known,)))


def test_a_server_that_is_safe_because_findings_are_ignored_is_not_said_never_to_fork() -> None:
    (known,) = (verdict for verdict in lint_report().verdicts if verdict.server.subject.name == "known")
    assert known.fork_causes
    assert "SAFE  nothing else is wrong, with limit-unset ignored" in render(Report(None, (known,)))


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        pytest.param("sessions", r"[1-3],\d{3} writes/s", id="up to a rate"),
        pytest.param("cache", "0 writes/s", id="none"),
        pytest.param("far", "limit not known", id="the limit is unread"),
    ],
)
def test_the_write_budget_stands_beside_the_assumed_rate(name: str, budget: str) -> None:
    (verdict,) = (verdict for verdict in lint_report().verdicts if verdict.server.subject.name == name)
    assert re.search(rf"write rate .*; budget: {budget}$", render(Report(None, (verdict,))), re.MULTILINE)


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
    server = replace(servers()[4], unread=(Unread("ConfigMap x", "is not in the input", "give its file too"),))
    text = render(Report(None, (judge(server, None),)))
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
    lines = render(lint_report(), quiet=True).splitlines()
    assert len(lines) == 6
    assert headlines("\n".join(lines)) == lines


@pytest.mark.parametrize("report", [lint_report(), node_report()], ids=["manifests", "processes"])
def test_colour_adds_nothing_but_colour(report: Report) -> None:
    coloured = render(report, colour=True)
    assert "\x1b[1;3" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == render(report)


def test_the_reason_of_a_risky_server_is_a_rule_that_decides() -> None:
    """The CPU limit's warning comes first in the order of rules, but only informs."""
    config = a_config(replica_output_buffer_limit=0, replicas_possible=True)
    verdict = judge(a_manifest(config=config, cpu_limit_cores=0.5), None)
    assert verdict.grade == "risky"
    warned = [finding.rule for finding in verdict.findings if finding.status == "warn"]
    assert warned[0] == "cpu-limit-stretches-save"
    headline = render(Report(None, (verdict,)), quiet=True)
    assert "the CPU limit" not in headline


@settings(max_examples=60, deadline=None)
@given(report=reports())
def test_any_report_has_each_finding_once(report: Report) -> None:
    text = render(report)
    written = [verdict for verdict in report.verdicts if verdict.server.subject.file is not None]
    for token in tokens(replace(report, verdicts=tuple(written))):
        assert text.count(token) == 1
    for token in tokens(report):
        assert token in text
