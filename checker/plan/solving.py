"""The third of maxmemory, limit and write rate from the two others: the exact inverse of what `judge()` compares.

Each answer is the last that fits: maxmemory and limit to a whole MiB, the rate to a whole write a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isinf

from checker.estimate import DEFAULT_PAGE_SIZE_BYTES, Evidence, Numbers, gather
from checker.model.peak import write_budget_per_second
from checker.plan.subject import Wish, filled, node_of, server_of
from checker.policy import Assumptions, Policy
from checker.rules.sizing import expected_fits, sufficient_limit_bytes
from checker.units import MIB

LARGEST_BYTES = 1 << 50
"""A PiB: no machine has as much memory, and every search ends there."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that stays the same while one number is looked for."""

    wish: Wish
    assumptions: Assumptions
    policy: Policy

    @property
    def page_size_bytes(self) -> int:
        return self.wish.page_size_bytes or DEFAULT_PAGE_SIZE_BYTES

    def stated(self, maxmemory: int, rate: float | None) -> Assumptions:
        """What is assumed of a server with this maxmemory; a rate of None is the policy's."""
        shaped = filled(self.assumptions, self.wish.engine, maxmemory, self.page_size_bytes)
        return shaped if rate is None else replace(shaped, write_rate_per_second=rate)

    def gather(self, maxmemory: int, limit: int | None, rate: float | None) -> tuple[Evidence, Numbers]:
        """What `judge()` would look at."""
        server = server_of(self.wish, maxmemory, limit)
        evidence = gather(server, node_of(self.wish), self.stated(maxmemory, rate), self.policy)
        assert isinstance(evidence.numbers, Numbers)  # noqa: S101  # maxmemory bounds the data, so there are numbers
        return evidence, evidence.numbers

    def fits(self, maxmemory: int, limit: int, rate: float | None) -> bool:
        evidence, numbers = self.gather(maxmemory, limit, rate)
        return expected_fits(evidence, numbers, limit)


def smallest_limit(case: Circumstances, maxmemory: int, rate: float | None) -> int:
    """Bytes, a whole number of MiB."""
    evidence, numbers = case.gather(maxmemory, None, rate)
    return -(-sufficient_limit_bytes(evidence, numbers) // MIB) * MIB


def largest_maxmemory(case: Circumstances, limit: int, rate: float | None) -> int:
    """Bytes, a whole number of MiB; 0 where not even one MiB fits."""

    def fits(mebi: int) -> bool:
        return case.fits(mebi * MIB, limit, rate)

    evidence, _ = case.gather(max(MIB, limit // 2), limit, rate)
    guess = evidence.largest_maxmemory_bytes // MIB
    return _last_that_fits(fits, guess, most=limit // MIB) * MIB


def highest_rate(case: Circumstances, maxmemory: int, limit: int) -> float | None:
    """Writes a second, whole; infinite where any rate fits, None where none does (not even 0)."""
    evidence, numbers = case.gather(maxmemory, limit, 0.0)
    if not expected_fits(evidence, numbers, limit):
        return None
    if evidence.forks is False:
        return inf
    budget = write_budget_per_second(numbers.save, limit)
    return budget if isinf(budget) else float(int(budget))


def _last_that_fits(fits: Callable[[int], bool], guess: int, *, most: int) -> int:
    """The number that fits whose successor does not, looked for around a guess; 0 where 1 does not fit."""
    low, high = 0, most + 1
    step, at = 1, min(max(1, guess), most)
    while low < at < high:
        if fits(at):
            low, at = at, at + step
        else:
            high, at = at, at - step
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
