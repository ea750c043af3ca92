"""From pages counted at some moments to those of a save."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Written
from checker.model.curve import MOST_RATIO, written_after
from checker.units import MIB

RESIDENT = 100 * MIB


def looked(dirty_after, *moments: float) -> Written:
    *earlier, last = ((at, round(dirty_after(at))) for at in moments)
    return Written(bytes=last[1], seconds=last[0], earlier=tuple(earlier))


def mixture(*parts: tuple[float, float]):
    """Shares of the pages, each with its rate of writes a second."""
    return lambda seconds: RESIDENT * sum(share * (1 - exp(-rate * seconds)) for share, rate in parts)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0, 8.0])
def test_writes_that_prefer_no_page_are_told_exactly(seconds):
    uniform = mixture((1.0, 0.2))
    assert written_after(looked(uniform, 0.5, 1, 1.5, 2), RESIDENT, seconds) == pytest.approx(
        uniform(seconds), rel=1e-4
    )


def test_a_hot_tenth_is_told_within_a_few_per_cent_where_one_look_is_far_off():
    hot = mixture((0.1, 9.0), (0.9, 0.02))
    one, four = looked(hot, 2.0), looked(hot, 0.5, 1.0, 1.5, 2.0)
    assert written_after(four, RESIDENT, 8.0) == pytest.approx(hot(8.0), rel=0.03)
    assert written_after(one, RESIDENT, 8.0) > 1.4 * hot(8.0)


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.001, 5)), min_size=1, max_size=4),
    st.floats(1.0, 30.0),
)
def test_after_the_last_look_it_is_never_too_little(parts, more):
    whole = sum(share for share, _ in parts)
    curve = mixture(*((share / whole, rate) for share, rate in parts))
    told = written_after(looked(curve, 0.5, 1.0, 1.5, 2.0), RESIDENT, 2.0 + more)
    assert told >= 0.995 * min(curve(2.0 + more), MOST_RATIO * RESIDENT)


def test_nothing_written_and_nothing_resident_are_nothing():
    assert written_after(Written(0, 2.0), RESIDENT, 10.0) == 0
    assert written_after(Written(5 * MIB, 2.0), 0, 10.0) == 0
