"""The results as plain text: every fork, the outcomes at a limit, and the errors in sum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from checker.lab.results import Live, Results, Run, accuracy, by_server, by_type, by_value_size
from checker.units import MIB, format_bytes, format_count


def table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a plain table: the first `left` columns flush left, the others flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def mib(count: int | None) -> str:
    """MiB with one decimal, for a column; a dash where there is nothing."""
    return "-" if count is None else f"{count / MIB:.1f}"


def percent(ratio: float | None, *, signed: bool = False) -> str:
    """A ratio as per cent; a dash where there is none."""
    return "-" if ratio is None else f"{ratio:+.1%}" if signed else f"{ratio:.1%}"


RUN_HEADINGS: Final = (
    "server",
    "keys × value",
    "write",
    "access",
    "writes",
    "resident",
    "before",
    "copied",
    "measured",
    "error",
    "peak",
    "measured",
)


def run_rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Rows of the table of copies, with its headings; MiB."""
    rows: list[tuple[str, ...]] = [RUN_HEADINGS]
    for run in runs:
        case = run.case
        rows.append(
            (
                case.engine,
                case.shape(),
                case.write(),
                str(case.distribution),
                f"{case.writes_during_save:,}",
                mib(case.rss_anon_bytes),
                mib(run.live.before.cow_bytes if run.live else None),
                mib(run.prediction.cow_bytes),
                mib(run.measured_cow()),
                percent(run.error_ratio(), signed=True),
                mib(run.prediction.peak_bytes),
                mib(case.cgroup_anon_peak_bytes),
            )
        )
    return rows


def accuracy_rows(results: Results) -> list[tuple[str, ...]]:
    """Rows of the summary, with its headings."""
    figures = (
        {"all": accuracy(results.runs)} | by_server(results.runs) | by_value_size(results.runs) | by_type(results.runs)
    )
    headings = ("", "cases", "median |error|", "95th percentile")
    return [headings, *((name, str(one.cases), percent(one.median), percent(one.p95)) for name, one in figures.items())]


def limited(runs: Iterable[Run]) -> list[tuple[Run, Live]]:
    """The runs that were made under a limit."""
    return [(run, run.live) for run in runs if run.live is not None and run.live.limit_bytes is not None]


def outcome_rows(runs: Iterable[Run]) -> list[tuple[str, ...]]:
    """Rows of the table of outcomes, with its headings: what was said, and what the kernel did; MiB."""
    rows: list[tuple[str, ...]] = [
        ("server", "keys × value", "limit", "expected peak", "worst peak", "verdict", "outcome")
    ]
    for run, live in limited(runs):
        mark = "  WRONG" if run.was_wrongly_safe() else ""
        rows.append(
            (
                run.case.engine,
                run.case.shape(),
                mib(live.limit_bytes),
                mib(live.before.peak_bytes),
                mib(live.before.worst_peak_bytes),
                live.grade or "-",
                live.outcome + mark,
            )
        )
    return rows


def side_by_side(run: Run, live: Live) -> list[str]:
    """Lines that set what was predicted before the fork beside what came of it."""
    case, before = run.case, live.before
    seconds = "-" if case.save_seconds is None else f"{case.save_seconds:.2f} s"
    ended = case.save_seconds is not None
    rows = [
        ("", "predicted", "measured"),
        ("save", f"{live.expected_seconds:.2f} s", seconds),
        (
            "writes during the save",
            format_count(live.expected_writes),
            format_count(case.writes_during_save) if ended else "-",
        ),
        ("copied", format_bytes(before.cow_bytes), _size(run.measured_cow())),
        ("peak", format_bytes(before.peak_bytes), _size(run.measured_peak())),
        ("worst case", format_bytes(before.worst_peak_bytes), ""),
    ]
    if live.limit_bytes is not None:
        rows.append(("memory limit", format_bytes(live.limit_bytes), ""))
    rows.append(("outcome", live.grade or "", live.outcome))
    return [f"  {line}" for line in table(rows)]


def _size(count: int | None) -> str:
    return "-" if count is None else format_bytes(count)


def to_text(results: Results) -> str:
    """Tables for a person: every fork, the outcomes at a limit, and the errors in sum."""
    lines = []
    if len(results.runs) == 1 and results.runs[0].live is not None:
        lines += [one_line(results.runs[0]), "", *side_by_side(results.runs[0], results.runs[0].live), ""]
    lines += ["Copied during the save, MiB (before: predicted before the fork; copied: given the writes that came)", ""]
    lines += table(run_rows(results.runs), left=4)
    if limited(results.runs):
        wrong = sum(run.was_wrongly_safe() for run in results.runs)
        lines += ["", "With a memory limit, MiB: what bgsafe said before the fork, and what the kernel did", ""]
        lines += table(outcome_rows(results.runs), left=2)
        lines += ["", f"Called safe, and then killed or not saved: {wrong} (must be 0)"]
    lines += ["", *table(accuracy_rows(results))]
    lines += [f"not tried: {item}" for item in results.skipped]
    failures = [(run, run.live) for run in results.runs if run.live and run.live.outcome != "saved"]
    lines += [f"{run.case.engine}, {run.case.value_bytes} B: {live.outcome}: {live.detail}" for run, live in failures]
    return "\n".join(lines) + "\n"


def one_line(run: Run) -> str:
    """A run in one sentence, for progress."""
    case, measured = run.case, run.measured_cow()
    ended = run.live.outcome if run.live else "recorded"
    what = case.shape() if case.write() == "SET" else f"{case.shape()} {case.write()}"
    line = f"{case.engine} {what} {case.distribution}: {ended}"
    if measured is None:
        return line
    return f"{line}, copied {format_bytes(measured)}, predicted {format_bytes(run.prediction.cow_bytes)}"
