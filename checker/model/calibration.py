"""What watched forks teach of the next one: pages touched by a write or in a second, and how fast a save is.

A fork that copied C of R bytes within W writes touched, if every page is as likely as any other,

    k = −ln(1 − C/R) · R / (P·W)        pages a write

Real writes prefer some pages. For *more* writes than W that k then says too much, never too little: the share of pages
not yet copied is a mixture of exponentials, which is log-convex, and lies above the one exponential through the same
point. For *fewer* writes it says too little; there the copies are bounded by those of the fork itself, and by what is
assumed without any fork.

Each value comes as the best guess, for predictions, and as a bound, for verdicts: the bound is the largest that any of
the remembered forks allows, noise included, and until `TRUSTED_FORKS` have been watched no milder than the assumption.
One quiet fork does not make a server safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, log1p
from statistics import median
from typing import Final

from checker.facts import WatchedFork
from checker.model.child import child_bytes
from checker.model.cow import writes_for_occupancy
from checker.model.workload import Workload
from checker.units import KIB

REMEMBERED_FORKS: Final = 8
"""A judgement: with the usual `save 3600 1`, the forks of a working day."""

TRUSTED_FORKS: Final = 3
"""A judgement: so many forks must agree before they may make a verdict milder than what is assumed without them."""

GUESSED_FROM: Final = 3
"""The best guess is the median of so many, the newest: one odd fork does not move it, and a change is learned soon."""

SATURATED_RATIO: Final = 0.995
"""Above this share of the memory being copied, the share no longer tells how often: a fork says "at least"."""

NOISE_RATIO: Final = 0.02
NOISE_BYTES: Final = 512 * KIB
"""How far copies are from what was counted: cgroup and RDB figures agree within 1 % (docs/model.md), and the kernel's
counters are behind by up to 64 pages a CPU."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A value that forks taught."""

    best: float
    bound: float  # on the side that is safe to assume
    forks: int  # how many it rests on


def touches_per_second(forks: Sequence[WatchedFork], workload: Workload, assumed: float) -> Learned | None:
    """Pages touched in a second, each time counted. `assumed` is what holds without any fork."""
    recent = [fork for fork in forks if fork.seconds > 0][-REMEMBERED_FORKS:]
    best = [_touches(fork, workload) / fork.seconds for fork in recent]
    bounds = [_touches(fork, workload, noise=True) / fork.seconds for fork in recent]
    return _learned(best, bounds, assumed)


def pages_per_write(forks: Sequence[WatchedFork], workload: Workload, assumed: float, writes: float) -> Learned | None:
    """Pages that a write touches, for a save with `writes` writes; None where no fork's writes were counted."""
    counted = [fork for fork in forks if fork.writes is not None and fork.writes > 0][-REMEMBERED_FORKS:]
    best = [_touches(fork, workload) / fork.writes for fork in counted if fork.writes]
    bounds = []
    for fork in counted:
        over = _touches(fork, workload, noise=True)
        own = over / (fork.writes or 1.0)
        # Fewer writes than the fork saw: they copy at most what it copied, and at most what is assumed.
        fewer = over / writes if 0 < writes < (fork.writes or 0.0) else own
        bounds.append(max(own, min(fewer, assumed)))
    return _learned(best, bounds, assumed)


def save_throughput(forks: Sequence[WatchedFork], assumed: float) -> Learned | None:
    """Resident bytes saved in a second; the bound is the slowest."""
    recent = [fork.resident_bytes / fork.lifetime_seconds for fork in forks if fork.lifetime_seconds > 0]
    recent = [each for each in recent if each > 0][-REMEMBERED_FORKS:]
    if not recent:
        return None
    slowest = min(recent)
    bound = slowest if len(recent) >= TRUSTED_FORKS else min(slowest, assumed)
    return Learned(median(recent[-GUESSED_FROM:]), bound, len(recent))


def grown_to(seconds: float, resident: float, copied: float, *, counted_at: float) -> float:
    """Bytes copied after `seconds`, from those counted at another moment of the same child's life.

    C(t) = R · (1 − (1 − C/R)^(t/t₀)): touches go on at the same rate, and fall on copied pages more and more.
    """
    if counted_at <= 0 or resident <= 0:
        return copied
    if copied >= resident:
        return copied
    return -resident * expm1(log1p(-copied / resident) * seconds / counted_at)


def _learned(best: list[float], bounds: list[float], assumed: float) -> Learned | None:
    if not best:
        return None
    bound = max(bounds)
    if len(best) < TRUSTED_FORKS:
        bound = max(bound, assumed)
    return Learned(median(best[-GUESSED_FROM:]), bound, len(best))


def _touches(fork: WatchedFork, workload: Workload, *, noise: bool = False) -> float:
    """Pages touched, each time counted, that explain the copies of one fork; the child's own are left out."""
    copied = fork.copied_bytes - child_bytes(workload)
    if noise:
        copied += max(NOISE_BYTES, NOISE_RATIO * fork.copied_bytes)
    copied = min(max(copied, 0.0), SATURATED_RATIO * fork.resident_bytes)
    return writes_for_occupancy(fork.resident_bytes, copied, pages_per_write=1.0, page=workload.copy_unit_bytes)
