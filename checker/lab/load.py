"""The load: fill a server with keys, and write to them at a given rate from a process of its own (`writer.py`)."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Final

from checker.lab.interrupts import shielded
from checker.lab.kinds import KINDS, Items, Write, write_of
from checker.lab.resp import Connection
from checker.policy import Distribution

HOT_SHARE: Final = 0.9
"""The share of writes that `hot:PCT` sends to its hot keys (policy.Distribution)."""

BATCH_BYTES: Final = 1 << 18
"""Bytes of requests that are sent before their replies are read, while the keys are loaded."""

COMMAND_BYTES: Final = 50
"""Of a key's load, beside its elements' own bytes; an element takes as much again."""

STOP_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What to load, and how to write to it."""

    keys: int
    value_bytes: int  # of a string, or of each element
    write_rate_per_second: float  # changes, as the server counts them: a write of two commands is two
    distribution: Distribution = field(default_factory=Distribution)
    type: str = "string"  # of KINDS
    write: str = "SET"
    elements: int = 1  # of each key
    settings: tuple[tuple[str, str], ...] = ()  # CONFIG SET before the keys are loaded

    def __str__(self) -> str:
        elements = f" of {self.elements:,} elements" if self.elements > 1 else ""
        what = "keys" if self.type == "string" else f"{self.type} keys"
        doing = "writes" if self.write == "SET" else self.write
        return (
            f"{self.keys:,} {what}{elements} of {self.value_bytes:,} B, {self.write_rate_per_second:,.0f} {doing}/s, "
            f"{self.distribution}"
        )

    def to_json(self) -> str:
        """What the writer's process is given."""
        return json.dumps(asdict(self) | {"distribution": str(self.distribution)})

    @classmethod
    def from_json(cls, text: str) -> Workload:
        """Read `to_json`."""
        fields = json.loads(text)
        fields["distribution"] = Distribution.parse(fields["distribution"])
        fields["settings"] = tuple(map(tuple, fields["settings"]))
        return cls(**fields)

    def operation(self) -> Write:
        """What a client does."""
        return write_of(self.type, self.write)[1]


def make_picker(distribution: Distribution, keys: int, chance: random.Random) -> Callable[[int], list[int]]:
    """Return a function that draws so many key numbers (0 to keys − 1) from the distribution."""
    everything = range(keys)
    if distribution.kind == "uniform":
        return lambda count: chance.choices(everything, k=count)
    if distribution.kind == "zipf":
        # Ranks are laid over the keys at random: neighbours in rank must not be neighbours in memory.
        ranked = chance.sample(everything, keys)
        cumulative = list(accumulate(rank**-distribution.parameter for rank in range(1, keys + 1)))
        return lambda count: chance.choices(ranked, cum_weights=cumulative, k=count)
    hot = chance.sample(everything, max(1, round(keys * distribution.parameter / 100)))

    def pick(count: int) -> list[int]:
        to_hot = sum(chance.random() < HOT_SHARE for _ in range(count))
        return chance.choices(hot, k=to_hot) + chance.choices(everything, k=count - to_hot)

    return pick


def make_requests(workload: Workload, chance: random.Random) -> Callable[[list[int]], bytes]:
    """Return a function that turns key numbers into the bytes of the writes to them."""
    items = Items.make(workload.value_bytes, workload.elements, chance)
    make = workload.operation().make
    return lambda keys: b"".join([make(items, key) for key in keys])


def batch_size(value_bytes: int, elements: int = 1) -> int:
    """How many keys to load before the replies are read."""
    return max(1, min(1000, BATCH_BYTES // ((value_bytes + COMMAND_BYTES) * elements)))


def collect(connection: Connection, lines: int) -> int:
    """Wait for so many lines of replies; return how many of them were errors. Raises OSError."""
    errors, at_line_start = 0, True
    while lines > 0:
        received = connection.socket.recv(1 << 16)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        # An error reply is a line that starts with "-". No other line of our replies does: values have no line ends,
        # and begin otherwise.
        errors += received.count(b"\n-") + (at_line_start and received.startswith(b"-"))
        at_line_start = received.endswith(b"\n")
        lines -= received.count(b"\n")
    return errors


def fill(connection: Connection, workload: Workload, seed: int, progress: Callable[[str], None]) -> None:
    """Load the keys, in order. Raises OSError when the server goes away."""
    items = Items.make(workload.value_bytes, workload.elements, random.Random(seed))  # noqa: S311  # not a secret
    kind, size = KINDS[workload.type], batch_size(workload.value_bytes, workload.elements)
    lines = kind.load_lines(workload.elements)
    for start in range(0, workload.keys, size):
        keys = range(start, min(start + size, workload.keys))
        connection.socket.sendall(b"".join([kind.load(items, key) for key in keys]))
        collect(connection, len(keys) * lines)
        if start % (size * 64) == 0:
            progress(f"loading {start / workload.keys:.0%}")


@dataclass(frozen=True, slots=True)
class Written:
    """What the writer says it did."""

    writes: int
    errors: int  # error replies
    seconds: float


class Writer:
    """The writer's process. Use `writing`, which always ends it."""

    def __init__(self, socket_path: str, workload: Workload, seed: int) -> None:
        self.account: Written | None = None  # None: it has not stopped, or did not live to tell
        self.process = subprocess.Popen(
            [sys.executable, "-m", "checker.lab.writer", socket_path, workload.to_json(), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_ready(self) -> None:
        """Return when the first write was answered; raise OSError when there will be none."""
        if self.process.stdout is None or not self.process.stdout.readline():
            raise ConnectionError("the writer ended before its first write")

    def stop(self) -> None:
        """End the load. A writer that does not end by itself is killed. A second call finds nothing to do."""
        if self.process.returncode is not None:
            return
        try:
            # The end of its input is what it waits for: so it also ends when we are killed.
            output, _ = self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
        last = output.strip().rpartition("\n")[2]
        self.account = Written(**json.loads(last)) if last.startswith("{") else None


@contextmanager
def writing(socket_path: str, workload: Workload, seed: int) -> Iterator[Writer]:
    """Write in the background, from the first answered write until the block is left. Raises OSError."""
    with ExitStack() as stack:
        with shielded():
            writer = Writer(socket_path, workload, seed)
            stack.callback(writer.stop)
        writer.wait_ready()
        yield writer
