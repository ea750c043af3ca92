"""The peak, the write budget, and that each is the inverse of the other."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Engine, Population
from checker.model.peak import (
    FORK_KERNEL_BYTES,
    Save,
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


@given(SHAPES, st.floats(0.001, 0.999), st.floats(0.5, 30))
def test_the_budget_is_the_exact_inverse_of_the_peak(
    shape: tuple[Population, ...], where: float, seconds: float
) -> None:
    save = a_save(shape=shape, seconds=seconds)
    least, most = peak_bytes(save, 0), worst_peak_bytes(save)
    limit = least + where * (most - least)
    budget = write_budget_per_second(save, limit)
    if isinf(budget):
        assert peak_bytes(save, 1e12) <= limit
        return
    assert peak_bytes(save, budget) <= limit
    assert peak_bytes(save, budget * 1.000001 + 1e-6) >= limit - 1


@given(st.floats(100, 50_000), st.integers(64, 4096))
def test_the_resident_size_that_fits_fits_and_one_mib_more_does_not(rate: float, limit_mib: int) -> None:
    save, limit = a_save(), limit_mib * MIB
    resident = resident_that_fits(save, rate, limit)
    assert peak_bytes(scaled(save, resident), rate) <= limit + 1
    assert peak_bytes(scaled(save, resident + MIB), rate) > limit


def test_buffers_grow_with_the_writes_up_to_their_limit() -> None:
    save = replace(a_save(), buffer_bytes_per_write=200, buffer_limit_bytes=256 * MIB)
    without = a_save()
    assert peak_bytes(save, 1000) - peak_bytes(without, 1000) == 200 * 1000 * save.seconds
    assert peak_bytes(save, 1e9) - peak_bytes(without, 1e9) == 256 * MIB
    assert worst_peak_bytes(save) - worst_peak_bytes(without) == 256 * MIB
