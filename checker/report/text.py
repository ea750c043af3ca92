"""Text for a person at 3 a.m.: the first line answers, the bar shows, the rest says why and what to do."""

from __future__ import annotations

from checker.facts import Unread
from checker.report import by_file, plan_text
from checker.report.lines import bars, finding_lines, paint, ranked, reason, write_budget
from checker.report.results import Report
from checker.units import format_bytes, format_count
from checker.verdict import Verdict

BAR_WIDTH = 52


def render(report: Report, *, colour: bool = False, quiet: bool = False) -> str:
    """Servers that run, those in files, problems, a summary; `quiet` leaves one line for each server and problem."""
    if report.plan is not None:
        return plan_text.render(report.plan, report.verdicts[0], colour=colour, quiet=quiet)
    running = [verdict for verdict in report.verdicts if not _is_one_of_many(verdict)]
    written = [verdict for verdict in report.verdicts if _is_one_of_many(verdict)]
    blocks = [_headline(verdict, colour) if quiet else _block(verdict, colour) for verdict in running]
    if written:
        blocks.append(by_file.render(written, colour=colour, quiet=quiet))
    lines = [("\n" if quiet else "\n\n").join(blocks)] if blocks else []
    lines += [f"{paint('?', 'unknown', colour)} {problem}" for problem in report.problems]  # why there is no more
    if not quiet:
        lines.append(_summary(report))
    return "\n".join(lines) + ("\n" if lines else "")


def _is_one_of_many(verdict: Verdict) -> bool:
    """A manifest or a whole cluster holds a hundred of them: short."""
    subject = verdict.server.subject
    return subject.file is not None or subject.source == "cluster"


def _block(verdict: Verdict, colour: bool) -> str:
    lines = [_headline(verdict, colour)]
    if verdict.estimate is not None:
        lines += ["", *bars(verdict.estimate, BAR_WIDTH, {}), "", *_numbers(verdict)]
    lines.append("")
    for finding in ranked(verdict.findings):
        lines += finding_lines(finding, colour)
    lines += [f"  {paint('?', 'unknown', colour)} unread: {part}" for part in verdict.server.unread]
    return "\n".join(lines)


def _headline(verdict: Verdict, colour: bool) -> str:
    return f"{paint(verdict.grade.upper(), verdict.grade, colour)}  {_name(verdict)}: {reason(verdict)}"


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
    return ", ".join(parts)


def _numbers(verdict: Verdict) -> list[str]:
    estimate = verdict.estimate
    assert estimate is not None  # noqa: S101 - the caller looked
    rows = [
        ("worst case", format_bytes(estimate.peak_worst_bytes), "every resident page written during the save"),
        (
            "expected case",
            format_bytes(estimate.peak_expected_bytes),
            f"{format_bytes(estimate.cow_expected_bytes)} copied at {format_count(estimate.write_rate_per_second)} "
            f"writes/s in {estimate.save_seconds:.1f} s",
        ),
        ("write budget", write_budget(estimate), "highest rate whose expected peak still fits"),
    ]
    lines = [f"  {label:<14}{value:<19} {note}" for label, value, note in rows]
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


def _summary(report: Report) -> str:
    counts = ", ".join(f"{count} {grade}" for grade, count in report.counts().items() if count)
    servers = len(report.verdicts)
    line = f"{servers} server{'' if servers == 1 else 's'}: {counts}" if servers else "no server was judged"
    if report.not_redis:
        line += f"; {report.not_redis} other Redis program{'' if report.not_redis == 1 else 's'} left out"
    if report.exempt:
        line += f"; {report.exempt} exempt by the policy"
    skipped = sum(report.skipped.values())
    if skipped:
        line += f"; {skipped} object{'' if skipped == 1 else 's'} of other kinds"
    return ("\n" if servers else "") + line
