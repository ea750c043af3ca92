"""The writer's program: `python -m checker.lab.writer SOCKET WORKLOAD SEED`.

It is a process of its own, so that what measures and what writes do not wait for each other. It keeps to a timetable
(after a stall it catches up, as clients that queued would), until its standard input ends or the server is gone.

It writes as applications do: over many connections, each with one command under way. One connection with many would be
simpler, but is not the same to every server: Valkey 9 reads the commands of a pipeline ahead before it executes the
first (valkey-io/valkey#2092), so that their values cannot take the places that the ones before free. It then copies up
to 1.8 times as many pages (measured on 9.1.2 with glibc malloc; to Redis 6.2 and 7.0 it is all one).
"""

from __future__ import annotations

import json
import random
import select
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict

from checker.lab.load import Workload, Written, collect, make_picker, make_requests
from checker.lab.resp import Connection

CONNECTIONS = 8
"""A judgement: enough for 40,000 writes/s (measured), and so few that their own buffers do not show in the copies."""

TICK_SECONDS = 0.001
"""How often the timetable is looked at."""

ANSWER_SECONDS = 60.0


def _told_to_stop(wait_seconds: float) -> bool:
    """Wait, but not beyond the end of standard input."""
    return bool(select.select([sys.stdin], [], [], wait_seconds)[0])


def write(connections: Sequence[Connection], workload: Workload, seed: int) -> Written:
    """Write until told to stop or the server is gone; return the account of it."""
    chance = random.Random(seed)  # noqa: S311  # a load, not a secret
    pick = make_picker(workload.distribution, workload.keys, chance)
    requests, operation = make_requests(workload, chance), workload.operation()
    rate = workload.write_rate_per_second / operation.commands
    writes = errors = 0
    start = time.monotonic()
    while True:
        due = int((time.monotonic() - start) * rate) - writes
        if _told_to_stop(0.0 if due >= len(connections) else TICK_SECONDS):
            break
        busy = connections[: max(0, due)]
        try:
            for connection, key in zip(busy, pick(len(busy)), strict=True):
                connection.socket.sendall(requests([key]))
            errors += sum(collect(connection, operation.reply_lines) for connection in busy)
        except OSError:
            # The server is gone, which the measuring side sees for itself.
            break
        if busy and not writes:
            print("writing", flush=True)  # noqa: T201  # the signal that Writer.wait_ready waits for
        writes += len(busy)
    return Written(writes * operation.commands, errors, time.monotonic() - start)


def main() -> None:
    """Run as a program; the arguments come from load.Writer."""
    socket_path, what, seed = sys.argv[1:]
    workload = Workload.from_json(what)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(Connection(socket_path, timeout_seconds=ANSWER_SECONDS)) for _ in range(CONNECTIONS)
        ]
        written = write(connections, workload, int(seed))
    print(json.dumps(asdict(written)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
