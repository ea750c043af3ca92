"""The ratchet: an update that makes nothing worse is never denied.

Nobody must be unable to scale down, relabel or repair an object at 3 a.m. because it was bad already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from checker.units import format_bytes
from checker.verdict import Grade, Verdict

SEVERITY: Final[Mapping[Grade, int]] = {"safe": 0, "risky": 1, "unknown": 2, "unsafe": 3}


def worst_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """By severity; equal ones in the order of the object."""
    return sorted(verdicts, key=lambda verdict: -SEVERITY[verdict.grade])


def grade_of(verdicts: Sequence[Verdict]) -> Grade:
    """The verdict on an object: that on the worst of its servers; safe without any."""
    return worst_first(verdicts)[0].grade if verdicts else "safe"


def is_worse(new: Grade, old: Grade) -> bool:
    """Is the verdict on the object worse than it was? Numbers within one verdict do not count."""
    return SEVERITY[new] > SEVERITY[old]


def comparison(old: Grade, before: int | None, after: int | None) -> str:
    """What the update does to an object that is admitted because it was no better before; `shortfall_bytes` of both."""
    said = f"admitted, since it was {old} before this update"
    if before is None or after is None or before == after or max(before, after) <= 0:
        return said
    return f"{said}: the expected peak was {_over(before)} the limit, and is {_over(after)} it now"


def shortfall_bytes(verdicts: Sequence[Verdict]) -> int | None:
    """Bytes by which the expected peak is over the limit, of the worst server; None where nobody knows."""
    known = [
        -verdict.estimate.headroom_expected_bytes
        for verdict in verdicts
        if verdict.estimate is not None and verdict.estimate.headroom_expected_bytes is not None
    ]
    return max(known, default=None)


def _over(shortfall: int) -> str:
    return f"{format_bytes(abs(shortfall))} {'over' if shortfall > 0 else 'below'}"
