"""The answer in words, the tables, and input that contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from checker.plan import PlanError, Wish, parse_engine, plan
from checker.policy import Assumptions, Policy
from checker.report.plan_text import dies
from checker.report.planned import Plan, ThumbRow
from checker.units import GIB, MIB


def planned(engine: str = "redis:7.2", wish: dict[str, Any] | None = None, **stated: Any) -> Plan:
    return plan(Wish(engine=parse_engine(engine), **(wish or {})), Assumptions(**stated), Policy())[0]


@pytest.mark.parametrize(
    ("wish", "stated", "answer"),
    [
        pytest.param(
            {"limit": 4 * GIB},
            {"write_rate_per_second": 5000.0},
            "limit 4Gi holds maxmemory 2443mb at 5,000 writes/s; the worst case needs 5.26 GiB",
            id="maxmemory",
        ),
        pytest.param(
            {"maxmemory": 2 * GIB},
            {"write_rate_per_second": 5000.0},
            "maxmemory 2gb at 5,000 writes/s needs a limit of 3433Mi; the worst case needs 4.41 GiB",
            id="limit",
        ),
        pytest.param(
            {"maxmemory": 2 * GIB, "limit": 4 * GIB},
            {},
            "limit 4Gi with maxmemory 2gb holds up to 11,472 writes/s; the worst case needs 4.41 GiB",
            id="write rate",
        ),
        pytest.param(
            {"maxmemory": 2 * GIB, "limit": 8 * GIB},
            {},
            "limit 8Gi holds maxmemory 2gb at any write rate: the worst case needs 4.41 GiB",
            id="any write rate",
        ),
        pytest.param(
            {"limit": 4 * GIB},
            {},
            "limit 4Gi holds maxmemory 3264mb at 1,000 writes/s (assumed); the worst case needs 7.03 GiB",
            id="a limit alone",
        ),
        pytest.param(
            {"maxmemory": 2 * GIB, "limit": 4 * GIB},
            {"write_rate_per_second": 5000.0},
            "limit 4Gi holds maxmemory 2gb at 5,000 writes/s, up to 11,472; the worst case needs 4.41 GiB",
            id="all three, and it fits",
        ),
        pytest.param(
            {"maxmemory": 3 * GIB, "limit": 4 * GIB},
            {"write_rate_per_second": 9000.0},
            "limit 4Gi does not hold maxmemory 3gb at 9,000 writes/s: it takes a limit of 5869Mi, or maxmemory 2143mb, "
            "or at most 1,590 writes/s; the worst case needs 6.61 GiB",
            id="all three, and it does not",
        ),
        pytest.param(
            {"limit": 4 * GIB, "persistence": "none"},
            {},
            "limit 4Gi holds maxmemory 3716mb: nothing makes it fork",
            id="nothing forks",
        ),
        pytest.param(
            {"maxmemory": 4 * GIB, "limit": 4 * GIB, "persistence": "none"},
            {"write_rate_per_second": 1.0},
            "limit 4Gi does not hold maxmemory 4gb, and nothing makes it fork",
            id="nothing forks, and it does not fit",
        ),
    ],
)
def test_the_answer_is_one_sentence_with_its_numbers(wish, stated, answer):
    assert planned(wish=wish, **stated).answer == answer


@pytest.mark.parametrize(
    ("wish", "stated", "message"),
    [
        pytest.param({}, {"write_rate_per_second": 5.0}, "give two of --maxmemory, --limit and --write-rate", id="one"),
        pytest.param({"limit": 0}, {}, "--limit 0: a plan needs a size", id="no limit"),
        pytest.param({"maxmemory": 0}, {}, "0 is Redis' own", id="no bound"),
        pytest.param({"limit": 1 << 51}, {}, "sizes from 1.00 MiB to 1.00 PiB can be planned", id="too large"),
        pytest.param({"limit": MIB}, {}, "holds no maxmemory at all: 1mb takes a limit of 3Mi", id="nothing fits"),
        pytest.param(
            {"maxmemory": 3900 * MIB, "limit": 4 * GIB},
            {},
            "--limit 4Gi does not hold --maxmemory 3900mb at any write rate: it takes a limit of 4308Mi, or maxmemory "
            "3708mb, before the first write",
            id="before the first write",
        ),
        pytest.param(
            {"maxmemory": GIB},
            {"keys": 10_000_000, "value_bytes": 100},
            "10,000,000 keys with values of 100 bytes take 1.91 GiB, more than --maxmemory 1.00 GiB",
            id="more data than maxmemory",
        ),
        pytest.param({}, {"keys": 10**14, "value_bytes": GIB}, "more than any machine has", id="too much data"),
        pytest.param({"limit": GIB}, {"write_rate_per_second": float("nan")}, "--write-rate nan", id="no number"),
    ],
)
def test_what_cannot_be_is_said_with_numbers(wish, stated, message):
    with pytest.raises(PlanError, match=message.replace("(", r"\(").replace("+", r"\+")):
        planned(wish=wish, **stated)


@pytest.mark.parametrize("text", ["memcached", "redis:latest", "", "valkey:x.y"])
def test_an_engine_that_is_not_known_is_refused(text):
    with pytest.raises(ValueError, match=r"expected like|no engine"):
        parse_engine(text)


def test_keys_and_values_say_the_size_of_the_data():
    answer = planned(keys=10_000_000, value_bytes=100, write_rate_per_second=5000.0)
    assert answer.asked_for == "limit"
    assert answer.maxmemory_bytes == 1960 * MIB


def test_values_alone_fill_maxmemory():
    small = planned(wish={"limit": 4 * GIB}, value_bytes=100, write_rate_per_second=5000.0)
    large = planned(wish={"limit": 4 * GIB}, value_bytes=40_000, write_rate_per_second=5000.0)
    assert small.maxmemory_bytes > large.maxmemory_bytes


def test_more_writes_need_more_and_the_plan_is_among_them():
    answer = planned(wish={"limit": 4 * GIB}, write_rate_per_second=7000.0)
    assert [row.write_rate_per_second for row in answer.rates].count(7000.0) == 1
    needed = [row.limit_needed_bytes for row in answer.rates]
    assert needed == sorted(needed)
    assert [row.fits for row in answer.rates] == [each <= 4 * GIB for each in needed]


def test_rules_of_thumb_die_in_their_order():
    for wish in ({"limit": 4 * GIB}, {"maxmemory": 2 * GIB}):
        rows = planned(wish=wish, write_rate_per_second=5000.0).rules_of_thumb
        budgets = [row.write_budget_per_second for row in rows]
        assert budgets == sorted(budgets)
        for row, factor in zip(rows, (1.25, 1.5, 2.0), strict=True):
            assert row.limit_bytes / row.maxmemory_bytes == pytest.approx(factor, rel=1e-3)


@pytest.mark.parametrize(
    ("budget", "text"),
    [(None, "no write rate"), (0.0, "any: it does not fit before the first write"), (969.9, "more than 969 writes/s")],
)
def test_dying_is_said_plainly(budget, text):
    assert dies(ThumbRow("twice", GIB, 2 * GIB, budget)) == text


def test_the_answer_is_an_edge_and_the_step_away_from_it_is_told():
    assert planned(wish={"limit": 4 * GIB}, write_rate_per_second=5000.0).roomier == (
        "for a tenth more writes, maxmemory 2390mb"
    )
    assert planned(wish={"maxmemory": 2 * GIB}, write_rate_per_second=5000.0).roomier == (
        "a tenth more writes need a limit of 3510Mi"
    )
    assert planned(wish={"maxmemory": 2 * GIB, "limit": 4 * GIB}).roomier is None
    assert planned(wish={"limit": 4 * GIB}, write_rate_per_second=0.0).roomier is None
    assert planned(wish={"limit": 4 * GIB, "persistence": "none"}, write_rate_per_second=5.0).roomier is None
