"""A real server on loopback, with persistence off but for our own BGSAVE, that leaves nothing behind.

It has a private directory (unix socket, dump.rdb, log) and, where allowed, a memory cgroup of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from checker.facts import Unread
from checker.lab import cgroup
from checker.lab.interrupts import shielded
from checker.lab.resp import Connection, ReplyError
from checker.lab.servers import Binary

READY_SECONDS: Final = 15.0
"""How long an empty server may take to answer: a judgement; it takes a tenth of a second."""

ANSWER_SECONDS: Final = 60.0
"""How long one reply may take: a judgement. A server that reclaims memory at its limit is slow, not gone."""

DISKS: Final = ("/var/tmp", tempfile.gettempdir())  # noqa: S108  # a private directory is made inside
"""Where the private directory is made. /var/tmp first: /tmp is often a tmpfs, where the RDB would be memory."""

JOIN_AND_RUN: Final = 'echo $$ > "$0" && exec "$@"'
"""Join a cgroup before the server exists: memory that was charged elsewhere would not move with it."""

HZ: Final = 100

OPTIONS: Final = {
    "port": "0",
    # A save point that no run of the lab reaches. With none at all the server would be one that never forks, and
    # judged as such.
    "save": "86400 1000000000",
    "appendonly": "no",
    "daemonize": "no",
    # A save that fails is a result; the load goes on.
    "stop-writes-on-bgsave-error": "no",
    # The server notices its child's end at the next tick of its clock: at the default of 10 Hz up to 0.1 s of writes
    # would be counted that no child saw any more.
    "hz": str(HZ),
}


class LabError(Exception):
    """The lab could not do what it was asked to; the message says what and where."""


class RunningServer:
    """A server process with what belongs to it. Use `running_server`, which always stops it."""

    def __init__(self, binary: Binary, options: Mapping[str, str] = OPTIONS) -> None:
        self.binary, self.options = binary, options
        self.directory: Path | None = None
        self.cgroup: cgroup.MemoryCgroup | Unread | None = None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self.process is None:
            raise LabError(f"{self.binary.path} was not started")
        return self.process.pid

    @property
    def socket_path(self) -> str:
        """The unix socket that the server listens on; it has no other."""
        if self.directory is None:
            raise LabError(f"{self.binary.path} was not started")
        return str(self.directory / "server.sock")

    def start(self, *, with_cgroup: bool) -> None:
        """Make the directory and the cgroup, and start the process in them."""
        disk = next(place for place in DISKS if os.access(place, os.W_OK))
        self.directory = Path(tempfile.mkdtemp(prefix="bgsafe-lab-", dir=disk))
        command = [str(self.binary.path), "--unixsocket", self.socket_path, "--dir", str(self.directory)]
        for name, value in self.options.items():
            command += [f"--{name}", *value.split()]
        if with_cgroup:
            self.cgroup = cgroup.create(self.directory.name)
            if isinstance(self.cgroup, cgroup.MemoryCgroup):
                command = ["/bin/sh", "-c", JOIN_AND_RUN, str(self.cgroup.procs), *command]
        with (self.directory / "log").open("wb") as log:
            # A session of its own: ^C is for us, and the group is killed as one, the saving child with its parent.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Return when the server answers; raise LabError with its last words if it does not."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.exit_status() is None:
            try:
                with self.connect() as connection:
                    connection.command("PING")
                    return
            except (OSError, ReplyError):
                # Not listening yet, or LOADING: ask again.
                time.sleep(0.02)
        raise LabError(f"{self.binary.path} did not start: {self.last_words()}")

    def connect(self) -> Connection:
        """Open a connection of one's own; raise OSError."""
        return Connection(self.socket_path, timeout_seconds=ANSWER_SECONDS)

    def exit_status(self, wait_seconds: float = 0.0) -> int | None:
        """How the process ended (minus the signal's number if one ended it); None while it runs."""
        if self.process is None:
            return None
        try:
            return self.process.wait(wait_seconds) if wait_seconds else self.process.poll()
        except subprocess.TimeoutExpired:
            return None

    def oom_kills(self) -> int:
        """How many processes the kernel killed for the cgroup's limit; 0 without a cgroup of its own."""
        return self.cgroup.oom_kills() if isinstance(self.cgroup, cgroup.MemoryCgroup) else 0

    def last_words(self, lines: int = 3) -> str:
        """Return the end of the server's log."""
        try:
            log = Path(self.socket_path).with_name("log").read_text(errors="replace")
        except OSError as error:
            return f"no log: {error}"
        return " | ".join(log.strip().splitlines()[-lines:]) or "its log is empty"

    def stop(self) -> None:
        """Kill the server and its child, reap it, remove cgroup and directory. A second call finds nothing to do."""
        if self.process is not None:
            # The group outlives a server that is gone already: its orphaned child is in it.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self.directory is not None:
            shutil.rmtree(self.directory)
            self.directory = None
        if isinstance(self.cgroup, cgroup.MemoryCgroup):
            self.cgroup.remove()
            self.cgroup = None


@contextmanager
def running_server(
    binary: Binary, *, with_cgroup: bool = True, options: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """Start a server, wait until it answers, and stop it whatever happens. Raises LabError, OSError."""
    server = RunningServer(binary, OPTIONS | dict(options or {}))
    # `finally` is the way out; this is for an exit that goes past it (an interrupt within the interrupt).
    atexit.register(server.stop)
    try:
        with shielded():
            server.start(with_cgroup=with_cgroup)
        server.wait_ready()
        yield server
    finally:
        with shielded():
            server.stop()
        atexit.unregister(server.stop)
