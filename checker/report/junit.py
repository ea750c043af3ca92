"""JUnit XML for the test views of CI systems: a suite a file, a case for each server and rule.

A failure is what makes a server unsafe, which is what `--fail-on unsafe` exits with 1 for. What could not be told, and
what is ignored, is skipped: seen, and not green. A warning passes with its text as output. An input that could not be
read is an error. Source: GitLab documentation, "Unit test reports", and Jenkins' JUnit plugin, whose elements and
attributes are used; `file` and `line` of a case as pytest writes them (junit_family=xunit1).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from checker.facts import Unread
from checker.report.places import finding_place, full_name, problem_place
from checker.report.results import Report, advice
from checker.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class _Case:
    xml: str
    outcome: str  # failure | error | skipped | pass


def render(report: Report) -> str:
    """The document; counts are those of the cases in it."""
    suites: dict[str, list[_Case]] = {}
    for verdict in report.verdicts:
        subject = verdict.server.subject
        cases = suites.setdefault(subject.file or subject.source, [])
        cases += [_finding_case(verdict, finding) for finding in verdict.findings]
    for problem in report.problems:
        place = problem_place(problem)
        suites.setdefault(problem.where if place is None else place.file, []).append(_problem_case(problem))
    everything = [case for cases in suites.values() for case in cases]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', _open("testsuites", {"name": "bgsafe", **_counts(everything)})]
    for name, cases in suites.items():
        lines += [_open("testsuite", {"name": name, **_counts(cases)}), *(case.xml for case in cases), "</testsuite>"]
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _finding_case(verdict: Verdict, finding: Finding) -> _Case:
    place = finding_place(verdict.server, finding)
    attributes = {"classname": full_name(verdict.server.subject), "name": finding.rule}
    if place is not None:
        attributes |= {"file": place.file, "line": str(place.line)}
    text = advice(finding)
    if finding.status == "fail":
        return _case(attributes, "failure", {"type": finding.rule, "message": finding.message}, text)
    if finding.status in ("unknown", "ignored"):
        return _case(attributes, "skipped", {"message": f"{finding.status}: {text}"})
    return _case(attributes, "pass", text=text if finding.status == "warn" else "")


def _problem_case(problem: Unread) -> _Case:
    attributes = {"classname": "bgsafe", "name": f"read {problem.where}"}
    return _case(attributes, "error", {"type": "unread", "message": problem.why}, str(problem))


def _case(
    attributes: Mapping[str, str], outcome: str, details: Mapping[str, str] | None = None, text: str = ""
) -> _Case:
    element = "system-out" if outcome == "pass" else outcome
    inner = f"{_open(element, details or {})}{_escape(text)}</{element}>" if details or text else ""
    return _Case(f"{_open('testcase', attributes)}{inner}</testcase>", outcome)


def _counts(cases: Iterable[_Case]) -> dict[str, str]:
    count = Counter(case.outcome for case in cases)
    kinds = {"tests": count.total(), "failures": count["failure"], "errors": count["error"]}
    return {name: str(number) for name, number in {**kinds, "skipped": count["skipped"]}.items()}


def _open(element: str, attributes: Mapping[str, str]) -> str:
    written = "".join(f' {name}="{_escape(value)}"' for name, value in attributes.items())
    return f"<{element}{written}>"


_NEVER_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, not even as a reference (production 2, Char)."""

_REFERENCES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


def _escape(text: str) -> str:
    """Text for an element or an attribute; a control character becomes its Python escape (`\\x1b`)."""
    printable = _NEVER_XML.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    return printable.translate(_REFERENCES)
