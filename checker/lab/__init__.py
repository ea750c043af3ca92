"""`bgsafe verify`: a real server, a real load, a real fork, measured against the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from checker.facts import Unread
from checker.lab import cgroup
from checker.lab.case import CaseError, append_jsonl, read_jsonl
from checker.lab.interrupts import Interrupted, interruptible
from checker.lab.load import Workload
from checker.lab.results import Predict, Results, Run, to_json
from checker.lab.run import Ask, Plan, Progress, fixed, run_case, silent
from checker.lab.server import LabError
from checker.lab.servers import NO_SERVER, Binary, find_servers, read_binary
from checker.lab.suites import SUITES
from checker.lab.tables import one_line, to_text

__all__ = [
    "NO_SERVER",
    "SUITES",
    "Binary",
    "CaseError",
    "Interrupted",
    "LabError",
    "Plan",
    "Results",
    "Workload",
    "append_jsonl",
    "find_servers",
    "fixed",
    "read_binary",
    "run_case",
    "run_recorded",
    "run_suite",
    "to_json",
    "to_text",
]


def _within(where: str, progress: Progress) -> Progress:
    """Say of every step where it belongs."""
    return lambda step: progress(f"{where}: {step}")


def run_suite(
    name: str, servers: Sequence[Binary], *, predict: Predict, ask: Ask, progress: Progress = silent
) -> Results:
    """Make every run of a suite, on servers of which there is at least one. Raises Interrupted.

    A run that could not be made is in `skipped` with its reason, and the next one is made.
    """
    plans = SUITES[name](servers)
    runs: list[Run] = []
    skipped: list[Unread] = []
    with interruptible():
        without_limits = cgroup.refusal()
        if without_limits is not None:
            plans = [plan for plan in plans if plan.limit is None]
            skipped.append(without_limits)
        for number, plan in enumerate(plans, start=1):
            where = f"{number} of {len(plans)}: {plan.binary} {plan.workload}"
            progress(where)
            try:
                run = run_case(plan, predict=predict, ask=ask, progress=_within(where, progress))
            except (LabError, OSError) as error:
                skipped.append(Unread(where, str(error)))
                continue
            runs.append(run)
            progress(one_line(run))
    return Results(tuple(runs), tuple(skipped))


def run_recorded(path: Path, *, predict: Predict) -> Results:
    """Judge the model on recorded forks, without a server. Raises CaseError, OSError."""
    return Results(tuple(Run(case=case, prediction=predict(case), live=None) for case in read_jsonl(path)))
