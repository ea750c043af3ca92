"""Verdicts as text, JSON and the other formats: pure renderers, which decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from checker.facts import Node, Unread
from checker.report.results import Report

__all__ = ["FORMATS", "Format", "Node", "Report", "Unread"]


@dataclass(frozen=True, slots=True)
class Format:
    """How a report is rendered: `colour` and `quiet` matter to text only."""

    name: str
    render: Callable[[Report, bool, bool], str]  # report, colour, quiet


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


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "text": Format("text", _text),
        "json": Format("json", _json),
        "sarif": Format("sarif", _sarif),
        "junit": Format("junit", _junit),
        "github": Format("github", _github),
    }
)
"""`--format` → its renderer, which is loaded when it is used."""
