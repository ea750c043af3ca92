"""The lines that both layouts of the text report are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from checker.report.results import level
from checker.units import format_bytes, format_rate
from checker.verdict import Estimate, Finding, Verdict

_COLOURS: Final = {
    "safe": "32",
    "risky": "33",
    "unsafe": "31",
    "unknown": "35",
    "fail": "31",
    "warn": "33",
    "pass": "32",
}
_MARKS: Final = {"fail": "✗", "warn": "!", "unknown": "?", "pass": "✓", "ignored": "–"}
_ORDER: Final = ("fail", "unknown", "warn", "ignored", "pass")


def paint(text: str, status: str, colour: bool) -> str:
    """Text in the colour of a grade or a status, on a terminal."""
    code = _COLOURS.get(status)
    return f"\x1b[1;{code}m{text}\x1b[0m" if colour and code else text


def reason(verdict: Verdict) -> str:
    """The finding that decided, in its own words."""
    deciding = deciding_finding(verdict)
    if deciding is not None:
        return deciding.message
    estimate = verdict.estimate
    headroom = None if estimate is None else estimate.headroom_worst_bytes
    if verdict.grade == "safe" and estimate is not None and headroom is not None and headroom >= 0:
        peak, limit = format_bytes(estimate.peak_worst_bytes), format_bytes(estimate.limit_bytes or 0)
        return f"even the worst case of {peak} fits the limit of {limit}"
    ignored = [finding.rule for finding in verdict.findings if finding.status == "ignored"]
    if ignored:
        return f"nothing else is wrong, with {', '.join(ignored)} ignored"
    return "nothing makes this server fork"  # where it forks, no limit or a worst case beyond it is risky


def deciding_finding(verdict: Verdict) -> Finding | None:
    """The first finding that gave the verdict its grade; None where all is well."""
    wanted = {"unsafe": "fail", "unknown": "unknown", "risky": "warn"}.get(verdict.grade)
    weighing = (finding for finding in verdict.findings if level(finding) != "note")
    return next((finding for finding in weighing if finding.status == wanted), None)


def write_budget(estimate: Estimate) -> str:
    """The highest write rate whose expected peak still fits, or why there is no number."""
    if estimate.write_budget_per_second is not None:
        return f"{format_rate(estimate.write_budget_per_second)} writes/s"
    if estimate.limit_bytes is not None:
        return "any rate fits"
    return "limit not known" if estimate.sources.get("limit_bytes", "").startswith("unread") else "no limit to fit"


def ranked(findings: tuple[Finding, ...]) -> list[Finding]:
    """The worst first; within a status, the order of the rules."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.status))


def finding_lines(finding: Finding, colour: bool, where: str = "", *, said: bool = False) -> list[str]:
    """A finding and what to do; `said`: its message stands above already."""
    mark = paint(_MARKS[finding.status], finding.status, colour)
    lines = [f"  {mark} {finding.rule}{where}" + ("" if said else f": {finding.message}")]
    if finding.ignored_because:
        lines.append(f"      ignored: {finding.ignored_because}")
    elif finding.remedy and finding.status != "pass":
        lines.append(f"      → {finding.remedy}")
    return lines


def bars(estimate: Estimate, width: int, notes: Mapping[str, str]) -> list[str]:
    """Resident, expected, worst and limit to one scale, each with its note."""
    rows = [
        ("resident", estimate.resident_bytes),
        ("expected peak", estimate.peak_expected_bytes),
        ("worst peak", estimate.peak_worst_bytes),
    ]
    limit = estimate.limit_bytes
    scale = max([value for _, value in rows] + ([limit] if limit else [])) or 1
    mark = None if not limit else min(width - 1, round(limit / scale * width) - 1)
    lines = []
    for label, value in rows:
        filled = round(value / scale * width)
        cells = ["█" if i < filled else "·" for i in range(width)]
        if mark is not None:
            cells[mark] = "┃"
        note = notes.get(label, "over the limit" if limit and value > limit else "")
        lines.append(f"  {label:<14}{''.join(cells)} {format_bytes(value):>9}  {note}".rstrip())
    if limit and mark is not None:
        at = f"{' ' * mark}┃{' ' * (width - mark - 1)}"
        lines.append(f"  {'limit':<14}{at} {format_bytes(limit):>9}  {notes.get('limit', '')}".rstrip())
    return lines
