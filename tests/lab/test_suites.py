from pathlib import Path

from checker.lab.kinds import KINDS
from checker.lab.servers import Binary
from checker.lab.suites import FULL, QUICK, TYPES, full, quick

REDIS = Binary(Path("/r"), "redis", "7.0.15", "jemalloc")
VALKEY = Binary(Path("/v"), "valkey", "9.1.2", "libc")


def test_quick_tries_every_server_and_both_sides_of_the_limit() -> None:
    plans = quick([REDIS, VALKEY])
    assert {plan.binary for plan in plans} == {REDIS, VALKEY}
    assert sum(plan.limit is not None for plan in plans) >= 4


def test_quick_has_small_values_and_every_kind_of_access() -> None:
    assert {shape.distribution.kind for shape in QUICK} == {"uniform", "zipf", "hot"}
    assert (min(s.value_bytes for s in QUICK), max(s.value_bytes for s in QUICK)) == (20, 2000)


def test_full_has_every_type_and_write_of_the_lab() -> None:
    tried = {(load.type, load.write) for load in (*FULL, *TYPES)}
    everything = {(kind, write) for kind, each in KINDS.items() for write in each.writes if kind != "ttl"}
    assert everything - tried == {("string", "SETEX"), ("string", "EXPIRE")}  # of keys that expire
    assert {("ttl", "SETEX"), ("ttl", "EXPIRE")} <= tried


def test_full_makes_every_shape_on_every_server() -> None:
    plans = full([REDIS, VALKEY, Binary(Path("/k"), "keydb", "6.3.4", "jemalloc")])
    assert sum(plan.limit is None for plan in plans) == 3 * (len(FULL) + len(TYPES))
    assert {shape.value_bytes for shape in FULL} >= {20, 100, 1000, 5000, 40_000}
