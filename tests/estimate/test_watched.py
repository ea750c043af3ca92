"""Watched forks in the place of assumptions, and what still comes before them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checker.estimate import Numbers, gather
from checker.facts import Server, WatchedFork, Written
from checker.model.cow import copied_bytes
from checker.policy import Assumptions, Policy
from checker.units import MIB
from tests.build import RSS_ANON, a_node, a_server, an_info


def numbers(server: Server, assumptions: Assumptions | None = None, *, best_guess: bool = False) -> Numbers:
    found = gather(server, a_node(), assumptions or Assumptions(), Policy(), best_guess=best_guess).numbers
    assert isinstance(found, Numbers)
    return found


def a_fork(copied: int = 60 * MIB, seconds: float = 2.0, writes: float | None = None) -> WatchedFork:
    return WatchedFork(
        resident_bytes=RSS_ANON, copied_bytes=copied, seconds=seconds, lifetime_seconds=seconds, writes=writes
    )


def watched(*forks: WatchedFork, rate: float | None = None) -> Server:
    info = None if rate is None else an_info(write_rate_per_second=rate)
    return replace(a_server(), forks=forks, info=info)


@pytest.mark.parametrize("rate", [None, 5000.0], ids=["nobody counts the writes", "INFO counts the writes"])
def test_a_steady_server_is_predicted_from_one_fork(rate: float | None) -> None:
    writes = None if rate is None else rate * 2.0
    guess = numbers(watched(a_fork(writes=writes), rate=rate), best_guess=True)
    assert guess.estimate.cow_expected_bytes == pytest.approx(60 * MIB, rel=0.02)
    assert guess.estimate.save_seconds == pytest.approx(2.0)


@pytest.mark.parametrize("rate", [None, 5000.0], ids=["nobody counts the writes", "INFO counts the writes"])
def test_the_verdict_is_never_milder_than_without_forks_before_three_agree(rate: float | None) -> None:
    quiet = a_fork(2 * MIB, writes=None if rate is None else 10_000.0)
    without, one, three = (numbers(watched(*[quiet] * count, rate=rate)).estimate for count in (0, 1, 3))
    assert one.cow_expected_bytes >= without.cow_expected_bytes
    assert three.cow_expected_bytes < without.cow_expected_bytes


def test_the_source_says_how_many_forks() -> None:
    sources = numbers(watched(a_fork(), a_fork(), a_fork(), rate=None)).estimate.sources
    assert "3 watched forks" in sources["write_rate_per_second"]
    assert "3 watched forks" in sources["save_seconds"]
    sources = numbers(watched(a_fork(writes=1000.0), rate=500.0)).estimate.sources
    assert "1 watched fork, never milder" in sources["pages_per_write"]


def test_what_the_person_states_comes_first() -> None:
    stated = Assumptions(write_rate_per_second=7.0, save_seconds=9.0)
    estimate = numbers(watched(a_fork(), a_fork(), a_fork()), stated).estimate
    assert estimate.write_rate_per_second == 7.0
    assert estimate.save_seconds == 9.0


def test_pages_counted_on_the_server_come_before_forks() -> None:
    server = replace(watched(a_fork(writes=100.0), rate=500.0), written=Written(20 * MIB, 2.0))
    with_forks, without = numbers(server), numbers(replace(server, forks=()))
    assert with_forks.estimate.pages_per_write == without.estimate.pages_per_write


def test_a_prediction_and_its_copies_are_of_the_same_kind() -> None:
    """Copies and prediction both hold what the child itself writes."""
    found = numbers(watched(a_fork(writes=10_000.0), rate=5000.0), best_guess=True)
    assert found.estimate.cow_expected_bytes == round(copied_bytes(found.save.workload, 10_000))
