"""The picture of a save, as SVG or PNG, drawn by matplotlib: memory over time, and write budget against limit.

An SVG shows itself light or dark, as its reader's system is: the colours below are written into it as they are, and a
style sheet names what each becomes in the dark. Readers that know no style sheets show it light.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final, Literal

from checker.facts import Unread
from checker.report.course import Course, budgets, course_of
from checker.report.lines import deciding_finding
from checker.report.planned import Plan
from checker.units import GIB, MIB, format_bytes, format_count, format_rate
from checker.verdict import Estimate, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NO_MATPLOTLIB: Final = Unread("matplotlib", "it is not installed", "pip install 'bgsafe[plot]'")

NOTHING_TO_DRAW: Final = Unread("the plan", "nothing makes this server fork, so there is no save to draw", "")

PAPER, INK, FAINT, RESIDENT = "#ffffff", "#1f2328", "#6b7280", "#c3cad5"
EXPECTED, WORST, LIMIT, KILLED = "#0067b1", "#b34700", "#1f2329", "#c41e3a"
"""Told apart by people who do not see red and green alike (after Okabe and Ito), and 4.5 : 1 on the paper."""

DARK: Final = {
    PAPER: "#0d1117",
    INK: "#e6edf3",
    FAINT: "#9aa4b2",
    RESIDENT: "#3a4351",
    EXPECTED: "#58a6ff",
    WORST: "#ff9e57",
    LIMIT: "#f0f6fc",
    KILLED: "#ff7b8a",
}

SIZE_INCHES: Final = (10.5, 5.0)
PNG_DOTS_PER_INCH: Final = 160


def draw(verdict: Verdict, kind: Literal["svg", "png"], plan: Plan | None = None) -> bytes | Unread:
    """The file's bytes; Unread where matplotlib is not installed, or where nothing forks."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        return NO_MATPLOTLIB
    save, estimate = verdict.save, verdict.estimate
    if save is None or estimate is None or not verdict.fork_causes:
        return NOTHING_TO_DRAW
    course = course_of(save, estimate.write_rate_per_second, estimate.limit_bytes, estimate.peak_worst_bytes)
    # A name may have a dollar in it: nothing here is mathematics.
    title = _printable(plan.answer if plan is not None else _headline(verdict))
    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "bgsafe", "font.size": 9.5, "font.family": ["DejaVu Sans"]}
    ):
        figure = Figure(figsize=SIZE_INCHES, facecolor=PAPER, layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
        _memory(left, course)
        _budget(right, budgets(save), estimate)
        _words(figure, title, course, estimate)
        written = io.BytesIO()
        if kind == "png":
            figure.savefig(written, format="png", dpi=PNG_DOTS_PER_INCH, facecolor=PAPER)
            return written.getvalue()
        figure.savefig(written, format="svg", facecolor=PAPER, metadata={"Date": None, "Title": title})
    return _with_dark(written.getvalue().decode(), title).encode()


def _headline(verdict: Verdict) -> str:
    finding = deciding_finding(verdict)
    return f"{verdict.server.subject.name}: {verdict.grade}" + (f", {finding.message}" if finding else "")


def _printable(text: str) -> str:
    """XML has no control characters, not even escaped."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _words(figure: Figure, title: str, course: Course, estimate: Estimate) -> None:
    # Between two dollars matplotlib reads mathematics; a name may have them.
    figure.suptitle(title.replace("$", r"\$"), x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK, wrap=True)
    rate = f"{format_count(estimate.write_rate_per_second)} writes/s, {course.seconds:.1f} s a save"
    figure.supxlabel(f"{rate}; band: {course.doubt}", x=0.01, ha="left", fontsize=8, color=FAINT, wrap=True)


def _memory(axes: Axes, course: Course) -> None:
    times, unit, name = [moment.seconds for moment in course.moments], *_unit(course)
    margin = course.seconds * 0.08
    start, end = -margin, course.seconds + margin
    held = course.before_bytes / unit
    axes.fill_between(
        [start, end], held, color=RESIDENT, linewidth=0, label=f"held before {format_bytes(course.before_bytes)}"
    )
    low, high = [m.low / unit for m in course.moments], [m.high / unit for m in course.moments]
    axes.fill_between(times, low, high, color=EXPECTED, alpha=0.22, linewidth=0, label="where nine in ten forks lie")
    peak = max(moment.expected for moment in course.moments)
    label = f"expected, peak {format_bytes(peak)}"
    killed = course.killed_at_seconds
    lived = [(m.seconds, m.expected / unit) for m in course.moments if killed is None or m.seconds <= killed]
    never = [(m.seconds, m.expected / unit) for m in course.moments if killed is not None and m.seconds >= killed]
    after = [(course.seconds, held), (end, held)]
    before = [(start, held), (0.0, held)]
    axes.plot(*_columns(before + lived + (after if killed is None else [])), color=EXPECTED, linewidth=2, label=label)
    if never:
        axes.plot(*_columns(never + after), color=EXPECTED, linewidth=1.4, linestyle=(0, (1, 1.6)))
    worst = course.worst_bytes / unit
    axes.plot(
        [0, course.seconds],
        [worst, worst],
        color=WORST,
        linewidth=1.6,
        linestyle=(0, (5, 3)),
        label=f"worst case {format_bytes(course.worst_bytes)}",
    )
    if course.limit_bytes is not None:
        axes.axhline(
            course.limit_bytes / unit, color=LIMIT, linewidth=2.2, label=f"limit {format_bytes(course.limit_bytes)}"
        )
        if course.killed_at_seconds is not None:
            at = course.killed_at_seconds
            axes.plot(
                [at],
                [course.limit_bytes / unit],
                marker="X",
                markersize=11,
                color=KILLED,
                linestyle="none",
                markeredgecolor=PAPER,
                zorder=5,
                label=f"OOM kill after {at:.1f} s",
            )
    top = max(worst, (course.limit_bytes or 0) / unit, *high)
    axes.set(xlim=(start, end), ylim=(0, top * 1.08), xlabel="seconds since the fork", ylabel=f"memory, {name}")
    axes.set_title("Memory during a save", loc="left", fontsize=10, color=INK)
    _plain(axes)
    legend = axes.legend(loc="lower right", fontsize=8.5, facecolor=PAPER, edgecolor=PAPER, framealpha=0.88)
    for text in legend.get_texts():
        text.set_color(INK)


def _budget(axes: Axes, pairs: tuple[tuple[float, float], ...], estimate: Estimate) -> None:
    largest = max(estimate.peak_worst_bytes, estimate.limit_bytes or 0)
    unit, name = (GIB, "GiB") if largest >= GIB else (MIB, "MiB")
    limits, rates = [needed / unit for needed, _ in pairs], [rate for _, rate in pairs]
    left, right = estimate.resident_bytes / unit, largest * 1.04 / unit
    axes.fill_between(limits, rates, 1e7, color=KILLED, alpha=0.12, linewidth=0)
    axes.axvspan(left, limits[0], color=KILLED, alpha=0.12, linewidth=0)
    axes.plot(limits, rates, color=EXPECTED, linewidth=2)
    worst = estimate.peak_worst_bytes / unit
    axes.axvline(worst, color=WORST, linewidth=1.6, linestyle=(0, (5, 3)))
    axes.text(0.05, 0.95, "killed", transform=axes.transAxes, color=KILLED, va="top", fontsize=9)
    axes.text(0.62, 0.05, "holds", transform=axes.transAxes, color=EXPECTED, fontsize=9)
    if estimate.limit_bytes is not None:
        axes.axvline(estimate.limit_bytes / unit, color=LIMIT, linewidth=2.2)
        rate = min(max(estimate.write_rate_per_second, rates[0]), 1e6)
        fits = estimate.peak_expected_bytes <= estimate.limit_bytes
        axes.plot(
            [estimate.limit_bytes / unit],
            [rate],
            marker="o" if fits else "X",
            markersize=10,
            linestyle="none",
            color=EXPECTED if fits else KILLED,
            markeredgecolor=PAPER,
            zorder=5,
        )
    axes.set(xlim=(left, right), ylim=(rates[0], 1e6), yscale="log", xlabel=f"memory limit, {name}", ylabel="writes/s")
    axes.set_title(f"Write budget{_held(estimate)}", loc="left", fontsize=10, color=INK)
    axes.yaxis.set_major_formatter(lambda value, _position: format_count(value))
    _plain(axes)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _held(estimate: Estimate) -> str:
    if estimate.limit_bytes is None:
        return " of each limit"
    budget = estimate.write_budget_per_second
    return ": any rate" if budget is None else f": {format_rate(budget)} writes/s" if budget else ": none"


def _unit(course: Course) -> tuple[int, str]:
    return (GIB, "GiB") if max(course.worst_bytes, course.limit_bytes or 0) >= GIB else (MIB, "MiB")


def _plain(axes: Axes) -> None:
    """Two thin axes and a faint grid behind."""
    axes.set_facecolor(PAPER)
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=FAINT, alpha=0.18, linewidth=0.8)
    axes.tick_params(colors=FAINT, labelsize=8.5, which="both")
    axes.minorticks_off()
    axes.xaxis.label.set_color(FAINT)
    axes.yaxis.label.set_color(FAINT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def _with_dark(svg: str, title: str) -> str:
    """The same drawing with a name for those who hear it, and what its colours are in the dark."""
    rules = "".join(
        f'[style*="fill: {light}"]{{fill:{dark}!important}}[style*="stroke: {light}"]{{stroke:{dark}!important}}'
        for light, dark in DARK.items()
    )
    head = f"<title>{escape(title)}</title><style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg [^>]*)>", lambda match: f'{match[1]} role="img">{head}', svg, count=1)
