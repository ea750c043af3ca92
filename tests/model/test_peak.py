"""The peak, the write budget, and that each is the inverse of the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp, inf, isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Engine, Population
from checker.model.cow import writes_for_occupancy
from checker.model.peak import (
    FORK_KERNEL_BYTES,
    HIGHEST_RATE_PER_SECOND,
    SEARCH_RATIO,
    Save,
    largest,
    page_table_bytes,
    peak_bytes,
    resident_that_fits,
    scaled,
    worst_peak_bytes,
    write_budget_per_second,
)
from checker.model.workload import Workload
from checker.policy import Distribution
from checker.units import GIB, MIB

REDIS = Engine(name="redis", version="7.0.15", allocator="jemalloc-5.3.0", forks=True)


def a_save(
    resident: int = 400 * MIB,
    seconds: float = 4.0,
    shape: tuple[Population, ...] = (),
    distribution: Distribution | None = None,
    page: int = 4096,
) -> Save:
    tables = page_table_bytes(resident, page)
    return Save(
        workload=Workload(
            resident_bytes=resident,
            page_size_bytes=page,
            copy_unit_bytes=page,
            engine=REDIS,
            shape=shape,
            distribution=distribution or Distribution(),
            compression=True,
        ),
        seconds=seconds,
        base_bytes=resident + tables,
        child_page_tables_bytes=tables,
    )


DISTRIBUTIONS = st.sampled_from([Distribution(), Distribution("hot", 10)])
SHAPES = st.sampled_from(
    [(), (Population(2_000_000, 100, 10),), (Population(300_000, 1000, 16),), (Population(10_000, 40_000, 12),)]
)


def test_page_tables_are_two_mib_a_gib() -> None:
    assert page_table_bytes(GIB, 4096) == 2 * MIB
    assert page_table_bytes(GIB, 16384) == MIB / 2


def test_with_no_writes_the_peak_is_what_is_held_page_tables_and_the_child() -> None:
    save = a_save()
    child = peak_bytes(save, 0) - save.base_bytes - save.child_page_tables_bytes - FORK_KERNEL_BYTES
    assert 0 < child < 2 * MIB


def test_the_worst_case_is_twice_the_resident_memory() -> None:
    save = a_save(resident=GIB)
    assert worst_peak_bytes(save) == pytest.approx(2 * GIB + 4 * MIB, abs=2 * MIB)


def test_the_formula_of_the_write_budget() -> None:
    """w = −ln(1 − H/R) · R / (k·P·T), for pages that are all alike."""
    save = a_save(resident=400 * MIB, seconds=5)
    limit = peak_bytes(save, 2000.0)
    assert write_budget_per_second(save, limit) == pytest.approx(2000.0, rel=1e-6)


def test_the_search_ends_where_hardly_anything_fits() -> None:
    save = a_save(seconds=1e6)
    assert 0 <= write_budget_per_second(save, peak_bytes(save, 0) * (1 + 1e-15)) < 1e-3


def test_a_limit_above_the_worst_case_takes_any_rate() -> None:
    save = a_save()
    assert write_budget_per_second(save, worst_peak_bytes(save) + 1) == inf


def test_a_limit_below_what_is_held_takes_no_write() -> None:
    save = a_save()
    assert write_budget_per_second(save, save.base_bytes) == 0


@given(SHAPES, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.1, 100))
def test_the_peak_grows_with_the_write_rate_and_never_passes_the_worst_case(
    shape: tuple[Population, ...], some: float, more: float, seconds: float
) -> None:
    save = a_save(shape=shape, seconds=seconds)
    some, more = sorted((some, more))
    assert peak_bytes(save, some) <= peak_bytes(save, more) + 1
    assert peak_bytes(save, more) <= worst_peak_bytes(save) + 1


@given(SHAPES, st.floats(1, 1e5), st.floats(0.1, 50), st.floats(1, 4))
def test_a_longer_save_never_needs_less(
    shape: tuple[Population, ...], rate: float, seconds: float, factor: float
) -> None:
    save = a_save(shape=shape, seconds=seconds)
    assert peak_bytes(save, rate) <= peak_bytes(replace(save, seconds=seconds * factor), rate) + 1


@given(st.floats(1, 1e5), st.sampled_from([4096, 16384]), st.sampled_from([2, 4]))
def test_larger_pages_never_copy_less(rate: float, page: int, factor: int) -> None:
    small, large = a_save(page=page), a_save(page=page * factor)
    copied = [peak_bytes(save, rate) - save.base_bytes - save.child_page_tables_bytes for save in (small, large)]
    assert copied[0] <= copied[1] + 1


SAVES = st.builds(
    lambda save, others, buffers, files: replace(
        save,
        base_bytes=save.base_bytes + others,
        buffer_bytes_per_write=buffers[0],
        buffer_limit_bytes=buffers[1],
        memory_file_bytes=files * save.workload.resident_bytes,
    ),
    st.builds(a_save, shape=SHAPES, seconds=st.floats(0.1, 60), distribution=DISTRIBUTIONS),
    others=st.sampled_from([0, 50 * MIB, 3 * GIB]),
    buffers=st.sampled_from([(0.0, 0.0), (200.0, 256 * MIB), (1100.0, 64 * MIB), (200.0, inf)]),
    files=st.sampled_from([0, 1, 2]),
)
"""With regions and without, buffers with limits and without, files on tmpfs, others in the same cgroup."""

HAIR = 1 + 2 * SEARCH_RATIO


@given(SAVES, st.floats(0, 1.2))
def test_the_budget_fits_and_a_hair_more_does_not(save: Save, where: float) -> None:
    least = peak_bytes(save, 0)
    limit = least + where * (min(worst_peak_bytes(save), least + 2 * GIB) - least)
    budget = write_budget_per_second(save, limit)
    if isinf(budget):
        assert peak_bytes(save, HIGHEST_RATE_PER_SECOND) <= limit
    else:
        assert peak_bytes(save, budget) <= limit < peak_bytes(save, budget * HAIR + 2 * SEARCH_RATIO)


@given(SAVES, st.floats(0, 50_000), st.integers(0, 8192))
def test_the_resident_size_that_fits_fits_and_a_hair_more_does_not(save: Save, rate: float, limit_mib: int) -> None:
    limit = limit_mib * MIB
    resident = resident_that_fits(save, rate, limit)
    if resident == 0:
        assert peak_bytes(scaled(save, 1), rate) > limit
    elif resident < limit:
        assert peak_bytes(scaled(save, resident), rate) <= limit < peak_bytes(scaled(save, resident * HAIR + 1), rate)


@given(st.floats(100, 50_000), st.floats(0.5, 30), st.floats(0.001, 0.999))
def test_where_pages_are_all_alike_the_budget_is_the_formula_of_its_inverse(
    rate: float, seconds: float, where: float
) -> None:
    save = a_save(seconds=seconds)
    limit = peak_bytes(save, 0) + where * (peak_bytes(save, 1e12) - peak_bytes(save, 0) - 2 * MIB)
    room = limit - peak_bytes(save, 0)
    by_formula = writes_for_occupancy(400 * MIB, room, pages_per_write=3, page=4096) / seconds
    assert write_budget_per_second(save, limit) == pytest.approx(by_formula, rel=3 * SEARCH_RATIO, abs=1e-6)


@pytest.mark.parametrize(
    ("curve", "answer"),
    [
        pytest.param(lambda x: x - 7.0, 7.0, id="a line"),
        pytest.param(lambda x: -1.0 if x < 7 else 1.0, 7.0, id="a step"),
        pytest.param(lambda x: x**9 - 7**9, 7.0, id="steep on one side"),
        pytest.param(lambda x: 1 - exp(7 - x), 7.0, id="flat on one side"),
        pytest.param(lambda x: x - 1e-30, 0.0, id="hardly above nothing"),
        pytest.param(lambda x: -1.0, 100.0, id="all fit"),
        pytest.param(lambda x: 1.0, 0.0, id="none fits"),
    ],
)
@pytest.mark.parametrize("begin", [0.0, 1e-9, 6.999999999, 7.0, 8.0, 100.0, inf])
def test_a_search_ends_on_the_side_that_fits_wherever_it_begins(
    curve: Callable[[float], float], answer: float, begin: float
) -> None:
    asked = []

    def over(value: float) -> float:
        asked.append(value)
        return curve(value)

    found = largest(over, begin, 100.0)
    assert found <= answer <= found + SEARCH_RATIO * max(1.0, 100.0)
    assert len(asked) < 120  # a bisection alone takes 37, and one step in three is of one


def test_buffers_grow_with_the_writes_up_to_their_limit() -> None:
    save = replace(a_save(), buffer_bytes_per_write=200, buffer_limit_bytes=256 * MIB)
    without = a_save()
    assert peak_bytes(save, 1000) - peak_bytes(without, 1000) == 200 * 1000 * save.seconds
    assert peak_bytes(save, 1e9) - peak_bytes(without, 1e9) == 256 * MIB
    assert worst_peak_bytes(save) - worst_peak_bytes(without) == 256 * MIB


@pytest.mark.parametrize("cores", [0.25, 0.5, 1.0, 1.5, 4.0])
def test_under_a_cpu_limit_the_budget_is_still_the_inverse(cores: float) -> None:
    """More writes take more CPU time from the child, which then lives longer."""
    save = replace(a_save(), cpu_limit_cores=cores)
    limit = peak_bytes(save, 3000.0)
    budget = write_budget_per_second(save, limit)
    assert budget == pytest.approx(3000.0, rel=1e-6)
    assert peak_bytes(save, budget) <= limit < peak_bytes(save, budget * 1.001)
    assert budget <= write_budget_per_second(replace(save, cpu_limit_cores=None), limit)


def test_a_save_scaled_to_its_own_size_is_the_same_save() -> None:
    save = replace(
        a_save(shape=(Population(2_000_000, 100, 10),)),
        buffer_bytes_per_write=200.0,
        buffer_limit_bytes=256.0 * MIB,
        memory_file_bytes=5.0 * MIB,
        cpu_limit_cores=0.5,
    )
    assert scaled(save, save.workload.resident_bytes) == save
