import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Unread
from checker.lab.results import (
    Results,
    accuracy,
    by_server,
    by_value_size,
    is_in_the_bar,
    percentile,
    to_json,
    value_size_group,
)

if TYPE_CHECKING:
    from conftest import Make


def test_the_error_is_relative_to_what_was_measured(make: "Make") -> None:
    assert make.recorded(110).error_ratio() == pytest.approx(0.1)
    assert make.recorded(90).error_ratio() == pytest.approx(-0.1)


@pytest.mark.parametrize("measured", [None, 0])
def test_nothing_measured_is_no_error_of_zero(make: "Make", measured: int | None) -> None:
    run = make.recorded(110, last_cow_bytes=measured)
    assert run.error_ratio() is None
    assert accuracy([run]).median is None


def test_accuracy_is_of_absolute_errors(make: "Make") -> None:
    figures = accuracy([make.recorded(predicted) for predicted in (90, 102, 130)])
    assert (figures.cases, figures.median) == (3, pytest.approx(0.1))
    assert figures.p95 == pytest.approx(0.28)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([4.0], 0.95, 4.0), ([1.0, 3.0], 0.5, 2.0), ([3.0, 1.0, 2.0], 1.0, 3.0), ([3.0, 1.0, 2.0], 0.0, 1.0)],
)
def test_percentiles_are_interpolated(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_lies_within_the_values(values: list[float], share: float) -> None:
    assert min(values) <= percentile(values, share) <= max(values)


@pytest.mark.parametrize(
    ("value_bytes", "group"),
    [
        (99, "below 100 B"),
        (100, "100 to 999 B"),
        (999, "100 to 999 B"),
        (1000, "1000 to 2999 B"),
        (2999, "1000 to 2999 B"),
        (3000, "3000 B and above"),
    ],
)
def test_value_sizes_have_groups(value_bytes: int, group: str) -> None:
    assert value_size_group(value_bytes) == group


def test_groups_hold_only_what_there_is(make: "Make") -> None:
    runs = [make.recorded(110, value_bytes=5000), make.recorded(90, engine="valkey-9.1.2-libc")]
    assert list(by_value_size(runs)) == ["100 to 999 B", "3000 B and above"]
    assert [figures.cases for figures in by_server(runs).values()] == [1, 1]


def test_the_bar_is_about_jemalloc_and_small_values(make: "Make") -> None:
    assert is_in_the_bar(make.recorded(1, value_bytes=2999))
    assert not is_in_the_bar(make.recorded(1, value_bytes=3000))
    assert not is_in_the_bar(make.recorded(1, engine="valkey-9.1.2-libc"))


@pytest.mark.parametrize(
    ("grade", "outcome", "wrong"),
    [
        ("safe", "saved", False),
        ("safe", "server killed", True),
        ("safe", "child killed", True),
        ("safe", "fork refused", True),
        ("risky", "server killed", False),
        ("unsafe", "saved", False),
    ],
)
def test_only_safe_can_be_proved_wrong(make: "Make", grade: str, outcome: str, wrong: bool) -> None:
    assert make.live(100, grade, outcome).was_wrongly_safe() is wrong


def test_a_peak_over_the_worst_case_is_seen(make: "Make") -> None:
    assert not make.recorded(100, cgroup_anon_peak_bytes=400).was_over_worst()
    assert make.recorded(100, cgroup_anon_peak_bytes=401).was_over_worst()
    # Without a cgroup it is what was resident and what was copied.
    assert make.recorded(100, cgroup_anon_peak_bytes=None, peak_cow_seen_bytes=201).was_over_worst()


def test_the_k_formula_bounds_small_values_only(make: "Make") -> None:
    assert not make.recorded(100).was_over_k_formula()
    assert make.recorded(100, last_cow_bytes=101).was_over_k_formula()
    assert not make.recorded(100, last_cow_bytes=101, value_bytes=3000).was_over_k_formula()


def test_json_has_the_inputs_fields_and_the_figures_in_order(make: "Make") -> None:
    runs = (make.recorded(110), make.live(100, "unsafe", "server killed"))
    answer = json.loads(to_json(Results(runs, (Unread("3 of 3", "no"),))))
    first, second = answer["cases"]
    assert runs[0].case.to_fields().items() <= first.items()
    assert (first["predicted_cow_bytes"], first["predicted_peak_bytes"]) == (110, 300)
    assert (first["measured_cow_bytes"], first["error_ratio"]) == (100, pytest.approx(0.1))
    assert (second["measured_cow_bytes"], second["error_ratio"]) == (None, None)
    assert (second["verdict"], second["outcome"], second["limit_bytes"]) == ("unsafe", "server killed", 350)
    summary = answer["summary"]
    assert (summary["cases"], summary["median_error_ratio"]) == (1, pytest.approx(0.1))
    assert summary["by_server"]["redis-7.0.15-jemalloc"]["p95_error_ratio"] == pytest.approx(0.1)
    assert list(summary["by_value_size"]) == ["100 to 999 B"]
    assert answer["skipped"] == [{"where": "3 of 3", "why": "no", "remedy": ""}]
