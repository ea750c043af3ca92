"""Which keys are written: the share of the keys that W writes touch, for each access pattern.

One number carries the whole pattern into the page model: the mean over the keys of 1 − exp(−pᵢ·W), where pᵢ is the
probability that one write goes to key i (docs/model.md, "Regions"). No loop here grows with the number of keys.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, expm1, log

from checker.policy import Distribution

HOT_WRITE_RATIO = 0.9
"""`hot:PCT` sends this share of the writes to PCT % of the keys and the rest to all keys (data/README.md)."""

EXACT_RANKS = 256
"""Ranks summed one by one, where a Zipf weight changes fast; an integral takes the rest."""

INTERVALS = 128
"""Simpson intervals over the logarithm of the rank: relative error below 1e-6 for s up to 3 and 10^9 keys."""


def touched_ratio(distribution: Distribution, keys: float, writes: float) -> float:
    """Share of `keys` that `writes` independent writes touch at least once, in [0, 1]."""
    if writes <= 0 or keys <= 0:
        return 0.0
    match distribution.kind:
        case "uniform":
            return -expm1(-writes / keys)
        case "hot":
            hot = distribution.parameter / 100
            background = (1 - HOT_WRITE_RATIO) * writes / keys
            heated = HOT_WRITE_RATIO * writes / (hot * keys) + background
            return -hot * expm1(-heated) - (1 - hot) * expm1(-background)
        case "zipf":
            return _zipf_touched(distribution.parameter, max(1, round(keys)), writes)


@lru_cache(maxsize=4096)
def _zipf_touched(exponent: float, keys: int, writes: float) -> float:
    scale = writes / _zipf_norm(exponent, keys)
    return min(1.0, _sum_over_ranks(lambda rank: -expm1(-scale * rank**-exponent), keys) / keys)


@lru_cache(maxsize=256)
def _zipf_norm(exponent: float, keys: int) -> float:
    """Generalised harmonic number H(keys, exponent)."""
    return _sum_over_ranks(lambda rank: rank**-exponent, keys)


def _sum_over_ranks(term: Callable[[float], float], keys: int) -> float:
    """Σ term(rank) for rank = 1 … keys: exact for the first ranks, then ∫ over log(rank) by Simpson's rule."""
    total = sum(term(rank) for rank in range(1, min(keys, EXACT_RANKS) + 1))
    if keys <= EXACT_RANKS:
        return total
    start, end = log(EXACT_RANKS + 0.5), log(keys + 0.5)
    step = (end - start) / INTERVALS

    def integrand(x: float) -> float:
        rank = exp(x)
        return term(rank) * rank

    inner = sum((4 if i % 2 else 2) * integrand(start + i * step) for i in range(1, INTERVALS))
    return total + (integrand(start) + inner + integrand(end)) * step / 3
