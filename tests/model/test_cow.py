"""Pages copied: limits of the formula, regions, dismissal, and recorded forks."""

from __future__ import annotations

import time
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Engine, Node, Population, Process, Unread
from checker.lab.case import Case, read_jsonl
from checker.lab.predict import predict
from checker.model.child import child_bytes, child_copies_values
from checker.model.cow import (
    copied_bytes,
    copy_unit_bytes,
    gives_back,
    huge_page_bytes,
    live_copies,
    occupancy_bytes,
    pages_per_write,
    touched_per_write,
    worst_copied_bytes,
    writes_for_occupancy,
)
from checker.model.workload import Workload
from checker.policy import Distribution
from checker.units import KIB, MIB
from tests.model.test_overcommit import NODE, a_process
from tests.recorded import recorded

MB = 1_000_000


def engine(name: str = "redis", version: str = "7.0.15", allocator: str = "jemalloc-5.3.0") -> Engine:
    return Engine(name=name, version=version, allocator=allocator, forks=True)


def a_workload(
    keys: int = 1_000_000,
    value: int = 100,
    *,
    resident: int = 194 * MB,
    on: Engine | None = None,
    distribution: str = "uniform",
    compression: bool = True,
    page: int = 4096,
) -> Workload:
    return Workload(
        resident_bytes=resident,
        page_size_bytes=page,
        copy_unit_bytes=page,
        engine=on or engine(),
        shape=(Population(keys, value, 10),),
        distribution=Distribution.parse(distribution),
        compression=compression,
    )


# --- the occupancy formula -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "share"), [pytest.param(1000, 0.12, id="12 %"), pytest.param(8138, 0.63, id="63 %"), (25_000, 0.95)]
)
def test_the_share_copied_at_100_mb_a_second(rate: float, share: float) -> None:
    resident = 500 * MB
    writes = rate * resident / (100 * MB)
    assert occupancy_bytes(resident, writes, pages_per_write=3, page=4096) / resident == pytest.approx(share, abs=0.01)


@given(st.floats(1, 1e12), st.floats(1, 1e9), st.floats(0.1, 100), st.sampled_from([4096, 16384, 65536]))
def test_writes_and_copies_are_inverses(resident: float, writes: float, k: float, page: int) -> None:
    copied = occupancy_bytes(resident, writes, pages_per_write=k, page=page)
    assert 0 <= copied <= resident
    if copied < resident * 0.999999:
        assert writes_for_occupancy(resident, copied, pages_per_write=k, page=page) == pytest.approx(writes, rel=1e-6)


def test_all_or_more_takes_infinitely_many_writes_and_nothing_takes_none() -> None:
    assert writes_for_occupancy(MB, MB, pages_per_write=3, page=4096) == inf
    assert writes_for_occupancy(MB, 0, pages_per_write=3, page=4096) == 0
    assert occupancy_bytes(0, 1000, pages_per_write=3, page=4096) == 0


def test_values_above_a_page_touch_all_their_pages() -> None:
    assert pages_per_write(100, 4096) == 3
    assert pages_per_write(40_960, 4096) == 13


# --- regions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "keys", "value", "resident", "distribution", "writes", "measured"),
    [
        pytest.param(engine(), 1_000_000, 100, 194, "uniform", 3000, 31.5, id="few writes"),
        pytest.param(engine(), 1_000_000, 100, 194, "uniform", 42_000, 152.6, id="many writes"),
        pytest.param(engine(), 1_000_000, 100, 194, "zipf:0.99", 24_700, 90.2, id="zipf"),
        pytest.param(engine(), 1_000_000, 100, 194, "hot:10", 15_500, 97.5, id="hot set"),
        pytest.param(engine(), 300_000, 1000, 348, "uniform", 25_900, 108.1, id="1000-byte values"),
        pytest.param(engine(version="8.0.2"), 1_000_000, 100, 195, "uniform", 18_900, 113.4, id="redis 8.0"),
        pytest.param(engine("valkey", "8.1.1"), 1_000_000, 100, 174, "uniform", 15_300, 78.4, id="valkey 8.1"),
    ],
)
def test_copies_that_were_measured(
    on: Engine, keys: int, value: int, resident: int, distribution: str, writes: int, measured: float
) -> None:
    workload = a_workload(keys, value, resident=resident * MB, on=on, distribution=distribution)
    assert copied_bytes(workload, writes) / MB == pytest.approx(measured, rel=0.07)


WORKLOADS = st.builds(
    a_workload,
    st.sampled_from([10_000, 1_000_000]),
    st.sampled_from([1, 20, 44, 45, 100, 1000, 4000, 5000, 9000, 20_000, 100_000]),
    resident=st.integers(60, 4000).map(lambda mb: mb * MB),
    on=st.sampled_from(
        [
            engine(),
            engine(version="6.2.14", allocator="libc"),
            engine("valkey", "8.1.1"),
            engine("valkey", "9.1.2", "libc"),
            engine("keydb", "6.3.4", "jemalloc"),
        ]
    ),
    distribution=st.sampled_from(["uniform", "zipf:0.99", "hot:1"]),
    page=st.sampled_from([4096, 16384, 65536]),
)


