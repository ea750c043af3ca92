"""The writer's program: `python -m checker.lab.writer SOCKET KEYS VALUE_BYTES RATE DISTRIBUTION SEED`.

It is a process of its own, so that what measures and what writes do not wait for each other. It keeps to a timetable
(after a stall it catches up, as clients that queued would), until its standard input ends or the server is gone.
"""

from __future__ import annotations

import json
import random
import select
import sys
import time

from checker.lab.load import batch_size, make_picker, make_requests, send
from checker.lab.resp import Connection
from checker.policy import Distribution

TICK_SECONDS = 0.005
"""How often the timetable is looked at."""

ANSWER_SECONDS = 60.0


def _told_to_stop(wait_seconds: float) -> bool:
    """Wait, but not beyond the end of standard input."""
    return bool(select.select([sys.stdin], [], [], wait_seconds)[0])


def write(connection: Connection, keys: int, value_bytes: int, rate: float, distribution: Distribution, seed: int) -> str:
    """Write until told to stop or the server is gone; return the account of it, as JSON (load.Written)."""
    chance = random.Random(seed)  # noqa: S311  # a load, not a secret
    pick, requests, most = make_picker(distribution, keys, chance), make_requests(value_bytes, chance), batch_size(value_bytes)
    writes = errors = 0
    start = time.monotonic()
    while True:
        due = min(most, int((time.monotonic() - start) * rate) - writes)
        if _told_to_stop(0.0 if due >= most else TICK_SECONDS):
            break
        if due <= 0:
            continue
        try:
            errors += send(connection, requests(pick(due)), due)
        except OSError:
            # The server is gone, which the measuring side sees for itself.
            break
        if not writes:
            print("writing", flush=True)  # noqa: T201  # the signal that Writer.wait_ready waits for
        writes += due
    return json.dumps({"writes": writes, "errors": errors, "seconds": time.monotonic() - start})


def main() -> None:
    """Run as a program; the arguments come from load.Writer."""
    socket_path, keys, value_bytes, rate, distribution, seed = sys.argv[1:]
    with Connection(socket_path, timeout_seconds=ANSWER_SECONDS) as connection:
        account = write(
            connection, int(keys), int(value_bytes), float(rate), Distribution.parse(distribution), int(seed)
        )
    print(account, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
