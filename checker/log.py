"""One JSON object a line on stderr. Nobody puts a body, a header or a key into it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def log(event: str, **fields: object) -> None:
    """Write an event with what is known of it; `level` is info where it is not among that."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "info", "event": event, **fields}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
