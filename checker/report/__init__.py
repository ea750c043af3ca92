"""Verdicts as text, JSON and the other formats: pure renderers, which decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from checker.facts import Node, Unread
from checker.report import as_json, text
from checker.report.results import Report

__all__ = ["FORMATS", "Format", "Node", "Report", "Unread"]


@dataclass(frozen=True, slots=True)
class Format:
    """How a report is rendered: `colour` and `quiet` matter to text only."""

    name: str
    render: Callable[[Report, bool, bool], str]  # report, colour, quiet


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "text": Format("text", lambda report, colour, quiet: text.render(report, colour=colour, quiet=quiet)),
        "json": Format("json", lambda report, _colour, _quiet: as_json.render(report)),
    }
)
