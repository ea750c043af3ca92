"""One HTML file that needs no network: summary, fleet, a section a server with its plot and sliders.

Every text passes through the template's escaping; data for the scripts is JSON without a `<`. A policy in the page lets
run only the scripts that were written with it, so that a hostile name could not even then do anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import inf
from typing import Any, Final

from checker import __version__
from checker.facts import Node, Unread
from checker.report.lines import ranked, reason, write_budget
from checker.report.places import full_name
from checker.report.plan_text import dies
from checker.report.planned import Plan
from checker.report.results import Report
from checker.report.what_if import CONSTANTS, parameters
from checker.rules import rule_url
from checker.units import format_bytes, format_count, format_rate, format_redis_memory
from checker.verdict import Estimate, Verdict

COLUMNS: Final = (
    ("verdict", "number"),
    ("server", "words"),
    ("resident", "number"),
    ("limit", "number"),
    ("expected peak", "number"),
    ("worst peak", "number"),
    ("writes/s", "number"),
    ("write budget", "number"),
    ("why", "words"),
)
"""Of the fleet's table: name, and how it sorts."""

WORST_LAST: Final = ("safe", "risky", "unknown", "unsafe")


def render(report: Report) -> str:
    """The whole page, the worst server first."""
    models: list[Mapping[str, Any]] = []
    worst_first = sorted(report.verdicts, key=lambda verdict: -WORST_LAST.index(verdict.grade))
    servers = [_server(number, verdict, models) for number, verdict in enumerate(worst_first)]
    style, script = _style(), _script()
    page: str = _template().render(
        version=__version__,
        headline=report.plan.answer if report.plan else _headline(report),
        machine=_machine(report.node),
        counts=[(grade, count) for grade, count in report.counts().items() if count],
        notes=_notes(report),
        problems=[str(problem) for problem in report.problems],
        plan=None if report.plan is None else _plan(report.plan),
        columns=COLUMNS,
        servers=servers,
        style=_marked(style),
        script=_marked(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        constants=_json(CONSTANTS),
        models=_json(models),
    )
    return page


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_printable, keep_trailing_newline=True
    )
    return environment.from_string(_file("report.html.jinja"))


