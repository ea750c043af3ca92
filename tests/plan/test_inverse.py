"""What plan proposes is the last that fits, by the judgement of `judge()` itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from checker.plan import PlanError, Wish, parse_engine, plan
from checker.plan.solving import Circumstances
from checker.plan.subject import node_of, server_of
from checker.policy import Assumptions, Distribution, Policy
from checker.rules import judge
from checker.units import GIB, MIB
from checker.verdict import Grade

ENGINES = ("redis", "redis:6.2", "redis:7.2", "valkey:8.0", "valkey:8.1", "valkey:9.1", "keydb:6.3", "dragonfly")


def grade(wish: Wish, assumptions: Assumptions, maxmemory: int, limit: int, rate: float | None) -> Grade:
    """What `judge()` says of the same server at these numbers."""
    case = Circumstances(wish, assumptions, Policy())
    return judge(server_of(wish, maxmemory, limit), node_of(wish), case.stated(maxmemory, rate), Policy()).grade


def check_maxmemory(wish: Wish, assumptions: Assumptions) -> None:
    """The proposed maxmemory is not unsafe; one MiB more is."""
    assert wish.limit is not None
    planned, verdict = plan(wish, assumptions, Policy())
    rate = assumptions.write_rate_per_second
    assert verdict.grade in ("safe", "risky")
    assert verdict.grade == grade(wish, assumptions, planned.maxmemory_bytes, wish.limit, rate)
    assert grade(wish, assumptions, planned.maxmemory_bytes + MIB, wish.limit, rate) == "unsafe"


def check_limit(wish: Wish, assumptions: Assumptions) -> None:
    """The proposed limit is not unsafe; one MiB less is."""
    assert wish.maxmemory is not None
    planned, verdict = plan(wish, assumptions, Policy())
    rate = assumptions.write_rate_per_second
    assert verdict.grade in ("safe", "risky")
    assert grade(wish, assumptions, wish.maxmemory, planned.limit_bytes, rate) == verdict.grade
    assert grade(wish, assumptions, wish.maxmemory, planned.limit_bytes - MIB, rate) == "unsafe"


def check_rate(wish: Wish, assumptions: Assumptions) -> None:
    """The proposed rate is not unsafe; a thousandth more is, or peaks within a byte of the limit."""
    assert wish.maxmemory is not None
    assert wish.limit is not None
    planned, verdict = plan(wish, assumptions, Policy())
    rate = planned.write_rate_per_second
    assert verdict.grade in ("safe", "risky")
    if rate is None:
        assert grade(wish, assumptions, wish.maxmemory, wish.limit, 1e9) != "unsafe"
        return
    assert grade(wish, assumptions, wish.maxmemory, wish.limit, rate) == verdict.grade
    tighter = grade(wish, assumptions, wish.maxmemory, wish.limit - 2, rate * 1.001 + 1)
    assert tighter == "unsafe"


WAYS = ((0, "rdb"), (2, "aof"), (0, "none"), (1, "both"))
GRID = [
    pytest.param(engine, value, *way, id=f"{engine}, values of {value}, {way[0]} replicas, {way[1]}")
    for (engine, value), way in zip(product(ENGINES, (None, 100, 20_000)), cycle(WAYS), strict=False)
]


@pytest.mark.parametrize(("engine", "value", "replicas", "persistence"), GRID)
def test_each_answer_is_the_last_that_fits(engine, value, replicas, persistence):
    wish = Wish(engine=parse_engine(engine), replicas=replicas, persistence=persistence)
    shape = Assumptions(value_bytes=value)
    for rate in (0.0, 3_000.0):
        check_maxmemory(replace(wish, limit=4 * GIB), replace(shape, write_rate_per_second=rate))
        check_limit(replace(wish, maxmemory=2 * GIB), replace(shape, write_rate_per_second=rate))
    child_copies_all = engine in ("valkey:8.1", "valkey:9.1") and value == 20_000
    check_rate(replace(wish, maxmemory=2 * GIB, limit=(5 if child_copies_all else 3) * GIB), shape)


wishes = st.builds(
    Wish,
    engine=st.sampled_from(ENGINES).map(parse_engine),
    replicas=st.integers(0, 3),
    persistence=st.sampled_from(["rdb", "aof", "both", "none"]),
    page_size_bytes=st.sampled_from([None, 4096, 16384, 65536]),
    cpu_limit_cores=st.sampled_from([None, 0.25, 0.5, 1.0, 1.5, 4.0]),
)
assumptions = st.builds(
    Assumptions,
    save_seconds=st.none() | st.floats(0.1, 3000),
    fragmentation_ratio=st.none() | st.floats(1.0, 3.0),
    value_bytes=st.none() | st.integers(1, 200_000),
    distribution=st.sampled_from([None, Distribution("zipf", 0.99), Distribution("hot", 10)]),
)
rates = st.floats(0, 1e6)


@settings(max_examples=25)
@given(wish=wishes, stated=assumptions, rate=rates, limit=st.integers(64 * MIB, 64 * GIB))
def test_the_largest_maxmemory_of_any_limit(wish, stated, rate, limit):
    try:
        check_maxmemory(replace(wish, limit=limit), replace(stated, write_rate_per_second=rate))
    except PlanError:
        assume(False)


@settings(max_examples=25)
@given(wish=wishes, stated=assumptions, rate=rates, maxmemory=st.integers(MIB, 64 * GIB))
def test_the_smallest_limit_of_any_maxmemory(wish, stated, rate, maxmemory):
    check_limit(replace(wish, maxmemory=maxmemory), replace(stated, write_rate_per_second=rate))


@settings(max_examples=25)
@given(wish=wishes, stated=assumptions, maxmemory=st.integers(16 * MIB, 64 * GIB), ratio=st.floats(0.5, 4.0, width=32))
def test_the_highest_rate_of_any_two_sizes(wish, stated, maxmemory, ratio):
    try:
        check_rate(replace(wish, maxmemory=maxmemory, limit=int(maxmemory * ratio)), stated)
    except PlanError as error:
        assert "at any write rate" in str(error)
        assert grade(wish, stated, maxmemory, int(maxmemory * ratio), 0.0) == "unsafe"


@pytest.mark.parametrize("stated", [{}, {"value_bytes": 100}], ids=["shape unknown", "shape known"])
def test_the_three_directions_agree(stated):
    wish, shape = Wish(engine=parse_engine("redis:7.2")), Assumptions(**stated)
    up, _ = plan(replace(wish, limit=4 * GIB), replace(shape, write_rate_per_second=5000), Policy())
    down, _ = plan(replace(wish, maxmemory=up.maxmemory_bytes), replace(shape, write_rate_per_second=5000), Policy())
    across, _ = plan(replace(wish, maxmemory=up.maxmemory_bytes, limit=4 * GIB), shape, Policy())
    assert 4 * GIB - 3 * MIB < down.limit_bytes <= 4 * GIB
    assert 5000 <= across.write_rate_per_second < 5050
