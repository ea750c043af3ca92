"""The text of a plan: the answer first, then the bars, the tables, what is to be known, and what to paste."""

from __future__ import annotations

from collections.abc import Sequence

from checker.report.lines import bars, finding_lines, paint, ranked
from checker.report.planned import Plan, RateRow, Snippet, ThumbRow
from checker.units import format_bytes, format_count, format_rate, format_redis_memory
from checker.verdict import Verdict

BAR_WIDTH = 52


def render(plan: Plan, verdict: Verdict, *, colour: bool, quiet: bool) -> str:
    """All of it, or with `quiet` the answer alone."""
    first = f"{paint(verdict.grade.upper(), verdict.grade, colour)}  {plan.answer}"
    if quiet:
        return first + "\n"
    blocks = [[first], *_numbers(plan, verdict)]
    if plan.rates:
        blocks.append(_rates(plan.rates, plan.write_rate_per_second))
    blocks.append(_thumbs(plan))
    findings = [finding for finding in ranked(verdict.findings) if finding.status != "pass"]
    if findings:
        blocks.append([line for finding in findings for line in finding_lines(finding, colour)])
    blocks += [_snippet(snippet) for snippet in plan.snippets]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _numbers(plan: Plan, verdict: Verdict) -> list[list[str]]:
    estimate = verdict.estimate
    if estimate is None:
        return []
    said = estimate.sources
    rows = [("resident", said["resident_bytes"])]
    if plan.rates:
        rate = f"{format_count(estimate.write_rate_per_second)} writes/s: {said['write_rate_per_second']}"
        rows += [
            ("write rate", rate),
            ("save time", f"{estimate.save_seconds:.1f} s: {said['save_seconds']}"),
            ("pages a write", f"{estimate.pages_per_write:.2f}: {said['pages_per_write']}"),
            ("how sure", plan.doubt),
        ]
    if plan.roomier is not None:
        rows.append(("on the edge", plan.roomier))
    return [bars(estimate, BAR_WIDTH, {}), [f"  {label:<14}{value}" for label, value in rows]]


def _rates(rows: Sequence[RateRow], planned: float | None) -> list[str]:
    lines = [f"  {'writes/s':>12}  {'save':>8}  {'copied':>9}  {'limit needed':>12}"]
    for row in rows:
        rate = "worst case" if row.write_rate_per_second is None else format_rate(row.write_rate_per_second)
        fits = "fits" if row.fits else "killed"
        here = "  ← the plan" if row.write_rate_per_second is not None and row.write_rate_per_second == planned else ""
        lines.append(
            f"  {rate:>12}  {row.save_seconds:>6.1f} s  {format_bytes(row.copied_bytes):>9}  "
            f"{format_bytes(row.limit_needed_bytes):>12}  {fits}{here}"
        )
    return lines


def _thumbs(plan: Plan) -> list[str]:
    lines = [f"  {'rule of thumb':<14}{'maxmemory':>10}  {'limit':>9}  dies at"]
    for row in plan.rules_of_thumb:
        data, limit = format_redis_memory(row.maxmemory_bytes), format_bytes(row.limit_bytes)
        lines.append(f"  {row.rule:<14}{data:>10}  {limit:>9}  {dies(row)}")
    return lines


def dies(row: ThumbRow) -> str:
    """The write rate from which a rule of thumb no longer holds."""
    if row.write_budget_per_second is None:
        return "no write rate"
    if row.write_budget_per_second <= 0:
        return "any: it does not fit before the first write"
    return f"more than {format_rate(row.write_budget_per_second)} writes/s"


def _snippet(snippet: Snippet) -> list[str]:
    return [f"  {snippet.name}", *(f"      {line}" for line in snippet.text.splitlines())]
