"""How a command ends: its reports, its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from checker.report.results import Report
    from checker.verdict import Grade

EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_NOTHING_CHECKED = 3
EXIT_BUG = 70
"""sysexits.h EX_SOFTWARE: a crash must not look like a finding (Python would exit with 1)."""

SEVERITY: Sequence[str] = ("unknown", "risky", "unsafe")
"""Verdicts that `--fail-on` can name, in rising order; `safe` never fails."""


def usage_error(message: str) -> NoReturn:
    raise click.UsageError(message)


def write_report(report: Report, options: dict[str, Any], *, err: bool = False) -> None:
    """Render every --format to its --output; the rest goes to stdout, or to stderr."""
    from checker.report import FORMATS

    formats: Sequence[str] = options["formats"] or ("text",)
    outputs: Sequence[Path] = options["outputs"]
    if len(outputs) > len(formats):
        usage_error(f"{len(outputs)} --output for {len(formats)} --format: each file needs its format")
    for index, name in enumerate(formats):
        path = outputs[index] if index < len(outputs) else None
        terminal = (sys.stderr if err else sys.stdout).isatty()
        colour = path is None and not options["no_color"] and terminal and "NO_COLOR" not in os.environ
        write_text(FORMATS[name].render(report, colour, options["quiet"]), path, err=err)


def write_text(text: str, path: Path | None, *, err: bool = False) -> None:
    if path is None or str(path) == "-":
        click.echo(text, nl=False, err=err)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        usage_error(f"--output {path}: {error.strerror}")


def exit_code(grades: Sequence[Grade], fail_on: str) -> int:
    if fail_on == "never":
        return 0
    least = SEVERITY.index(fail_on)
    return EXIT_FINDINGS if any(grade in SEVERITY[least:] for grade in grades) else 0
