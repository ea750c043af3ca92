"""The time by which an answer is wanted: loops over what strangers wrote look at it, and give up when it has passed.

It travels beside the arguments, since the loops that may take long lie deep below those who wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=inf)


class DeadlineError(Exception):
    """The deadline has passed, and the work was given up."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what is done here so many seconds; never more than what surrounds it has."""
    token = _DEADLINE.set(min(monotonic() + seconds, _DEADLINE.get()))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """How long until the deadline: infinite without one, below 0 after it."""
    return _DEADLINE.get() - monotonic()


def check_deadline() -> None:
    """Raise DeadlineError when the time is over; without a deadline it never is."""
    if monotonic() > _DEADLINE.get():
        raise DeadlineError("the deadline has passed")
