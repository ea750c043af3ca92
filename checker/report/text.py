"""Text for a person at 3 a.m.: the first line answers, the bar shows, the rest says why and what to do."""

from __future__ import annotations

from checker.facts import Unread
from checker.report.results import Report
from checker.units import format_bytes, format_count, format_rate
from checker.verdict import Estimate, Finding, Verdict

BAR_WIDTH = 52

_COLOURS = {"safe": "32", "risky": "33", "unsafe": "31", "unknown": "35", "fail": "31", "warn": "33", "pass": "32"}
_MARKS = {"fail": "✗", "warn": "!", "unknown": "?", "pass": "✓", "ignored": "–"}
_ORDER = ("fail", "unknown", "warn", "ignored", "pass")


def render(report: Report, *, colour: bool = False, quiet: bool = False) -> str:
    """All verdicts, then a summary line; `quiet` leaves one line a server."""
    blocks = [_headline(verdict, colour) if quiet else _block(verdict, colour) for verdict in report.verdicts]
    lines = [("\n" if quiet else "\n\n").join(blocks)] if blocks else []
    if not quiet:
        lines += [f"{_paint('?', 'unknown', colour)} {problem}" for problem in report.problems]
        lines.append(_summary(report))
    return "\n".join(lines) + ("\n" if lines else "")


def _block(verdict: Verdict, colour: bool) -> str:
    lines = [_headline(verdict, colour)]
    if verdict.estimate is not None:
        lines += ["", *_bars(verdict.estimate), "", *_numbers(verdict)]
    lines.append("")
    ranked = sorted(verdict.findings, key=lambda finding: _ORDER.index(finding.status))
    for finding in ranked:
        lines += _finding(finding, colour)
    lines += [f"  {_paint('?', 'unknown', colour)} unread: {part}" for part in verdict.server.unread]
    return "\n".join(lines)


def _headline(verdict: Verdict, colour: bool) -> str:
    return f"{_paint(verdict.grade.upper(), verdict.grade, colour)}  {_name(verdict)}: {_reason(verdict)}"


def _name(verdict: Verdict) -> str:
    subject, engine = verdict.server.subject, verdict.server.engine
    version = "" if isinstance(engine.version, Unread) else f" {engine.version}"
    parts = [f"{engine.name}{version}"]
    if subject.pid is not None:
        parts.append(f"pid {subject.pid}")
    place = "/".join(part for part in (subject.namespace, subject.kind, subject.name, subject.container) if part)
    if place and subject.source != "process":
        parts.append(place)
    elif subject.name and subject.name != engine.name:
        parts.append(subject.name)
    if subject.file:
        parts.append(f"{subject.file}:{subject.line or 1}")
    return ", ".join(parts)


def _reason(verdict: Verdict) -> str:
    """The finding that decided, in its own words."""
    wanted = {"unsafe": "fail", "unknown": "unknown", "risky": "warn"}.get(verdict.grade)
    for finding in verdict.findings:
        if finding.status == wanted:
            return finding.message
    estimate = verdict.estimate
    if estimate is not None and estimate.headroom_worst_bytes is not None and estimate.headroom_worst_bytes >= 0:
        peak, limit = format_bytes(estimate.peak_worst_bytes), format_bytes(estimate.limit_bytes or 0)
        return f"even the worst case of {peak} fits the limit of {limit}"
    return "nothing makes this server fork"  # where it forks, no limit or a worst case beyond it is risky


def _bars(estimate: Estimate) -> list[str]:
    """Resident, expected, worst and limit to one scale."""
    rows = [
        ("resident", estimate.resident_bytes),
        ("expected peak", estimate.peak_expected_bytes),
        ("worst peak", estimate.peak_worst_bytes),
    ]
    limit = estimate.limit_bytes
    scale = max([value for _, value in rows] + ([limit] if limit else [])) or 1
    mark = None if not limit else min(BAR_WIDTH - 1, round(limit / scale * BAR_WIDTH) - 1)
    lines = []
    for label, value in rows:
        filled = round(value / scale * BAR_WIDTH)
        cells = ["█" if i < filled else "·" for i in range(BAR_WIDTH)]
        if mark is not None:
            cells[mark] = "┃"
        over = "  over the limit" if limit and value > limit else ""
        lines.append(f"  {label:<14}{''.join(cells)} {format_bytes(value):>9}{over}")
    if limit and mark is not None:
        lines.append(f"  {'limit':<14}{' ' * mark}┃{' ' * (BAR_WIDTH - mark - 1)} {format_bytes(limit):>9}")
    return lines


def _numbers(verdict: Verdict) -> list[str]:
    estimate = verdict.estimate
    assert estimate is not None  # noqa: S101 - the caller looked
    budget = estimate.write_budget_per_second
    if budget is not None:
        rate = f"{format_rate(budget)} writes/s"
    else:
        rate = "any rate fits" if estimate.limit_bytes is not None else "no limit to fit"
    rows = [
        ("worst case", format_bytes(estimate.peak_worst_bytes), "every resident page written during the save"),
        (
            "expected case",
            format_bytes(estimate.peak_expected_bytes),
            f"{format_bytes(estimate.cow_expected_bytes)} copied at {format_count(estimate.write_rate_per_second)} "
            f"writes/s in {estimate.save_seconds:.1f} s",
        ),
        ("write budget", rate, "highest rate whose expected peak still fits"),
    ]
    lines = [f"  {label:<14}{value:<20}{note}" for label, value, note in rows]
    names = {
        "resident_bytes": "resident",
        "limit_bytes": "limit",
        "write_rate_per_second": "write rate",
        "save_seconds": "save time",
        "pages_per_write": f"{estimate.pages_per_write:.2f} pages a write",
    }
    lines.append("  from")
    lines += [f"    {label:<22}{estimate.sources.get(key, '')}" for key, label in names.items()]
    return lines


def _finding(finding: Finding, colour: bool) -> list[str]:
    mark = _paint(_MARKS[finding.status], finding.status, colour)
    lines = [f"  {mark} {finding.rule}: {finding.message}"]
    if finding.ignored_because:
        lines.append(f"      ignored: {finding.ignored_because}")
    elif finding.remedy and finding.status != "pass":
        lines.append(f"      → {finding.remedy}")
    return lines


def _summary(report: Report) -> str:
    counts = ", ".join(f"{count} {grade}" for grade, count in report.counts().items() if count)
    servers = len(report.verdicts)
    line = f"{servers} server{'' if servers == 1 else 's'}: {counts}" if servers else "no server was judged"
    if report.not_redis:
        line += f"; {report.not_redis} other Redis program{'' if report.not_redis == 1 else 's'} left out"
    return ("\n" if servers else "") + line


def _paint(text: str, status: str, colour: bool) -> str:
    code = _COLOURS.get(status)
    return f"\x1b[1;{code}m{text}\x1b[0m" if colour and code else text
