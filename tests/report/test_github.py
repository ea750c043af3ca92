"""Workflow commands: nothing of a manifest can leave its own annotation."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import given, settings

from checker.facts import Unread
from checker.report import FORMATS, Report
from tests.report.sample import NO_FORK, SAFE, lint_report, node_report, reports, tokens

COMMAND = re.compile(
    r"::(?P<name>error|warning|notice) "
    r"(?:file=(?P<file>[^:,\r\n]*),line=(?P<line>\d+),(?:col=(?P<column>\d+),)?)?title=(?P<title>[^:,\r\n]*)"
    r"::(?P<message>[^\r\n]*)"
)


def render(report: Report) -> str:
    return FORMATS["github"].render(report, False, False)


def commands(report: Report) -> list[dict[str, str | None]]:
    """As the runner reads them: a line each, properties and message unescaped."""
    found = []
    for line in render(report).split("\n")[:-1]:
        match = COMMAND.fullmatch(line)
        assert match, line
        found.append({key: value and unescaped(value) for key, value in match.groupdict().items()})
    return found


def unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_golden(golden: Callable[[str, str], None]) -> None:
    golden("report_lint.github", render(lint_report()))


def test_an_annotation_is_on_the_line_to_edit() -> None:
    first = commands(lint_report())[0]
    assert (first["name"], first["file"], first["line"]) == ("error", "deploy/cache.yaml", "14")
    assert first["title"] == "bgsafe maxmemory-over-limit"
    assert (first["message"] or "").startswith("StatefulSet/shop/cache/redis (unsafe): maxmemory 600 MiB")
    assert "→ lower maxmemory to" in (first["message"] or "")


def test_a_comma_in_a_file_name_does_not_end_it() -> None:
    assert "file=deploy/more%2C or less.yaml,line=" in render(lint_report())


def test_a_process_is_in_no_file() -> None:
    found = commands(Report(None, node_report().verdicts, problems=(Unread("/proc/1/smaps", "Permission denied"),)))
    assert [each["file"] for each in found] == [None] * len(found)
    assert found[-1]["message"] == "/proc/1/smaps: Permission denied"


def test_broken_input_is_an_error_where_it_breaks() -> None:
    broken = commands(lint_report())[-2]
    assert (broken["name"], broken["file"], broken["line"], broken["column"]) == (
        "error",
        "deploy/broken.yaml",
        "7",
        "3",
    )


def test_where_all_is_well_nothing_is_said() -> None:
    assert render(Report(None, ())) == ""
    assert render(Report(None, (SAFE, NO_FORK))) == ""


def test_what_is_ignored_is_a_notice_with_its_reason() -> None:
    (ignored,) = (each for each in commands(lint_report()) if "ignored" in (each["message"] or ""))
    assert ignored["name"] == "notice"
    assert (ignored["message"] or "").endswith("(ignored: the namespace's LimitRange sets it)")


@settings(max_examples=60, deadline=None)
@given(report=reports())
def test_any_report_has_one_command_a_finding_and_problem(report: Report) -> None:
    found = commands(report)
    assert len(found) == len(tokens(report)) + len(report.problems)
    for command, token in zip(found, tokens(report), strict=False):
        assert token in (command["message"] or "")
