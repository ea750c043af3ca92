"""Write rates from answers of INFO: across saves, restarts, and answers that come late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.agent.rates import WINDOW_SECONDS, Sample, WriteRate, growth_per_second, writes_between
from checker.facts import Unread


def fields(changes: int, *, saved_at: int = 100, run: str = "a") -> dict[str, str]:
    return {"rdb_changes_since_last_save": str(changes), "rdb_last_save_time": str(saved_at), "run_id": run}


def sample(at: float, changes: int, *, saved_at: int = 100, run: str = "a") -> Sample:
    made = Sample.of(at, fields(changes, saved_at=saved_at, run=run), "redis://x")
    assert isinstance(made, Sample)
    return made


def test_a_server_that_does_not_count_has_no_sample() -> None:
    assert isinstance(Sample.of(1.0, {"redis_version": "7"}, "redis://x"), Unread)


@pytest.mark.parametrize(
    ("last", "rate"),
    [
        pytest.param(sample(10, 600), 50.0, id="it grew"),
        pytest.param(sample(10, 100), 0.0, id="nobody wrote"),
        pytest.param(sample(10, 600, saved_at=105), None, id="a save between"),
        pytest.param(sample(10, 600, run="b"), None, id="a restart between"),
        pytest.param(sample(10, 50), None, id="it shrank"),
        pytest.param(sample(0.5, 600), None, id="hardly any time between"),
    ],
)
def test_growth(last: Sample, rate: float | None) -> None:
    assert growth_per_second(sample(0, 100), last) == rate


def rate_of(*samples: Sample, now: float | None = None) -> object:
    rate = WriteRate()
    for each in samples:
        rate.add(each)
    return rate.per_second(samples[-1].at if now is None else now, "redis://x")


def test_one_answer_is_no_rate() -> None:
    assert isinstance(rate_of(sample(0, 5)), Unread)


def test_a_quiet_moment_does_not_hide_busy_minutes() -> None:
    assert rate_of(sample(0, 0), sample(60, 60_000), sample(120, 60_000)) == 500.0


def test_a_busy_moment_counts_at_once() -> None:
    assert rate_of(sample(0, 0), sample(60, 600), sample(70, 100_600)) == 10_000.0


def test_what_lies_across_a_save_is_left_out() -> None:
    assert (
        rate_of(sample(0, 9_000), sample(15, 12_000), sample(30, 400, saved_at=120), sample(45, 3_400, saved_at=120))
        == 200.0
    )


def test_what_is_old_is_forgotten() -> None:
    assert isinstance(rate_of(sample(0, 0), sample(15, 1_000), now=15 + WINDOW_SECONDS + 1), Unread)


def test_after_a_restart_the_old_rate_is_gone() -> None:
    assert isinstance(rate_of(sample(0, 0), sample(15, 9_000), sample(30, 10, run="b")), Unread)


def test_writes_while_a_child_lived_are_what_remains_after_its_save() -> None:
    samples = [sample(0, 5_000), sample(10, 6_000), sample(21, 1_100, saved_at=120)]
    assert writes_between(samples, start=10.0, end=20.0) == pytest.approx(1_000)


def test_writes_while_an_aof_was_rewritten_are_the_growth() -> None:
    assert writes_between([sample(0, 5_000), sample(40, 9_000)], start=10.0, end=20.0) == pytest.approx(1_000)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([sample(21, 100)], id="nothing before"),
        pytest.param([sample(0, 100)], id="nothing after"),
        pytest.param([sample(0, 100), sample(21, 5, run="b")], id="restarted"),
        pytest.param([], id="nothing at all"),
    ],
)
def test_writes_that_cannot_be_told_are_not_guessed(samples: list[Sample]) -> None:
    assert writes_between(samples, start=10.0, end=20.0) is None


@given(st.floats(1, 50_000), st.floats(2, 60), st.floats(0, 5), st.floats(0.1, 5))
def test_a_steady_load_is_told_to_the_write(rate: float, lifetime: float, before: float, after: float) -> None:
    start, end = 100.0, 100.0 + lifetime
    first = sample(start - before, 10_000_000)
    last = sample(end + after, round(rate * (lifetime + after)), saved_at=120)
    assert writes_between([first, last], start, end) == pytest.approx(rate * lifetime, rel=0.01, abs=1)
