"""Signals that end a run: turned into an exception, so that `finally` cleans up, and held back where it must not.

Python's own handlers are used, not signal masks: a mask would be inherited by the server that is being started.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP arrived; a KeyboardInterrupt, so that nothing mistakes it for an error to report."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let `handler` have the ending signals; in a thread other than the first, which gets none, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number in ENDING:
            # An ignored signal stays ignored: `nohup` means it.
            if previous[number] is not signal.SIG_IGN:
                signal.signal(number, handler)
        yield
    finally:
        for number, before in previous.items():
            # None: a handler that Python did not install, and cannot put back.
            if before is not None:
                signal.signal(number, before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block an ending signal raises Interrupted."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(interrupt):
        yield


@contextmanager
def shielded() -> Iterator[None]:
    """Within the block an ending signal waits; it acts when the block is left. For starting and for cleaning up."""
    arrived: list[int] = []
    try:
        with _handled(lambda number, _frame: arrived.append(number)):
            yield
    finally:
        if arrived:
            signal.raise_signal(arrived[0])
