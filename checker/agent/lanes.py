"""Reading what may never return, without waiting for it.

A read of another process' memory or mappings waits for that process' mmap lock, and a look into its root for whatever
filesystem is mounted there: a dead network disk, a process that hangs in the kernel. Such a thread cannot be
interrupted. So these reads are made in a thread of their own, which is left behind when the time is over; who hung is
not visited again until that thread comes back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from checker.facts import Unread

HANG_SECONDS: Final = 1.0
"""A judgement: these reads take milliseconds; even a loaded node answers within this."""

MOST_HANGING: Final = 16
"""A judgement: threads that may be left behind at a time; with so many, nothing of this kind is read any more."""

T = TypeVar("T")


@dataclass(slots=True)
class _Task:
    function: Callable[[], Any]
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None


class _Worker(threading.Thread):
    """Takes tasks until it is given None."""

    def __init__(self) -> None:
        super().__init__(name="bgsafe-lane", daemon=True)
        self.tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self.start()

    def run(self) -> None:
        while (task := self.tasks.get()) is not None:
            try:
                task.result = task.function()
            except BaseException as error:  # noqa: BLE001 - it is raised again where the task was given
                task.error = error
            task.done.set()


class Lanes:
    """One thread that reads, and those that were left behind. For one caller at a time."""

    def __init__(self, seconds: float = HANG_SECONDS, most_hanging: int = MOST_HANGING) -> None:
        self._seconds = seconds
        self._most = most_hanging
        self._worker: _Worker | None = None
        self._left: dict[Hashable, _Task] = {}

    def hanging(self) -> frozenset[Hashable]:
        """Who has not come back yet."""
        self._left = {key: task for key, task in self._left.items() if not task.done.is_set()}
        return frozenset(self._left)

    def read(self, key: Hashable, where: str, function: Callable[[], T]) -> T | Unread:
        """Call the function; Unread where it does not return in time, or did not the last time and still has not."""
        hanging = self.hanging()
        if key in hanging:
            return Unread(where, "still hangs: a read that began earlier has not returned", _REMEDY)
        if len(hanging) >= self._most:
            return Unread(where, f"not read: {len(hanging)} reads of other processes hang", _REMEDY)
        worker = self._worker = self._worker or _Worker()
        task = _Task(function)
        worker.tasks.put(task)
        if not task.done.wait(self._seconds):
            self._left[key] = task
            worker.tasks.put(None)  # should it ever come back, it ends
            self._worker = None
            return Unread(where, f"hangs: no answer in {self._seconds:g} s", _REMEDY)
        if task.error is not None:
            raise task.error
        result: T = task.result
        return result

    def close(self) -> None:
        """Let the thread end."""
        if self._worker is not None:
            self._worker.tasks.put(None)
            self._worker = None


_REMEDY: Final = "see what the process waits for: /proc/<pid>/stack, and dead mounts in its container"
