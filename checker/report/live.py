"""The live picture of running saves (`bgsafe node --watch`): copied beside predicted, and what is left.

A save is held against what was predicted when it was first seen, not against figures that its own copies have moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from checker.facts import Cgroup, Child, Maybe, Unread
from checker.model.cow import copied_bytes, live_copies
from checker.model.peak import lifetime_seconds
from checker.report.lines import reason, write_budget
from checker.units import format_bytes, format_rate
from checker.verdict import Estimate, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES: Final = {"safe": "bold green", "risky": "bold yellow", "unsafe": "bold red", "unknown": "bold magenta"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A server's save as it was last seen: running, or over."""

    verdict: Verdict  # when the child was first seen
    child: Child
    running: bool = True


def followed(before: Mapping[int, Seen], verdicts: Sequence[Verdict]) -> dict[int, Seen]:
    """By the server's pid: saves that begin, go on and end; the last of each server is kept."""
    seen: dict[int, Seen] = {}
    for verdict in verdicts:
        process = verdict.server.process
        if process is None:
            continue
        known = before.get(process.pid)
        if process.child is None:
            if known is not None:
                seen[process.pid] = replace(known, running=False)
        elif known is not None and known.child.pid == process.child.pid:
            seen[process.pid] = replace(known, child=process.child, running=True)
        else:
            seen[process.pid] = Seen(verdict, process.child)
    return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One running save in numbers. Seconds left are negative once it takes longer than was predicted."""

    age_seconds: float
    predicted_seconds: float
    copied: Maybe[int]
    predicted_by_now: float
    predicted_in_all: float
    held: int | None  # by the control group that has the limit; None: not read, or there is none
    limit: int | None

    @property
    def room(self) -> int | None:
        """What may still be copied before the kernel kills."""
        return None if self.held is None or self.limit is None else self.limit - self.held


def progress_of(seen: Seen, now: Verdict) -> Progress | None:
    """None where nothing was predicted, or the child's age is not known."""
    save, estimate, age = seen.verdict.save, seen.verdict.estimate, seen.child.age_seconds
    if save is None or estimate is None or isinstance(age, Unread):
        return None
    rate = estimate.write_rate_per_second
    seconds = lifetime_seconds(save, rate)
    # A save that takes longer than predicted goes on copying at its rate.
    whole = max(seconds, age)
    by_now = live_copies(save.workload, rate * whole)(age / whole if whole else 1.0)
    return Progress(
        age_seconds=age,
        predicted_seconds=seconds,
        copied=seen.child.private_dirty,
        predicted_by_now=by_now,
        predicted_in_all=copied_bytes(save.workload, rate * seconds),
        held=_held(now, estimate),
        limit=estimate.limit_bytes,
    )


def _held(now: Verdict, estimate: Estimate) -> int | None:
    """What the level with the limit holds at this moment, and cannot give back."""
    cgroup = now.server.cgroup
    if not isinstance(cgroup, Cgroup):
        return None
    held = [level.unreclaimable() for level in cgroup.levels if level.memory_max == estimate.limit_bytes]
    return next((each for each in held if isinstance(each, int)), None)


# --- drawing ---------------------------------------------------------------------------------------------------------


def picture(verdicts: Sequence[Verdict], seen: Mapping[int, Seen], problems: Sequence[Unread]) -> RenderableType:
    """Everything that is watched, for one frame."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [_server(verdict, seen) for verdict in verdicts]
    parts += [Text(f"? {problem}", style="magenta") for problem in problems]
    if not parts:
        parts.append(Text("no server that may be looked at"))
    return Group(*parts, Text("Ctrl-C ends the watch", style="dim"))


def _server(verdict: Verdict, seen: Mapping[int, Seen]) -> RenderableType:
    from rich.panel import Panel
    from rich.text import Text

    server = verdict.server
    version = "" if isinstance(server.engine.version, Unread) else f" {server.engine.version}"
    known = seen.get(server.subject.pid or -1)
    judged = known.verdict if known is not None and known.running else verdict
    title = Text(f"{server.engine.name}{version}, {server.subject.name}, pid {server.subject.pid}")
    grade = Text(judged.grade.upper(), style=STYLES[judged.grade])
    if known is None or not known.running:
        body = _at_rest(verdict, known)
    else:
        progress = progress_of(known, verdict)
        body = Text("a save is running; nothing was predicted for it") if progress is None else _running(progress)
    return Panel(body, title=title, title_align="left", subtitle=grade, subtitle_align="left")


def _at_rest(verdict: Verdict, known: Seen | None) -> RenderableType:
    from rich.text import Text

    lines = [f"no save is running; the next: {reason(verdict)}"]
    if verdict.estimate is not None:
        estimate = verdict.estimate
        lines.append(
            f"expected peak {format_bytes(estimate.peak_expected_bytes)} at "
            f"{format_rate(estimate.write_rate_per_second)} writes/s; write budget {write_budget(estimate)}"
        )
    if known is not None:
        copied = known.child.private_dirty
        age = known.child.age_seconds
        took = "" if isinstance(age, Unread) else f" after {age:.1f} s"
        found = "not read" if isinstance(copied, Unread) else format_bytes(copied)
        lines.append(f"the last save, when last seen{took}: {found} copied")
    return Text("\n".join(lines))


def _running(progress: Progress) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True, ratio=3)
    left = progress.predicted_seconds - progress.age_seconds
    so_far = f"{progress.age_seconds:.1f} s of {progress.predicted_seconds:.1f} s"
    table.add_row(
        "time",
        ProgressBar(total=progress.predicted_seconds or 1, completed=progress.age_seconds),
        f"{so_far}, {left:.1f} s left" if left >= 0 else f"{so_far}, {-left:.1f} s longer than predicted",
    )
    by_now = format_bytes(progress.predicted_by_now)
    if isinstance(progress.copied, Unread):
        table.add_row("copied", "", f"not read: {progress.copied.why}; predicted by now {by_now}")
    else:
        bar = ProgressBar(total=progress.predicted_in_all or 1, completed=progress.copied)
        of = f"{format_bytes(progress.copied)} of {format_bytes(progress.predicted_in_all)}"
        table.add_row("copied", bar, f"{of}; predicted by now {by_now}")
    table.add_row(*_room(progress))
    return table


def _room(progress: Progress) -> tuple[str, RenderableType, RenderableType]:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    if progress.held is None or progress.limit is None or progress.room is None:
        return "room", "", "no limit to fit" if progress.limit is None else "what the control group holds is not read"
    bar = ProgressBar(total=progress.limit, completed=progress.held)
    to_come = max(0.0, progress.predicted_in_all - progress.predicted_by_now)
    said = f"{format_bytes(progress.held)} of {format_bytes(progress.limit)}, {format_bytes(progress.room)} left"
    if to_come > progress.room:
        return "room", bar, Text(f"{said}; {format_bytes(to_come)} still to come: it will not fit", style="bold red")
    return "room", bar, f"{said}; {format_bytes(to_come)} still to come"
