"""What watched forks teach: exact on what they saw, and never milder than the truth for what they did not see."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Engine, WatchedFork
from checker.model.calibration import (
    TRUSTED_FORKS,
    pages_per_write,
    save_throughput,
    touches_per_second,
)
from checker.model.child import child_bytes
from checker.model.cow import copied_bytes
from checker.model.workload import Workload
from checker.policy import Distribution
from checker.units import MIB

PAGE = 4096
RESIDENT = 400 * MIB
ASSUMED = 3.0


def a_workload(pages: float | None = None, resident: int = RESIDENT) -> Workload:
    return Workload(
        resident_bytes=resident,
        page_size_bytes=PAGE,
        copy_unit_bytes=PAGE,
        engine=Engine(name="redis", version="7.0.15", allocator="jemalloc-5.3.0", forks=True),
        shape=(),
        distribution=Distribution(),
        compression=True,
        measured_pages_per_write=pages,
    )


def a_fork(copied: float, writes: float | None, seconds: float = 4.0, resident: int = RESIDENT) -> WatchedFork:
    return WatchedFork(
        resident_bytes=resident,
        copied_bytes=round(copied),
        seconds=seconds,
        lifetime_seconds=seconds,
        writes=writes,
    )


def of_mixture(shares: list[tuple[float, float]], writes: float) -> float:
    """Bytes copied where `share` of the pages are touched `rate` times a write, for each pair; the child's own too."""
    total = sum(share for share, _ in shares)
    pages = RESIDENT / PAGE
    cold = sum(share / total * exp(-rate * writes / (pages * share / total)) for share, rate in shares)
    return RESIDENT * (1 - cold) + child_bytes(a_workload())


@pytest.mark.parametrize("pages", [0.3, 1.6, 3.0, 5.0])
@pytest.mark.parametrize("writes", [2_000, 20_000, 200_000])
def test_a_fork_predicts_itself(pages: float, writes: float) -> None:
    copied = copied_bytes(a_workload(pages), writes)
    found = pages_per_write([a_fork(copied, writes)], a_workload(), ASSUMED, writes)
    assert found is not None
    predicted = copied_bytes(a_workload(found.best), writes)
    assert predicted == pytest.approx(copied, rel=0.01)


def test_without_counted_writes_the_product_is_learned() -> None:
    copied = copied_bytes(a_workload(1.5), 8_000)
    found = touches_per_second([a_fork(copied, None, seconds=4.0)], a_workload(), 3_000.0)
    assert found is not None
    assert found.best == pytest.approx(1.5 * 8_000 / 4.0, rel=0.01)


def test_forks_without_counted_writes_teach_no_pages_a_write() -> None:
    assert pages_per_write([a_fork(10 * MIB, None)], a_workload(), ASSUMED, 1000.0) is None


@pytest.mark.parametrize(
    ("forks", "milder"), [(TRUSTED_FORKS - 1, False), (TRUSTED_FORKS, True)], ids=["one too few", "enough"]
)
def test_a_verdict_becomes_milder_only_after_enough_forks(forks: int, milder: bool) -> None:
    quiet = a_fork(copied_bytes(a_workload(0.5), 20_000), 20_000)
    by_write = pages_per_write([quiet] * forks, a_workload(), ASSUMED, 20_000)
    by_second = touches_per_second([quiet] * forks, a_workload(), ASSUMED * 5_000)
    fast = WatchedFork(resident_bytes=RESIDENT, copied_bytes=MIB, seconds=1.0, lifetime_seconds=1.0, writes=None)
    throughput = save_throughput([fast] * forks, 80 * MIB)
    assert by_write is not None
    assert by_second is not None
    assert throughput is not None
    assert (by_write.bound < ASSUMED) is milder
    assert (by_second.bound < ASSUMED * 5_000) is milder
    assert (throughput.bound > 80 * MIB) is milder


def test_a_verdict_becomes_stricter_after_the_first_fork() -> None:
    busy = a_fork(copied_bytes(a_workload(6.0), 20_000), 20_000)
    found = pages_per_write([busy], a_workload(), ASSUMED, 20_000)
    assert found is not None
    assert found.bound >= 6.0


def test_one_lucky_fork_among_many_changes_no_bound() -> None:
    usual = a_fork(copied_bytes(a_workload(2.0), 20_000), 20_000)
    lucky = a_fork(child_bytes(a_workload()), 20_000)
    found = pages_per_write([usual, usual, usual, lucky], a_workload(), ASSUMED, 20_000)
    assert found is not None
    assert found.bound >= 2.0
    assert found.best == pytest.approx(2.0, rel=0.02)


def test_a_fork_of_ten_writes_proves_nothing() -> None:
    """What ten writes copy is less than what the kernel's counters are off by: the bound stays what was assumed."""
    tiny = a_fork(child_bytes(a_workload()), 10)
    found = pages_per_write([tiny] * 8, a_workload(), ASSUMED, 50_000)
    assert found is not None
    assert found.bound >= ASSUMED


def test_copies_of_everything_say_at_least() -> None:
    found = pages_per_write([a_fork(RESIDENT + MIB, 100_000)] * 3, a_workload(), ASSUMED, 100_000)
    assert found is not None
    assert copied_bytes(a_workload(found.bound), 100_000) >= 0.99 * RESIDENT


def test_a_slow_save_is_believed_at_once() -> None:
    slow = WatchedFork(resident_bytes=RESIDENT, copied_bytes=MIB, seconds=40.0, lifetime_seconds=40.0, writes=None)
    found = save_throughput([slow], 80 * MIB)
    assert found is not None
    assert found.bound == RESIDENT / 40


mixtures = st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 3.0)), min_size=1, max_size=4).filter(
    lambda shares: sum(rate for _, rate in shares) > 0.1
)


@given(mixtures, st.floats(1_000, 100_000), st.floats(1.0, 20.0))
def test_more_writes_than_any_fork_saw_never_copy_more_than_the_bound(
    shares: list[tuple[float, float]], writes: float, factor: float
) -> None:
    forks = [a_fork(of_mixture(shares, writes), writes)] * TRUSTED_FORKS
    found = pages_per_write(forks, a_workload(), ASSUMED, writes * factor)
    assert found is not None
    truth = of_mixture(shares, writes * factor)
    assert copied_bytes(a_workload(found.bound), writes * factor) >= min(truth, 0.99 * RESIDENT) * 0.999


@given(mixtures, st.floats(1_000, 100_000), st.floats(0.05, 1.0))
def test_fewer_writes_than_a_fork_saw_never_copy_more_than_the_bound(
    shares: list[tuple[float, float]], writes: float, factor: float
) -> None:
    """As long as a write touches no more pages than is assumed without any fork."""
    total = sum(rate for _, rate in shares)
    scaled = [(share, rate * min(1.0, ASSUMED / total)) for share, rate in shares]
    forks = [a_fork(of_mixture(scaled, writes), writes)] * TRUSTED_FORKS
    found = pages_per_write(forks, a_workload(), ASSUMED, writes * factor)
    assert found is not None
    truth = of_mixture(scaled, writes * factor)
    assert copied_bytes(a_workload(found.bound), writes * factor) >= min(truth, 0.99 * RESIDENT) * 0.999
