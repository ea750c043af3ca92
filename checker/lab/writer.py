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
from dataclasses import asdict

from checker.lab.load import Workload, Written, batch_size, make_picker, make_requests, send
from checker.lab.resp import Connection
from checker.policy import Distribution

TICK_SECONDS = 0.005
"""How often the timetable is looked at."""

ANSWER_SECONDS = 60.0


def _told_to_stop(wait_seconds: float) -> bool:
    """Wait, but not beyond the end of standard input."""
    return bool(select.select([sys.stdin], [], [], wait_seconds)[0])


def write(connection: Connection, workload: Workload, seed: int) -> Written:
    """Write until told to stop or the server is gone; return the account of it."""
    chance = random.Random(seed)  # noqa: S311  # a load, not a secret
    pick = make_picker(workload.distribution, workload.keys, chance)
    requests = make_requests(workload.value_bytes, chance)
    rate, most = workload.write_rate_per_second, batch_size(workload.value_bytes)
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
    return Written(writes, errors, time.monotonic() - start)


def main() -> None:
    """Run as a program; the arguments come from load.Writer."""
    socket_path, keys, value_bytes, rate, distribution, seed = sys.argv[1:]
    workload = Workload(
        keys=int(keys),
        value_bytes=int(value_bytes),
        write_rate_per_second=float(rate),
        distribution=Distribution.parse(distribution),
    )
    with Connection(socket_path, timeout_seconds=ANSWER_SECONDS) as connection:
        written = write(connection, workload, int(seed))
    print(json.dumps(asdict(written)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
