"""One JSON object a line on stderr. Nobody puts a body, a header or a key into it."""

from __future__ import annotations

import json
import sys
from collections import deque
from datetime import UTC, datetime
from typing import Final

MOST_HELD: Final = 1_000
"""Lines that wait; a judgement: some 300 KB."""

_encode = json.JSONEncoder(default=str).encode


class _Lines:
    """What waits to be written. (A buffered stream would do, but that of Python up to 3.12.3 loses what one thread
    writes while another flushes: cpython issue 119506.)"""

    def __init__(self) -> None:
        self.held: deque[str] | None = None  # None: nothing waits

    def write(self, line: str, *, may_wait: bool) -> None:
        if self.held is not None:
            self.held.append(line)
            if may_wait and len(self.held) < MOST_HELD:
                return
            self.flush()
        else:
            sys.stderr.write(line)
            sys.stderr.flush()

    def flush(self) -> None:
        lines: list[str] = []
        while self.held:
            try:
                lines.append(self.held.popleft())
            except IndexError:  # another thread flushes as well
                break
        if lines:
            sys.stderr.write("".join(lines))
            sys.stderr.flush()


_LINES: Final = _Lines()


def log(event: str, **fields: object) -> None:
    """Write an event with what is known of it; `level` is info where it is not among that."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "info", "event": event, **fields}
    _LINES.write(_encode(line) + "\n", may_wait=line["level"] == "info")


def hold_lines() -> None:
    """Let lines of level info wait for `write_lines()`, for one that may not wait, or until they are many."""
    _LINES.held = deque()


def write_lines() -> None:
    """Write the lines that wait."""
    _LINES.flush()
