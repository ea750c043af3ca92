from pathlib import Path

from checker.lab.servers import Binary
from checker.lab.suites import FULL, QUICK, full, quick

REDIS = Binary(Path("/r"), "redis", "7.0.15", "jemalloc")
VALKEY = Binary(Path("/v"), "valkey", "9.1.2", "libc")


def test_quick_tries_every_server_and_both_sides_of_the_limit() -> None:
    plans = quick([REDIS, VALKEY])
    assert {plan.binary for plan in plans} == {REDIS, VALKEY}
    assert sum(plan.limit is not None for plan in plans) >= 4


def test_quick_has_small_values_and_every_kind_of_access() -> None:
    assert {shape.distribution.kind for shape in QUICK} == {"uniform", "zipf", "hot"}
    assert (min(s.value_bytes for s in QUICK), max(s.value_bytes for s in QUICK)) == (20, 2000)


def test_full_is_about_forty_forks_on_three_servers() -> None:
    plans = full([REDIS, VALKEY, Binary(Path("/k"), "keydb", "6.3.4", "jemalloc")])
    assert sum(plan.limit is None for plan in plans) == 39
    assert {shape.value_bytes for shape in FULL} >= {20, 100, 1000, 5000, 40_000}
