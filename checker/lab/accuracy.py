"""docs/accuracy.md: how far off the model is, on recorded forks and on this machine, written from the results alone."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Final

from checker.facts import Node, Unread
from checker.lab.results import Results, Run, accuracy, is_in_the_bar
from checker.lab.tables import accuracy_rows, outcome_rows, percent, run_rows
from checker.probes import node as node_probe
from checker.units import format_bytes

MEDIAN_BAR: Final = 0.03
P95_BAR: Final = 0.10
"""What the project asks of itself for jemalloc and values below 3 KB (docs: "Budgets")."""

INTRODUCTION: Final = """\
# Accuracy

How far the prediction is from real forks. This page is written by the command below; run it to have the figures of
your own machine.

- *measured* is `rdb_last_cow_size`: what the child had for itself alone when it had finished. Where a child gives back
  what it has saved (values above half a page, Redis 7.0 and later with jemalloc), the peak on the way was above it.
- *copied* is predicted from the shape of the data, the writes that came during the save, and the resident bytes.
  *before* was predicted before the fork, from the write rate and the time that an earlier save took: it has the error
  of that time in it as well.
- *error* is (copied − measured) / measured. Percentiles are interpolated between neighbours.
- The measured peak is the anonymous memory of the server's own cgroup, looked at every 5 ms.
- *k-formula* is the upper bound for data that nobody has described: what INFO tells alone.
- Writes are changes as the server counts them: a push and a pop are two.

## Where it fits less well

- **glibc malloc** scatters what it frees. Strings that are overwritten come out up to 13 % too low with Redis 6.2, up
  to 33 % too high with Valkey 9. For other types and writes the prediction is nearer to a bound: a fifth off on median,
  at worst 2.5 times too high (small sets) and 40 % too low (few large streams).
- **SET of another size** is taken for SET: right for a server that has done so for long, up to twice too high for one
  that was loaded with values of one size, as the lab's are.
- **Eviction by age** takes the keys that were loaded together, which lie together: up to twice too high.
- **Few large lists and streams** of which only the ends are written: up to 0.7 MB too low, of 2 MB.
- **Values of 3 KB and above**: the child gives back what it has saved, and the recorded figure is not the peak.
- **Lists of few elements** come out a third too high; members of one large set, 20 to 40 % too high.
"""


def machine_line(node: Node) -> str:
    """Say what identifies a machine, without its name."""
    memory = "memory unread" if isinstance(node.mem_total, Unread) else format_bytes(node.mem_total)
    cpus = "CPUs unread" if isinstance(node.cpu_count, Unread) else f"{node.cpu_count} CPUs"
    kernel = "unread" if isinstance(node.kernel_release, Unread) else node.kernel_release
    pages = format_bytes(node.page_size_bytes)
    return f"Linux {kernel}, {platform.machine()}, {cpus}, {memory}, {pages} pages, THP {node.thp_enabled}"


def _markdown(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a Markdown table with the first row as its headings."""
    rule = ["---" if column < left else "---:" for column in range(len(rows[0]))]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in (escaped[0], rule, *escaped[1:])]


def _bar(runs: Iterable[Run]) -> list[str]:
    """Say whether the bar is met, with the figures."""
    chosen = [run for run in runs if is_in_the_bar(run)]
    figures = accuracy(chosen)
    if figures.median is None or figures.p95 is None:
        return ["No run with jemalloc and values below 3 KB: the bar cannot be judged here."]
    met = figures.median <= MEDIAN_BAR and figures.p95 <= P95_BAR
    return [
        f"jemalloc, values below 3 KB ({figures.cases} forks): median {percent(figures.median)} "
        f"(bar {percent(MEDIAN_BAR)}), 95th percentile {percent(figures.p95)} (bar {percent(P95_BAR)}): "
        + ("**met**." if met else "**missed**.")
    ]


def _bounds(runs: Sequence[Run]) -> list[str]:
    over_worst = sum(run.was_over_worst() for run in runs)
    over_formula = sum(run.was_over_k_formula() for run in runs)
    return [
        f"Peaks above the worst case: {over_worst} of {len(runs)}. "
        f"Copies of small values above the k-formula: {over_formula}"
        f"{_formula_over(runs)}."
    ]


def _formula_over(runs: Sequence[Run]) -> str:
    """How far the bound lies above what was measured, on median."""
    ratios = [run.prediction.kformula_cow_bytes / measured for run in runs if (measured := run.measured_cow())]
    return f"; on median it is {median(ratios):.1f} times the measured" if ratios else ""


def _section(title: str, results: Results) -> list[str]:
    lines = [f"## {title}", "", *_bar(results.runs), "", *_bounds(results.runs), ""]
    lines += [*_markdown(accuracy_rows(results)), "", "Every fork, MiB:", ""]
    return [*lines, *_markdown(run_rows(results.runs), left=4), ""]


def to_markdown(live: Results, recorded: Results | None, *, command: str, machine: str, today: date) -> str:
    """Return the whole page."""
    lines = [INTRODUCTION, f"Written on {today.isoformat()} by `{command}` on: {machine}.", ""]
    lines += _section("Live: real servers on this machine", live)
    lines += ["## Both sides of the limit", ""]
    lines += ["What `bgsafe` said before the fork, and what the kernel then did to a server with that limit (MiB).", ""]
    lines += _markdown(outcome_rows(live.runs), left=2)
    wrong = sum(run.was_wrongly_safe() for run in live.runs)
    lines += ["", f"Called safe, and then killed or not saved: **{wrong}**.", ""]
    lines += [f"- not tried: {item}" for item in live.skipped]
    if recorded is not None:
        lines += _section("Recorded forks", recorded)
    return "\n".join(lines).rstrip() + "\n"


def write_accuracy(path: Path, live: Results, recorded: Results | None, *, command: str, today: date) -> None:
    """Write the page. `command` is what the reader runs to have it written again. Raises OSError."""
    node, _ = node_probe.read(Path("/"))
    machine = machine_line(node)
    path.write_text(to_markdown(live, recorded, command=command, machine=machine, today=today), encoding="utf-8")
