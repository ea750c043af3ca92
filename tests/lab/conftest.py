from dataclasses import dataclass, replace

import pytest

from checker.lab.case import Case
from checker.lab.results import Live, Run
from checker.policy import Distribution


@dataclass(frozen=True)
class Guess:
    """A prediction made by hand."""

    cow_bytes: int
    peak_bytes: int = 300
    worst_cow_bytes: int = 200
    worst_peak_bytes: int = 400
    kformula_cow_bytes: int = 100


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
        return Run(case=replace(CASE, **changed), prediction=Guess(predicted), live=None)  # type: ignore[arg-type]

    @staticmethod
    def live(predicted: int, grade: str, outcome: str, limit_bytes: int | None = 350) -> Run:
        status = "ok" if outcome == "saved" else outcome
        case = replace(CASE, status=status) if outcome == "saved" else replace(CASE, status=status, last_cow_bytes=None)
        live = Live(
            before=Guess(predicted),
            expected_writes=60,
            expected_seconds=0.12,
            outcome=outcome,
            detail="" if outcome == "saved" else "exit status -9",
            limit_bytes=limit_bytes,
            grade=grade,  # type: ignore[arg-type]
        )
        return Run(case=case, prediction=Guess(predicted), live=live)


@pytest.fixture
def make() -> Make:
    return Make()
