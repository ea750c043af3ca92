"""A policy file that is followed while a server or an agent runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from checker.log import log
from checker.policy import Policy
from checker.policy_file import PolicyError, load


class WatchedPolicy:
    """The policy of a file, read again when the file changes; a bad new one is told, and the old one stays."""

    def __init__(self, path: Path, rejected: Callable[[], None], *, every_seconds: float = 2.0) -> None:
        """Raise PolicyError where the first one is bad."""
        self._path = path
        self._rejected = rejected
        self._every_seconds = every_seconds
        self._policy = load(path)
        self._seen = self._stamp()
        self._next_look = time.monotonic() + every_seconds

    def __call__(self) -> Policy:
        """The policy in force."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._every_seconds
            self._look()
        return self._policy

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._policy = load(self._path)
        except PolicyError as error:
            self._rejected()
            log("policy_rejected", level="error", reason=str(error), policy="the one before")
        else:
            log("policy_loaded", file=str(self._path))

    def _stamp(self) -> bytes | str:
        """What tells one content from another: a mounted ConfigMap changes by a link, with any mtime."""
        try:
            return self._path.read_bytes()
        except OSError as error:
            return str(error)
