"""GitHub workflow commands: an annotation on the line of each finding, in the log and in the pull request.

Source: GitHub documentation, "Workflow commands for GitHub Actions"; escaping as in actions/toolkit,
packages/core/src/command.ts, escapeData() and escapeProperty().
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from checker.report.places import Place, finding_place, full_name, problem_place
from checker.report.results import Level, Report, advice, level

_COMMANDS: Final[Mapping[Level, str]] = MappingProxyType({"error": "error", "warning": "warning", "note": "notice"})

_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(report: Report) -> str:
    """One line a finding that is not a pass, then one a problem; nothing where all is well."""
    lines = [
        _command(
            _COMMANDS[level(finding)],
            finding_place(verdict.server, finding),
            finding.rule,
            f"{full_name(verdict.server.subject)} ({verdict.grade}): {advice(finding)}",
        )
        for verdict, finding in report.notable()
    ]
    lines += [
        _command("error", problem_place(problem), "could not be read", str(problem)) for problem in report.problems
    ]
    return "".join(f"{line}\n" for line in lines)


def _command(name: str, place: Place | None, title: str, message: str) -> str:
    properties: dict[str, str] = {}
    if place is not None:
        properties |= {"file": place.file, "line": str(place.line)}
        if place.column is not None:
            properties["col"] = str(place.column)
    properties["title"] = f"bgsafe {title}"
    written = ",".join(f"{key}={value.translate(_PROPERTY)}" for key, value in properties.items())
    return f"::{name} {written}::{message.translate(_DATA)}"
