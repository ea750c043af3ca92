"""The limit with which a save of this data fits; for the data that fits this limit, see `Evidence`."""

from __future__ import annotations

from math import isinf

from checker.estimate import Evidence, Numbers
from checker.model.peak import peak_bytes, scaled, worst_peak_bytes


def grown_bytes(evidence: Evidence) -> int | None:
    """Resident bytes once the data has grown to maxmemory; None where nothing bounds it."""
    maxmemory = evidence.maxmemory.value
    if not isinstance(maxmemory, int) or maxmemory == 0:
        return None
    return round(maxmemory * evidence.fragmentation_ratio)


def grown_peak_bytes(evidence: Evidence, numbers: Numbers) -> int | None:
    """The expected peak of a save at maxmemory; None where the data is not below it, or nothing bounds it."""
    grown = grown_bytes(evidence)
    if grown is None or not 0 < numbers.estimate.resident_bytes < grown:
        return None
    return round(peak_bytes(scaled(numbers.save, grown), numbers.estimate.write_rate_per_second))


def expected_fits(evidence: Evidence, numbers: Numbers, limit: int) -> bool:
    """What `expected-peak-over-limit` and `maxmemory-over-limit` compare."""
    needed = numbers.save.base_bytes if evidence.forks is False else numbers.estimate.peak_expected_bytes
    return needed <= limit and (grown_bytes(evidence) or 0) + numbers.others_bytes < limit


def sufficient_limit_bytes(evidence: Evidence, numbers: Numbers) -> int:
    """The smallest limit that the expected case fits, now and once the data has grown to maxmemory."""
    # maxmemory-over-limit asks for a limit above the grown data and what is beside it, not for one that equals them.
    alone = (grown_bytes(evidence) or 0) + numbers.others_bytes + 1
    if evidence.forks is False:
        return max(round(numbers.save.base_bytes), alone)
    return max(numbers.estimate.peak_expected_bytes, grown_peak_bytes(evidence, numbers) or 0, alone)


def carefree_limit_bytes(evidence: Evidence, numbers: Numbers) -> int:
    """The smallest limit that even the worst case fits, now and once the data has grown to maxmemory."""
    least = max(numbers.estimate.peak_worst_bytes, sufficient_limit_bytes(evidence, numbers))
    grown = grown_bytes(evidence)
    if grown is None or not 0 < numbers.estimate.resident_bytes < grown or isinf(numbers.save.buffer_limit_bytes):
        return least
    return max(least, round(worst_peak_bytes(scaled(numbers.save, grown))))