@given(WORKLOADS, st.floats(0, 1e8), st.floats(0, 1e8))
def test_more_writes_never_copy_less_and_never_more_than_everything(
    workload: Workload, some: float, more: float
) -> None:
    some, more = sorted((some, more))
    few, many = copied_bytes(workload, some), copied_bytes(workload, more)
    assert 0 < few <= many * (1 + 1e-9) <= worst_copied_bytes(workload) * (1 + 1e-9)


@given(st.sampled_from([20, 100, 1000, 2000]), st.floats(10, 1e6))
def test_the_k_formula_is_an_upper_bound_for_small_values(value: int, writes: float) -> None:
    workload = a_workload(value=value, keys=500_000, resident=500_000 * (value + 110))
    formula = occupancy_bytes(workload.resident_bytes, writes, pages_per_write=3, page=4096)
    assert copied_bytes(workload, writes) <= (formula + child_bytes(workload)) * 1.01


def test_a_write_to_a_small_value_touches_about_three_pages_and_in_valkey_two() -> None:
    assert touched_per_write(a_workload()) == pytest.approx(3.0, abs=0.1)
    assert touched_per_write(a_workload(on=engine("valkey", "8.1.1"))) == pytest.approx(2.0, abs=0.1)


def test_an_unknown_shape_falls_back_to_the_bound() -> None:
    workload = replace(a_workload(), shape=())
    assert not workload.regions_known
    assert touched_per_write(workload) == 3
    assert copied_bytes(workload, 3000) > copied_bytes(a_workload(), 3000) * 0.99


def test_a_shape_that_does_not_account_for_the_memory_is_not_believed() -> None:
    assert not a_workload(keys=100_000_000).regions_known


def test_unexplained_memory_spreads_the_data_over_more_pages() -> None:
    fresh, fragmented = a_workload(), a_workload(resident=2 * 194 * MB)
    assert copied_bytes(fragmented, 100_000) > 1.3 * copied_bytes(fresh, 100_000)


def test_an_unknown_server_is_taken_for_the_one_that_copies_most() -> None:
    unread = Unread("INFO", "not asked")
    unknown = Engine(name="valkey", version=unread, allocator=unread, forks=True)
    assert copied_bytes(a_workload(on=unknown), 3000) >= copied_bytes(a_workload(on=engine("valkey", "8.1.1")), 3000)


def test_a_hundred_million_keys_take_milliseconds() -> None:
    workload = a_workload(keys=100_000_000, resident=19_400 * MB, distribution="zipf:0.9")
    start = time.process_time()
    copied_bytes(workload, 1e6)
    assert time.process_time() - start < 1


# --- dismissal -------------------------------------------------------------------------------------------------------


def test_a_child_that_gives_large_values_back_keeps_fewer_copies() -> None:
    dismissing = a_workload(10_000, 40_000, resident=450 * MB)
    keeping = a_workload(10_000, 40_000, resident=450 * MB, on=engine(version="6.2.14"))
    assert copied_bytes(dismissing, 1000) < 0.6 * copied_bytes(keeping, 1000)


def test_small_values_are_not_dismissed() -> None:
    old, new = (a_workload(on=engine(version=version)) for version in ("6.2.14", "7.0.15"))
    assert copied_bytes(old, 10_000) == copied_bytes(new, 10_000)


# --- the child itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "keys", "value", "measured"),
    [
        pytest.param(engine(), 600_000, 20, 0.56, id="nothing to compress"),
        pytest.param(engine(), 421_052, 100, 1.0, id="compression"),
        pytest.param(engine("valkey", "8.1.1"), 600_000, 20, 0.55, id="valkey: embedded values are not freed"),
        pytest.param(engine("valkey", "8.1.1"), 135_593, 500, 3.64, id="valkey frees: a record a slab"),
        pytest.param(engine("valkey", "8.1.1"), 38_277, 2000, 3.87, id="valkey frees larger values"),
        pytest.param(engine("valkey", "9.1.2", "libc"), 421_052, 100, 0.88, id="glibc"),
        pytest.param(engine(version="6.2.14", allocator="libc"), 600_000, 20, 0.19, id="glibc, nothing to compress"),
    ],
)
def test_what_an_idle_save_copied(on: Engine, keys: int, value: int, measured: float) -> None:
    workload = a_workload(keys, value, resident=85 * MB, on=on)
    assert copied_bytes(workload, 0) / MB == pytest.approx(measured, abs=0.45)


