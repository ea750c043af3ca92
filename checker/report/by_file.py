"""The text layout for servers of files and of a whole cluster: short, so that a hundred of them can be read."""

from __future__ import annotations

from collections.abc import Iterable

from checker.report.lines import bars, deciding_finding, finding_lines, paint, ranked, reason, write_budget
from checker.report.places import finding_place, full_name
from checker.units import format_count
from checker.verdict import Estimate, Finding, Verdict

BAR_WIDTH = 32


def render(verdicts: Iterable[Verdict], *, colour: bool, quiet: bool) -> str:
    """File after file, in the order of their first servers; one line a server that is safe, or where it is quiet."""
    files: dict[str | None, list[Verdict]] = {}
    for verdict in verdicts:
        files.setdefault(verdict.server.subject.file, []).append(verdict)
    blocks = ["\n".join(_block(verdict, colour, quiet) for verdict in inside) for inside in files.values()]
    return ("\n" if quiet else "\n\n").join(blocks)


def _block(verdict: Verdict, colour: bool, quiet: bool) -> str:
    lines = [_headline(verdict, colour)]
    if not quiet:
        if verdict.estimate is not None and verdict.grade != "safe":
            lines += _numbers(verdict.estimate)
        for finding in ranked(verdict.findings):
            if finding.status != "pass":
                said = finding is deciding_finding(verdict)
                lines += finding_lines(finding, colour, _where(verdict, finding), said=said)
        lines += [f"  {paint('?', 'unknown', colour)} unread: {part}" for part in verdict.server.unread]
    return "\n".join(lines)


def _headline(verdict: Verdict, colour: bool) -> str:
    subject = verdict.server.subject
    grade = paint(verdict.grade.upper(), verdict.grade, colour)
    place = "" if subject.file is None else f"{subject.file}:{subject.line or 1}  "
    return f"{place}{full_name(subject)}  {grade}  {reason(verdict)}"


def _where(verdict: Verdict, finding: Finding) -> str:
    place = finding_place(verdict.server, finding)
    return "" if place is None else f", line {place.line}"


def _numbers(estimate: Estimate) -> list[str]:
    """The bars, and what they rest on: without a measurement, most of it is assumed."""
    said = estimate.sources
    notes = {"resident": said.get("resident_bytes", ""), "limit": said.get("limit_bytes", "")}
    rate = f"{format_count(estimate.write_rate_per_second)} writes/s"
    return [
        *bars(estimate, BAR_WIDTH, notes),
        f"  {'write rate':<14}{rate}: {said.get('write_rate_per_second', '')}; budget: {write_budget(estimate)}",
        f"  {'save time':<14}{estimate.save_seconds:.1f} s: {said.get('save_seconds', '')}",
    ]
