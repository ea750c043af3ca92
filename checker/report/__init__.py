"""Verdicts as text, JSON and the other formats: pure renderers, which decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from checker.report.results import Report

__all__ = ["FORMATS", "Format", "Report"]


Renderer = Callable[[Report, bool, bool], str]
"""Report, colour, quiet → what is written; the last two matter to text only."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a report is rendered."""

    name: str
    render: Renderer


def _text(report: Report, colour: bool, quiet: bool) -> str:
    from checker.report import text

    return text.render(report, colour=colour, quiet=quiet)


def _json(report: Report, _colour: bool, _quiet: bool) -> str:
    from checker.report import as_json

    return as_json.render(report)


def _sarif(report: Report, _colour: bool, _quiet: bool) -> str:
    from checker.report import sarif

    return sarif.render(report)


def _junit(report: Report, _colour: bool, _quiet: bool) -> str:
    from checker.report import junit

    return junit.render(report)


def _github(report: Report, _colour: bool, _quiet: bool) -> str:
    from checker.report import github

    return github.render(report)


def _html(report: Report, _colour: bool, _quiet: bool) -> str:
    from checker.report import html

    return html.render(report)


def _policy_report(report: Report, _colour: bool, _quiet: bool) -> str:
    from checker.report import policy_report

    return policy_report.render(report)


def _format(name: str, render: Renderer) -> Format:
    def encodable(report: Report, colour: bool, quiet: bool) -> str:
        # A file name that is not UTF-8 has surrogates in it, which could not be written. (In JSON, `\udcff` is right.)
        return render(report, colour, quiet).encode("utf-8", "backslashreplace").decode("utf-8")

    return Format(name, encodable)


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        name: _format(name, render)
        for name, render in (
            ("text", _text),
            ("json", _json),
            ("sarif", _sarif),
            ("junit", _junit),
            ("github", _github),
            ("html", _html),
            ("policy-report", _policy_report),
        )
    }
)
"""`--format` → its renderer, which is loaded when it is used."""
