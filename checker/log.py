"""One JSON object a line on stderr. Nobody puts a body, a header or a key into it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

_encode = json.JSONEncoder(default=str).encode


def log(event: str, **fields: object) -> None:
    """Write an event with what is known of it; `level` is info where it is not among that."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "info", "event": event, **fields}
    sys.stderr.write(_encode(line) + "\n")
    if line["level"] != "info":
        sys.stderr.flush()


def hold_lines() -> None:
    """Let lines of level info wait until somebody calls `sys.stderr.flush()`, or some kilobytes have come together.

    With PYTHONUNBUFFERED, which containers are wont to set, no stream of Python's own can wait: so it is another one.
    """
    sys.stderr.flush()
    sys.stderr = open(  # noqa: SIM115 (it is there until the process ends)
        sys.stderr.fileno(), "w", encoding="utf-8", errors="backslashreplace", closefd=False
    )
