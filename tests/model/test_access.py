"""How many keys the writes touch."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.model.access import HOT_WRITE_RATIO, touched_ratio
from checker.policy import Distribution

DISTRIBUTIONS = st.one_of(
    st.just(Distribution()),
    st.floats(0.1, 3).map(lambda s: Distribution("zipf", s)),
    st.floats(0.1, 100).map(lambda p: Distribution("hot", p)),
)


@pytest.mark.parametrize("exponent", [0.5, 0.8, 0.99, 1.0, 1.2, 2.0, 3.0])
@pytest.mark.parametrize("keys", [1, 255, 256, 257, 10_000])
@pytest.mark.parametrize("share", [0.001, 0.1, 3.0])
def test_zipf_agrees_with_the_sum_over_every_key(exponent: float, keys: int, share: float) -> None:
    writes = share * keys
    norm = sum(rank**-exponent for rank in range(1, keys + 1))
    summed = sum(-math.expm1(-writes * rank**-exponent / norm) for rank in range(1, keys + 1)) / keys
    assert touched_ratio(Distribution("zipf", exponent), keys, writes) == pytest.approx(summed, rel=1e-6)


def test_a_hot_set_takes_nine_writes_in_ten() -> None:
    keys, writes = 1_000_000, 100.0  # so few that no key is written twice
    touched = touched_ratio(Distribution("hot", 1), keys, writes) * keys
    assert touched == pytest.approx(writes, rel=0.01)
    saturated = touched_ratio(Distribution("hot", 1), keys, 1e5)
    background = 1 - math.exp(-(1 - HOT_WRITE_RATIO) * 1e5 / keys)
    assert saturated == pytest.approx(0.01 + 0.99 * background, rel=1e-3)


def test_a_hot_set_of_all_keys_is_uniform() -> None:
    assert touched_ratio(Distribution("hot", 100), 1000, 700) == pytest.approx(touched_ratio(Distribution(), 1000, 700))


def test_one_write_to_a_hundred_million_keys_touches_one_key() -> None:
    for distribution in (Distribution(), Distribution("zipf", 0.8), Distribution("hot", 10)):
        assert touched_ratio(distribution, 10**8, 1) * 10**8 == pytest.approx(1, rel=0.1)


@given(DISTRIBUTIONS, st.integers(1, 10**9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_more_writes_never_touch_fewer_keys(distribution: Distribution, keys: int, some: float, more: float) -> None:
    some, more = sorted((some, more))
    few, many = touched_ratio(distribution, keys, some), touched_ratio(distribution, keys, more)
    assert 0 <= few <= many * (1 + 1e-9) <= 1 + 1e-9


@given(st.floats(0.1, 3), st.integers(300, 10**8), st.floats(1, 1e8))
def test_uniform_access_touches_most(exponent: float, keys: int, writes: float) -> None:
    uniform = touched_ratio(Distribution(), keys, writes)
    assert touched_ratio(Distribution("zipf", exponent), keys, writes) <= uniform * (1 + 1e-6)
    assert touched_ratio(Distribution("hot", 10), keys, writes) <= uniform * (1 + 1e-6)


def test_nothing_is_touched_by_no_writes_or_of_no_keys() -> None:
    assert touched_ratio(Distribution(), 1000, 0) == 0
    assert touched_ratio(Distribution("zipf", 1.0), 0, 1000) == 0


def test_the_work_does_not_grow_with_the_number_of_keys() -> None:
    """No per-key loop: a hundred million keys may not take a hundred times as long as a million (it takes as long)."""
    start = time.process_time()
    touched_ratio(Distribution("zipf", 0.987), 10**8, 12_345.0)
    assert time.process_time() - start < 1.0
