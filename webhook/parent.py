"""The parent process: starts the worker, starts it again when it crashes, and passes the end on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from checker.log import log, write_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """Seconds: how soon a crashed worker is replaced."""

    first: float = 0.1
    longest: float = 10.0
    forgotten_after: float = 60.0  # a worker that lived so long did not crash because of how it starts

    def pause(self, crashes: int) -> float:
        """Before the restart after so many crashes in a row: doubled each time."""
        return min(self.longest, self.first * 2.0 ** max(0, min(crashes, 32) - 1))


def mind(
    work: Callable[[int], int], *, cannot_start: int, stop_seconds: float, restarts: Restarts | None = None
) -> int:
    """Fork a worker that runs `work(descriptor)`, and another whenever one crashes; the exit code for the process.

    SIGTERM and SIGINT are passed on; a worker that is not gone `stop_seconds` later is killed. Exit code
    `cannot_start` of a worker ends it all: no restart mends a configuration. The descriptor becomes readable to the
    worker when this process is gone.
    """
    restarts = restarts or Restarts()
    stopping: list[float] = []
    theirs, ours = os.pipe()
    worker = 0

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.append(time.monotonic())
        if worker:
            os.kill(worker, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    crashes = 0
    while True:
        signals = {signal.SIGTERM, signal.SIGINT}
        # Blocked until `worker` is known, so that a signal in between reaches the worker too.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        if stopping:
            return 0
        started = time.monotonic()
        worker = os.fork()
        if worker == 0:
            _become_worker(work, theirs, ours, signals)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        code = _wait(worker, stopping, stop_seconds)
        worker = 0
        if stopping:
            return 0
        if code == cannot_start:
            return code
        crashes = 1 if time.monotonic() - started > restarts.forgotten_after else crashes + 1
        pause = restarts.pause(crashes)
        log("worker_crashed", level="error", exit=code, restart_in_seconds=pause)
        _sleep(pause, stopping)


def _become_worker(work: Callable[[int], int], theirs: int, ours: int, signals: set[signal.Signals]) -> None:
    code = 70  # sysexits.h EX_SOFTWARE
    try:
        os.close(ours)
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        code = work(theirs)
    except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's frames
        import traceback

        log("bug", level="error", where="worker", error=traceback.format_exc()[-2000:])
    finally:
        write_lines()
        sys.stderr.flush()
        os._exit(code)


def _wait(worker: int, stopping: list[float], stop_seconds: float) -> int:
    """Exit code of the worker, or minus the signal that ended it; kill it where it does not stop in time."""
    while True:
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if stopping and time.monotonic() > stopping[0] + stop_seconds:
            log("worker_killed", level="error", after_seconds=stop_seconds)
            os.kill(worker, signal.SIGKILL)
        time.sleep(0.05)


def _sleep(seconds: float, stopping: list[float]) -> None:
    end = time.monotonic() + seconds
    while not stopping and time.monotonic() < end:
        time.sleep(0.02)
