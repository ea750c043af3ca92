"""Predicted beside measured: the runs, how far off they are, and both as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor
from statistics import median
from typing import Final

from checker.facts import Unread
from checker.lab.case import SAVED, Case
from checker.lab.predict import Prediction
from checker.verdict import Grade

Predict = Callable[[Case], Prediction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is known only of a fork that we made ourselves."""

    before: Prediction  # made before the fork, from the writes that were expected
    expected_writes: int
    expected_seconds: float  # how long a save took before, under the same load
    outcome: str  # saved | save failed | fork refused | server killed | child killed
    detail: str  # the server's own last words where it did not save
    limit_bytes: int | None  # None: no limit was set
    grade: Grade | None  # what `bgsafe node` answered before the fork; None: it was not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One fork, recorded or made by us, and what the model says of it."""

    case: Case
    prediction: Prediction  # given the writes that really came
    live: Live | None  # None: recorded

    def measured_cow(self) -> int | None:
        """Bytes that the save copied (`rdb_last_cow_size`); None where it did not finish."""
        return self.case.measured_cow()

    def error_ratio(self) -> float | None:
        """(predicted − measured) / measured; None where nothing was measured, or nothing was copied."""
        measured = self.measured_cow()
        return (self.prediction.cow_bytes - measured) / measured if measured else None

    def measured_peak(self) -> int | None:
        """The highest anonymous memory that was seen: the cgroup's, else what was resident and the copies; or None."""
        copies = [seen for seen in (self.measured_cow(), self.case.peak_cow_seen_bytes) if seen is not None]
        if self.case.cgroup_anon_peak_bytes is not None:
            return self.case.cgroup_anon_peak_bytes
        return self.case.rss_anon_bytes + max(copies) if copies else None

    def was_over_worst(self) -> bool:
        """Did the peak pass what was called the worst case? It must never."""
        peak = self.measured_peak()
        return peak is not None and peak > self.prediction.worst_peak_bytes

    def was_over_k_formula(self) -> bool:
        """Did a save of small values copy more than the k-formula allows? It is meant as their upper bound."""
        measured = self.measured_cow()
        small = value_size_group(self.case.value_bytes) != LARGE_VALUES and self.case.writes_during_save > 0
        return small and measured is not None and measured > self.prediction.kformula_cow_bytes

    def was_wrongly_safe(self) -> bool:
        """Did the kernel kill what was called safe? It must never."""
        return self.live is not None and self.live.grade == "safe" and self.case.status != SAVED


@dataclass(frozen=True, slots=True)
class Results:
    """All runs of one `bgsafe verify`, in order, and what could not be tried."""

    runs: tuple[Run, ...]
    skipped: tuple[Unread, ...] = ()


@dataclass(frozen=True, slots=True)
class Accuracy:
    """|error_ratio| of some runs. None where there were none to measure."""

    cases: int
    median: float | None
    p95: float | None


VALUE_SIZES: Final = ((100, "below 100 B"), (1000, "100 to 999 B"), (3000, "1000 to 2999 B"))
LARGE_VALUES: Final = "3000 B and above"


def value_size_group(value_bytes: int) -> str:
    """The row of the summary that a value size belongs to."""
    return next((name for below, name in VALUE_SIZES if value_bytes < below), LARGE_VALUES)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, interpolated between neighbours (numpy's `linear`)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def accuracy(runs: Iterable[Run]) -> Accuracy:
    """Median and 95th percentile of |error_ratio|."""
    errors = [abs(error) for run in runs if (error := run.error_ratio()) is not None]
    return Accuracy(len(errors), median(errors), percentile(errors, 0.95)) if errors else Accuracy(0, None, None)


def is_in_the_bar(run: Run) -> bool:
    """Is this a run that the project's bar speaks of: jemalloc, strings below 3 KB that are overwritten?"""
    return (
        not run.case.is_of_another_type()
        and run.case.server()[2] == "jemalloc"
        and value_size_group(run.case.value_bytes) != LARGE_VALUES
    )


def _grouped(runs: Sequence[Run], name_of: Callable[[Run], str], order: Iterable[str]) -> dict[str, Accuracy]:
    groups = {name: [run for run in runs if name_of(run) == name] for name in order}
    return {name: accuracy(members) for name, members in groups.items() if members}


def by_server(runs: Sequence[Run]) -> dict[str, Accuracy]:
    """Accuracy for each server, version and allocator, in the order they come."""
    return _grouped(runs, lambda run: run.case.engine, dict.fromkeys(run.case.engine for run in runs))


def by_value_size(runs: Sequence[Run]) -> dict[str, Accuracy]:
    """Accuracy for each group of value sizes of overwritten strings, smallest first."""
    runs = [run for run in runs if not run.case.is_of_another_type()]
    names = [*(name for _, name in VALUE_SIZES), LARGE_VALUES]
    return _grouped(runs, lambda run: value_size_group(run.case.value_bytes), names)


def by_type(runs: Sequence[Run]) -> dict[str, Accuracy]:
    """Accuracy for each data type and write, in the order they come; () where all are strings that are overwritten."""
    others = [run for run in runs if run.case.is_of_another_type()]
    return _grouped(others, _type_of, dict.fromkeys(map(_type_of, others)))


def _type_of(run: Run) -> str:
    case = run.case
    what = " ".join(part for part in (case.type or "string", case.encoding, case.write()) if part)
    return what if case.policy is None else f"{what}, {case.policy}"


def _accuracy_fields(figures: Accuracy) -> dict[str, object]:
    return {"cases": figures.cases, "median_error_ratio": figures.median, "p95_error_ratio": figures.p95}


def _run_fields(run: Run) -> dict[str, object]:
    fields = run.case.to_fields() | {
        "predicted_cow_bytes": run.prediction.cow_bytes,
        "predicted_peak_bytes": run.prediction.peak_bytes,
        "predicted_worst_peak_bytes": run.prediction.worst_peak_bytes,
        "measured_cow_bytes": run.measured_cow(),
        "error_ratio": run.error_ratio(),
    }
    if run.live is not None:
        fields |= {
            "predicted_before_cow_bytes": run.live.before.cow_bytes,
            "predicted_before_peak_bytes": run.live.before.peak_bytes,
            "predicted_before_writes": run.live.expected_writes,
            "predicted_before_save_seconds": run.live.expected_seconds,
            "limit_bytes": run.live.limit_bytes,
            "verdict": run.live.grade,
            "outcome": run.live.outcome,
            "detail": run.live.detail,
        }
    return fields


def to_json(results: Results) -> str:
    """One object: `cases` in order, `summary`, and what was skipped and why."""
    summary = _accuracy_fields(accuracy(results.runs)) | {
        "by_server": {name: _accuracy_fields(figures) for name, figures in by_server(results.runs).items()},
        "by_value_size": {name: _accuracy_fields(figures) for name, figures in by_value_size(results.runs).items()},
        "by_type": {name: _accuracy_fields(figures) for name, figures in by_type(results.runs).items()},
        "over_worst": sum(run.was_over_worst() for run in results.runs),
        "over_k_formula": sum(run.was_over_k_formula() for run in results.runs),
        "wrongly_safe": sum(run.was_wrongly_safe() for run in results.runs),
    }
    skipped = [{"where": item.where, "why": item.why, "remedy": item.remedy} for item in results.skipped]
    return json.dumps(
        {"cases": [_run_fields(run) for run in results.runs], "summary": summary, "skipped": skipped}, indent=2
    )
