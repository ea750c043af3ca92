"""The band of doubt is that of the recorded forks."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.lab import run_recorded
from checker.lab.predict import predict
from checker.lab.results import Run, percentile
from checker.model.doubt import (
    JEMALLOC_LARGE,
    JEMALLOC_SMALL,
    LARGE_VALUE_BYTES,
    LIBC,
    SHAPE_UNKNOWN,
    TYPES,
    TYPES_LIBC,
    Doubt,
)

RECORDED = Path(__file__).parents[1] / "fixtures" / "recorded_forks.jsonl"


def is_of(run: Run, doubt: Doubt) -> bool:
    libc = run.case.server()[2] == "libc"
    if run.case.is_of_another_type():
        return doubt is (TYPES_LIBC if libc else TYPES)
    if doubt in (TYPES, TYPES_LIBC):
        return False
    small = run.case.value_bytes < LARGE_VALUE_BYTES
    if doubt is SHAPE_UNKNOWN:
        return small
    if doubt is LIBC:
        return libc
    return not libc and small is (doubt is JEMALLOC_SMALL)


@pytest.mark.parametrize(
    "doubt", [JEMALLOC_SMALL, JEMALLOC_LARGE, LIBC, SHAPE_UNKNOWN, TYPES, TYPES_LIBC], ids=lambda each: each.of
)
def test_nine_in_ten_recorded_forks_are_within(doubt):
    runs = [run for run in run_recorded(RECORDED, predict=predict).runs if run.measured_cow() and is_of(run, doubt)]
    by_formula = doubt is SHAPE_UNKNOWN
    ratios = [
        (run.measured_cow() or 0) / (run.prediction.kformula_cow_bytes if by_formula else run.prediction.cow_bytes)
        for run in runs
    ]
    assert len(ratios) == doubt.forks
    assert percentile(ratios, 0.05) == pytest.approx(doubt.low_ratio, abs=0.01)
    # The bound for unknown shapes is never passed: its upper end is itself.
    assert by_formula or percentile(ratios, 0.95) == pytest.approx(doubt.high_ratio, abs=0.01)
    assert not by_formula or max(ratios) <= doubt.high_ratio


def test_it_reads_as_a_sentence():
    assert str(LIBC) == (
        "nine in ten of 31 recorded forks copied −23% to +14% of the prediction (shape of the data known, glibc malloc)"
    )
