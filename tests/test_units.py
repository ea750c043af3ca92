"""Text to bytes, in every dialect, and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.units import (
    GIB,
    KIB,
    MIB,
    UnitError,
    format_bytes,
    format_quantity,
    format_redis_memory,
    parse_meminfo_kb,
    parse_quantity,
    parse_quantity_exact,
    parse_rate,
    parse_redis_memory,
    parse_size,
    round_down_size,
    round_up_size,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("512", 512),
        ("1k", 1000),
        ("1kb", KIB),
        ("1M", 1000**2),
        ("1MB", MIB),
        ("2g", 2 * 1000**3),
        ("2GB", 2 * GIB),
        ("3b", 3),
        (" 100mb ", 100 * MIB),
    ],
)
def test_redis_sizes(text: str, count: int) -> None:
    assert parse_redis_memory(text) == count


@pytest.mark.parametrize(
    "text", ["", "mb", "1.5gb", "-1", "75%", "1 gb", "1gib", "1Ki", "0x10", "１", "9" * 30, "1kbb", "nan"]
)
def test_what_redis_refuses(text: str) -> None:
    with pytest.raises(UnitError, match=r"Redis|larger"):
        parse_redis_memory(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1Ki", KIB),
        ("1.5Gi", 3 * GIB // 2),
        ("1k", 1000),
        ("1M", 10**6),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("50m", 1),
        ("1500m", 2),
        ("0", 0),
        (".5Gi", GIB // 2),
        ("128974848", 128974848),
        ("129e6", 129000000),
    ],
)
def test_kubernetes_quantities(text: str, count: int) -> None:
    assert parse_quantity(text) == count


def test_a_quantity_is_exact_before_it_is_rounded_up() -> None:
    assert parse_quantity_exact("500m") == Decimal("0.5")


@pytest.mark.parametrize("text", ["", "Gi", "1GB", "1gi", "1 Gi", "1e", "1e9999", "--1", "9E" + "9" * 70, "8Ei", "٣Gi"])
def test_what_kubernetes_refuses(text: str) -> None:
    with pytest.raises(UnitError, match="Kubernetes quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "count"), [("2048 kB", 2 * MIB), ("3", 3), ("0 kB", 0), ("    16 kB", 16 * KIB)])
def test_meminfo(text: str, count: int) -> None:
    assert parse_meminfo_kb(text) == count


@pytest.mark.parametrize("text", ["", "kB", "-1 kB", "1 MB", "1.0 kB", "1 kB 2"])
def test_what_proc_does_not_write(text: str) -> None:
    with pytest.raises(UnitError):
        parse_meminfo_kb(text)


@pytest.mark.parametrize(
    ("text", "count"), [("4Gi", 4 * GIB), ("4gb", 4 * GIB), ("80MB", 80 * MIB), ("1.5Gi", 3 * GIB // 2), ("512", 512)]
)
def test_sizes_that_people_type(text: str, count: int) -> None:
    assert parse_size(text) == count
    assert parse_rate(f"{text}/s") == count


@pytest.mark.parametrize("text", ["", "-4Gi", "four", "4 gigs", "inf"])
def test_sizes_that_mean_nothing(text: str) -> None:
    with pytest.raises(UnitError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024, "1.00 KiB"),
        (10 * KIB, "10.0 KiB"),
        (100 * KIB, "100 KiB"),
        (1023 * KIB, "1.00 MiB"),
        (5 * GIB + GIB // 2, "5.50 GiB"),
        (-MIB, "-1.00 MiB"),
    ],
)
def test_sizes_for_people_have_three_digits(count: int, text: str) -> None:
    assert format_bytes(count) == text


@given(st.integers(0, 2**60))
def test_what_is_written_for_machines_reads_back(count: int) -> None:
    assert parse_quantity(format_quantity(count)) == count
    assert parse_redis_memory(format_redis_memory(count)) == count


@given(st.integers(0, 2**50))
def test_rounding_goes_the_safe_way_and_not_far(count: int) -> None:
    up, down = round_up_size(count), round_down_size(count)
    assert down <= count <= up
    assert up - count <= max(MIB, count * 0.07)
    assert up % MIB == down % MIB == 0


@given(st.text())
def test_no_text_crashes_a_parser(text: str) -> None:
    for parse in (parse_meminfo_kb, parse_quantity, parse_redis_memory, parse_size):
        try:
            assert parse(text) >= 0 or parse is parse_quantity
        except UnitError as error:
            assert str(error)
