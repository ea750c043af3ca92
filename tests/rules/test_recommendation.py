"""Each number of a recommendation, applied alone, makes the answer better."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.facts import UNLIMITED, Server
from checker.units import GIB, MIB
from tests.build import (
    NEVER_FORKS,
    UNREAD,
    a_config,
    a_manifest,
    a_node,
    a_server,
    declares,
    holding,
    with_limit,
    with_maxmemory,
)
from tests.rules.asking import verdict_on

NEVER = a_config(**NEVER_FORKS)


def grade(server, **stated):
    return verdict_on(server, **stated).grade


@given(
    st.integers(50, 3000).map(lambda mib: mib * MIB),
    st.integers(100, 4000).map(lambda mib: mib * MIB),
    st.floats(0, 50_000),
)
@settings(max_examples=80, deadline=None)
def test_a_manifest_that_follows_either_number_is_no_longer_unsafe(maxmemory, limit, rate):
    server, stated = a_manifest(limit=limit, maxmemory=maxmemory), {"write_rate_per_second": rate}
    before = verdict_on(server, **stated)
    advice = before.recommendation
    if before.grade == "unsafe":
        assert grade(with_limit(server, advice.limit_bytes), **stated) in ("safe", "risky")
        if advice.maxmemory_bytes:
            assert grade(with_maxmemory(server, advice.maxmemory_bytes), **stated) in ("safe", "risky")
    elif before.grade == "risky":
        assert grade(with_limit(server, advice.limit_bytes), **stated) == "safe"
    else:
        assert advice.limit_bytes is None


@given(st.integers(2, 2000), st.integers(100, 3000), st.integers(100, 3000))
@settings(max_examples=60, deadline=None)
def test_a_running_server_that_follows_the_limit_stays_well_until_it_has_grown_to_maxmemory(resident, maxmemory, limit):
    server = a_server(**holding(resident * MIB), config=a_config(maxmemory=maxmemory * MIB))
    server = with_limit(server, limit * MIB)
    before = verdict_on(server)
    if before.recommendation.limit_bytes is None:
        return
    after = verdict_on(with_limit(server, before.recommendation.limit_bytes))
    assert after.grade == ("safe" if before.grade == "risky" else after.grade)
    assert after.grade in ("safe", "risky")
    found = {finding.rule: finding.status for finding in after.findings}
    assert found.get("peak-at-maxmemory", "pass") == "pass"


@pytest.mark.parametrize(
    "server",
    [a_manifest(maxmemory=0), a_server(config=a_config(maxmemory=0))],
    ids=["manifest", "process"],
)
def test_where_nothing_bounds_the_data_a_maxmemory_is_the_advice(server):
    advice = verdict_on(server).recommendation
    assert advice.limit_bytes is None
    assert grade(with_maxmemory(server, advice.maxmemory_bytes)) != "unsafe"


def test_what_is_safe_needs_nothing():
    assert verdict_on(a_server()).recommendation.limit_bytes is None
    assert verdict_on(a_server()).recommendation.maxmemory_bytes is None


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(with_limit(a_server(), UNREAD), id="limit"),
        pytest.param(a_manifest(maxmemory=UNREAD), id="maxmemory"),
    ],
)
def test_an_unread_fact_gives_no_number(server: Server):
    advice = verdict_on(server).recommendation
    assert (advice.limit_bytes, advice.maxmemory_bytes) == (None, None)


def test_a_server_that_never_forks_needs_no_room_for_copies():
    server = with_limit(a_server(**holding(1000 * MIB), config=NEVER), 900 * MIB)
    advice = verdict_on(server).recommendation
    assert advice.limit_bytes < 1100 * MIB
    assert grade(with_limit(server, advice.limit_bytes)) == "safe"


def test_a_declared_dataset_is_bound_enough():
    server = a_manifest(limit=GIB, maxmemory=0, declared=declares(dataset=800 * MIB))
    advice = verdict_on(server).recommendation
    assert grade(with_limit(server, advice.limit_bytes)) == "safe"


def test_no_limit_is_advised_that_the_machine_does_not_have():
    server = with_limit(a_server(**holding(3 * GIB), config=a_config(maxmemory=3 * GIB)), 3 * GIB)
    assert verdict_on(server, a_node(mem_total=3500 * MIB)).recommendation.limit_bytes is None
    assert verdict_on(server).recommendation.limit_bytes is not None


def test_without_a_limit_the_advice_is_one_that_even_the_worst_case_fits():
    server = replace(a_manifest(), limit=replace(a_manifest().limit, value=UNLIMITED))
    assert grade(with_limit(server, verdict_on(server).recommendation.limit_bytes)) == "safe"
