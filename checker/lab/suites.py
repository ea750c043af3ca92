"""Which runs make up `--suite quick` and `--suite full`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from checker.lab.load import Workload
from checker.lab.run import Limit, Plan, over_worst, share_of_growth
from checker.lab.servers import Binary
from checker.policy import Distribution

UNIFORM: Final = Distribution()


def _zipf(exponent: float) -> Distribution:
    return Distribution("zipf", exponent)


def _hot(per_cent: float) -> Distribution:
    return Distribution("hot", per_cent)


def _load(keys: int, value_bytes: int, rate: float, distribution: Distribution = UNIFORM) -> Workload:
    return Workload(keys=keys, value_bytes=value_bytes, write_rate_per_second=rate, distribution=distribution)


QUICK: Final = (
    _load(600_000, 20, 2_000),
    _load(600_000, 20, 20_000, _zipf(0.99)),
    _load(500_000, 60, 5_000, _hot(10)),
    _load(500_000, 100, 10_000),
    _load(300_000, 200, 5_000, _zipf(0.8)),
    _load(150_000, 500, 4_000),
    _load(90_000, 1_000, 8_000, _hot(1)),
    _load(50_000, 2_000, 2_000),
)
"""Shapes for the first server: small values, where most of Redis lives, every kind of access, 0.4 to 2 s a save."""

OTHER_SERVERS: Final = (_load(300_000, 200, 5_000),)
"""What the other servers are tried with in the quick suite."""

FULL: Final = (
    *QUICK,
    _load(400_000, 100, 25_000, _zipf(1.2)),
    _load(80_000, 1_000, 20_000),
    _load(20_000, 5_000, 1_000),
    _load(10_000, 10_000, 500, _hot(10)),
    _load(3_000, 40_000, 200),
)
"""13 shapes of strings that are overwritten, for every server."""


def _typed(kind_and_write: str, keys: int, elements: int, value_bytes: int, rate: float) -> Workload:
    kind, write = kind_and_write.split()
    return Workload(
        keys=keys, value_bytes=value_bytes, write_rate_per_second=rate, type=kind, write=write, elements=elements
    )


TYPES: Final = (
    _typed("ttl SETEX", 300_000, 1, 100, 3_000),
    _typed("ttl EXPIRE", 300_000, 1, 100, 5_000),
    _typed("string DEL", 300_000, 1, 100, 5_000),
    _typed("string INSERT", 300_000, 1, 100, 5_000),
    _typed("string SET-RESIZE", 300_000, 1, 100, 2_000),
    _typed("string EVICT-LRU", 300_000, 1, 100, 3_000),
    _typed("string EVICT-LFU", 300_000, 1, 100, 3_000),
    _typed("int INCR", 700_000, 1, 8, 5_000),
    _typed("hash HSET", 60_000, 20, 20, 2_000),
    _typed("hash HSET", 500, 1_000, 60, 3_000),
    _typed("hash HSET", 1, 500_000, 60, 3_000),
    _typed("list LPUSH+RPOP", 60_000, 20, 20, 3_000),
    _typed("list LPUSH+RPOP", 100, 6_000, 60, 3_000),
    _typed("set SREM+SADD", 50_000, 20, 20, 3_000),
    _typed("set SREM+SADD", 1, 500_000, 20, 3_000),
    _typed("intset SREM+SADD", 60_000, 200, 8, 3_000),
    _typed("zset ZADD", 60_000, 20, 20, 2_000),
    _typed("zset ZADD", 400, 1_000, 20, 1_000),
    _typed("zset ZADD", 1, 400_000, 20, 1_000),
    _typed("zset ZINCRBY", 1, 400_000, 20, 2_000),
    _typed("stream XADD", 20_000, 20, 60, 2_000),
    _typed("stream XADD", 50, 10_000, 60, 2_000),
)
"""Every other type in every encoding, and every other write of strings: what the recorded forks were made with."""

LIMITED: Final = _load(400_000, 100, 8_000)
"""The shape that is tried at a limit: a save of about a second that copies about half of the memory."""

LIMITS: Final[tuple[Limit, ...]] = (
    share_of_growth(0.5),
    share_of_growth(0.8),
    share_of_growth(1.25),
    over_worst(1.2),
)
"""Both sides of the limit: must be killed, must be killed, should be saved, must be saved."""


def _limited(binary: Binary) -> list[Plan]:
    return [Plan(binary=binary, workload=LIMITED, limit=limit, seed=100 + n) for n, limit in enumerate(LIMITS)]


def _shapes(binary: Binary, shapes: Sequence[Workload]) -> list[Plan]:
    return [Plan(binary=binary, workload=shape, seed=seed) for seed, shape in enumerate(shapes, start=1)]


def quick(servers: Sequence[Binary]) -> list[Plan]:
    """Under two minutes: every shape and both sides of the limit on the first server, one shape on the others."""
    first, others = servers[0], servers[1:]
    return (
        _shapes(first, QUICK) + [plan for other in others for plan in _shapes(other, OTHER_SERVERS)] + _limited(first)
    )


def full(servers: Sequence[Binary]) -> list[Plan]:
    """Every shape and both sides of the limit on every server."""
    return [plan for server in servers for plan in _shapes(server, (*FULL, *TYPES)) + _limited(server)]


SUITES: Final[dict[str, Callable[[Sequence[Binary]], list[Plan]]]] = {"quick": quick, "full": full}