def _file(name: str) -> str:
    return files("checker.report").joinpath("page", name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    return _file("uPlot.min.css") + _file("page.css")


@cache
def _script() -> str:
    return "\n".join(_file(name) for name in ("uPlot.iife.min.js", "model.js", "page.js"))


def _marked(text: str) -> Any:
    """Our own text, which is not escaped: no input has a part in it."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704


def _hash(text: str) -> Any:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return _marked(f"'sha256-{digest}'")


def _json(value: Any) -> Any:
    """JSON that ends no script: `<` is written by its number, which JSON reads as the same."""
    return _marked(json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _printable(value: Any) -> Any:
    """Control characters, which HTML does not have, as what stands for one that cannot be shown."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in value)


# --- the head --------------------------------------------------------------------------------------------------------


def _headline(report: Report) -> str:
    count = len(report.verdicts)
    grades = ", ".join(f"{number} {grade}" for grade, number in report.counts().items() if number)
    return f"{count} server{'' if count == 1 else 's'}: {grades}" if count else "no server was judged"


def _machine(node: Node | None) -> str:
    if node is None:
        return ""
    memory = format_bytes(node.mem_total) if isinstance(node.mem_total, int) else "memory unread"
    kernel = "an unread kernel" if isinstance(node.kernel_release, Unread) else f"Linux {node.kernel_release}"
    mode = node.overcommit_memory
    return f"{kernel}, {memory}" + ("" if isinstance(mode, Unread) else f", vm.overcommit_memory={mode}")


def _notes(report: Report) -> list[str]:
    notes = []
    if report.not_redis:
        notes.append(f"{report.not_redis} other Redis programs left out")
    if report.exempt:
        notes.append(f"{report.exempt} exempt by the policy")
    if report.skipped:
        notes.append(f"{sum(report.skipped.values())} objects of other kinds")
    return notes


# --- a server --------------------------------------------------------------------------------------------------------


def _server(number: int, verdict: Verdict, models: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What the template shows of one server; its numbers for the sliders go to `models`."""
    name, why, estimate = _name(verdict), reason(verdict), verdict.estimate
    model = None
    if verdict.save is not None and estimate is not None and verdict.fork_causes:
        found = parameters(verdict.save, estimate)
        if found is not None:
            model = str(len(models))
            models.append(found)
    findings = [
        {
            "rule": finding.rule,
            "status": finding.status,
            "message": finding.message,
            "remedy": finding.remedy,
            "ignored_because": finding.ignored_because,
            "url": rule_url(finding.rule),
        }
        for finding in ranked(verdict.findings)
    ]
    return {
        "number": str(number),
        "name": name,
        "grade": verdict.grade,
        "reason": why,
        "cells": _cells(verdict, name, why),
        "numbers": [] if estimate is None else _numbers(estimate),
        "model": model,
        "notable": [finding for finding in findings if finding["status"] != "pass"],
        "passes": [finding for finding in findings if finding["status"] == "pass"],
        "unread": [str(part) for part in verdict.server.unread],
    }


def _name(verdict: Verdict) -> str:
    subject, engine = verdict.server.subject, verdict.server.engine
    version = "" if isinstance(engine.version, Unread) else f" {engine.version}"
    place = "" if subject.file is None else f", {subject.file}:{subject.line or 1}"
    return f"{engine.name}{version}, {full_name(subject)}{place}"


def _cells(verdict: Verdict, name: str, why: str) -> list[tuple[str, str]]:
    """What each cell sorts by, and its text."""
    grade = (str(WORST_LAST.index(verdict.grade)), verdict.grade.upper())
    estimate = verdict.estimate
    if estimate is None:
        return [grade, (name, name), *[("-1", "–")] * 6, (why, why)]
    budget = estimate.write_budget_per_second
    numbers = [
        (estimate.resident_bytes, format_bytes(estimate.resident_bytes)),
        (estimate.limit_bytes if estimate.limit_bytes is not None else inf, _limit(estimate)),
        (estimate.peak_expected_bytes, format_bytes(estimate.peak_expected_bytes)),
        (estimate.peak_worst_bytes, format_bytes(estimate.peak_worst_bytes)),
        (estimate.write_rate_per_second, format_count(estimate.write_rate_per_second)),
        (inf if budget is None else budget, write_budget(estimate).removesuffix(" writes/s")),
    ]
    cells = [("Infinity" if value == inf else f"{value:.15g}", text) for value, text in numbers]
    return [grade, (name, name), *cells, (why, why)]


def _limit(estimate: Estimate) -> str:
    if estimate.limit_bytes is not None:
        return format_bytes(estimate.limit_bytes)
    return "unread" if estimate.sources.get("limit_bytes", "").startswith("unread") else "none"


def _numbers(estimate: Estimate) -> Sequence[tuple[str, str, str]]:
    said = estimate.sources
    copied = f"{format_bytes(estimate.cow_expected_bytes)} copied"
    return [
        ("resident", format_bytes(estimate.resident_bytes), said.get("resident_bytes", "")),
        ("maxmemory", _maxmemory(estimate), said.get("maxmemory_bytes", "")),
        ("limit", _limit(estimate), said.get("limit_bytes", "")),
        ("write rate", f"{format_count(estimate.write_rate_per_second)}/s", said.get("write_rate_per_second", "")),
        ("save time", f"{estimate.save_seconds:.1f} s", said.get("save_seconds", "")),
        ("pages a write", f"{estimate.pages_per_write:.2f}", said.get("pages_per_write", "")),
        (
            "expected peak",
            format_bytes(estimate.peak_expected_bytes),
            f"{copied}; {said.get('peak_expected_bytes', '')}",
        ),
        ("worst peak", format_bytes(estimate.peak_worst_bytes), "every resident page written during the save"),
        ("write budget", write_budget(estimate), "highest rate whose expected peak still fits"),
    ]


def _maxmemory(estimate: Estimate) -> str:
    if estimate.maxmemory_bytes is None:
        return "unread"
    return format_bytes(estimate.maxmemory_bytes) if estimate.maxmemory_bytes else "not set"


# --- a plan ----------------------------------------------------------------------------------------------------------


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "roomier": plan.roomier,
        "rates": [
            {
                "rate": "worst case" if row.write_rate_per_second is None else format_rate(row.write_rate_per_second),
                "save": f"{row.save_seconds:.1f} s",
                "copied": format_bytes(row.copied_bytes),
                "needed": format_bytes(row.limit_needed_bytes),
                "fits": row.fits,
                "here": row.write_rate_per_second is not None
                and row.write_rate_per_second == plan.write_rate_per_second,
            }
            for row in plan.rates
        ],
        "thumbs": [
            {
                "rule": row.rule,
                "maxmemory": format_redis_memory(row.maxmemory_bytes),
                "limit": format_bytes(row.limit_bytes),
                "dies": dies(row),
            }
            for row in plan.rules_of_thumb
        ],
        "snippets": [{"name": snippet.name, "text": snippet.text} for snippet in plan.snippets],
    }
