from dataclasses import replace

import pytest

from checker.lab.case import Case
from checker.lab.predict import Prediction
from checker.lab.results import Live, Run
from checker.policy import Distribution


def guess(cow_bytes: int) -> Prediction:
    """A prediction made by hand: 200 resident, a limit of 350 lies between its peaks."""
    return Prediction(
        cow_bytes=cow_bytes, peak_bytes=300, worst_cow_bytes=200, worst_peak_bytes=400, kformula_cow_bytes=100
    )


CASE = Case(
    engine="redis-7.0.15-jemalloc",
    keys=1000,
    key_bytes=10,
    value_bytes=100,
    distribution=Distribution(),
    write_rate_per_second=500,
    writes_during_save=50,
    rss_anon_bytes=200,
    last_cow_bytes=100,
    peak_cow_seen_bytes=100,
    cgroup_anon_peak_bytes=300,
    status="ok",
)


class Make:
    """Makes runs for the tests of results."""

    @staticmethod
    def recorded(predicted: int, **changed: object) -> Run:
        return Run(case=replace(CASE, **changed), prediction=guess(predicted), live=None)  # type: ignore[arg-type]

    @staticmethod
    def live(predicted: int, grade: str, outcome: str, limit_bytes: int | None = 350) -> Run:
        status = "ok" if outcome == "saved" else outcome
        case = replace(CASE, status=status) if outcome == "saved" else replace(CASE, status=status, last_cow_bytes=None)
        live = Live(
            before=guess(predicted),
            expected_writes=60,
            expected_seconds=0.12,
            outcome=outcome,
            detail="" if outcome == "saved" else "exit status -9",
            limit_bytes=limit_bytes,
            grade=grade,  # type: ignore[arg-type]
        )
        return Run(case=case, prediction=guess(predicted), live=live)


@pytest.fixture
def make() -> Make:
    return Make()