@pytest.mark.parametrize(
    ("value", "copies"),
    [
        pytest.param(8192, False, id="the static buffer suffices"),
        pytest.param(8300, True, id="a buffer of its own"),
        pytest.param(16_000, True, id="16 KB"),
        pytest.param(30_000, True, id="still from the thread cache"),
        pytest.param(36_000, False, id="beyond the thread cache"),
    ],
)
def test_valkey_8_1_copies_values_from_8_to_32_kib_with_nobody_writing(value: int, copies: bool) -> None:
    """Measured idle, 60 to 80 MB of data: all of it from 8300 to 30,000 bytes, 2 MB at 8190 and at 36,000 bytes."""
    workload = a_workload(70 * MB // value, value, resident=75 * MB, on=engine("valkey", "8.1.1"))
    assert child_copies_values(workload.shape[0], workload) is copies
    assert (copied_bytes(workload, 0) > 55 * MB) is copies
    assert not child_copies_values(workload.shape[0], replace(workload, compression=False))
    assert not child_copies_values(workload.shape[0], replace(workload, engine=engine()))


# --- the unit that is copied -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "thp", "process_thp", "unit"),
    [
        pytest.param("6.1.0", "always", True, 4096, id="since 5.8 a base page"),
        pytest.param("5.8.0", "always", True, 4096, id="5.8 itself"),
        pytest.param("5.7.19", "always", True, 2 * MIB, id="before 5.8 a huge page"),
        pytest.param("5.7.19", "madvise", True, 4096, id="not asked for"),
        pytest.param("4.19.0", "always", False, 4096, id="switched off for the process"),
    ],
)
def test_one_write_copies(release: str, thp: str, process_thp: bool, unit: int) -> None:
    node: Node = replace(NODE, kernel_release=release, thp_enabled=thp)
    process: Process = replace(a_process(), thp_enabled=process_thp)
    assert copy_unit_bytes(node, process) == unit


@pytest.mark.parametrize(("page", "huge"), [(4 * KIB, 2 * MIB), (16 * KIB, 32 * MIB), (64 * KIB, 512 * MIB)])
def test_huge_pages_are_a_page_table_full_of_base_pages(page: int, huge: int) -> None:
    assert huge_page_bytes(page) == huge


def test_huge_pages_copy_nearly_everything_at_once() -> None:
    workload = replace(a_workload(), copy_unit_bytes=2 * MIB)
    assert copied_bytes(workload, 200) > 0.9 * workload.resident_bytes


# --- recorded forks --------------------------------------------------------------------------------------------------


OURS = Path(__file__).parents[1] / "fixtures/recorded_forks.jsonl"


@pytest.fixture(params=["ours", "beside the repository"])
def cases(request: pytest.FixtureRequest) -> list[Case]:
    path = OURS if request.param == "ours" else recorded("cow-cases.jsonl")
    return [case for case in read_jsonl(path) if case.measured_cow() is not None]


def test_recorded_forks_of_small_values_under_jemalloc_are_within_the_bar(cases: list[Case]) -> None:
    strings = [case for case in cases if not case.is_of_another_type()]
    small = [case for case in strings if case.value_bytes < 3000 and case.server()[2] == "jemalloc"]
    errors = sorted(abs(predict(case).cow_bytes / (case.last_cow_bytes or 1) - 1) for case in small)
    assert len(errors) >= 16
    assert median(errors) <= 0.03
    assert errors[min(len(errors) - 1, int(0.95 * len(errors)))] <= 0.10


def test_no_recorded_peak_is_above_the_worst_case(cases: list[Case]) -> None:
    for case in cases:
        peak = (case.cgroup_anon_peak_bytes or 0) - (case.cgroup_anon_before_bytes or 0) + case.rss_anon_bytes
        assert peak <= predict(case).worst_peak_bytes, case


def test_no_recorded_copy_of_small_values_is_above_the_k_formula(cases: list[Case]) -> None:
    for case in cases:
        if case.value_bytes < 3000 and case.writes_during_save:
            assert (case.last_cow_bytes or 0) <= predict(case).kformula_cow_bytes, case


@pytest.mark.parametrize(
    ("server", "shape"),
    [
        pytest.param(engine(), (), id="shape unknown"),
        pytest.param(engine(), (Population(400_000, 100, 10),), id="small values"),
        pytest.param(engine(), (Population(3_000, 40_000, 12),), id="values that the child gives back"),
        pytest.param(engine("valkey", "8.1.1"), (Population(10_000, 10_000, 12),), id="values that the child copies"),
    ],
)
def test_the_copies_by_progress_reach_what_is_copied(server: Engine, shape: tuple[Population, ...]) -> None:
    load = Workload(
        resident_bytes=120 * MIB,
        page_size_bytes=4096,
        copy_unit_bytes=4096,
        engine=server,
        shape=shape,
        distribution=Distribution(),
        compression=True,
    )
    live = live_copies(load, 5_000)
    course = [live(step / 64) for step in range(65)]
    assert course[0] == pytest.approx(child_bytes(load))
    assert max(course) == pytest.approx(copied_bytes(load, 5_000), rel=1e-3)
    assert gives_back(load) is (course[-1] < max(course))
