"""`bgsafe node --watch` on a real terminal, while a real server saves."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from checker.lab.servers import NO_SERVER, find_servers

pytestmark = [pytest.mark.live, pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER))]

KEYS = 60_000
SAVE_DELAY_MICROSECONDS = 1000
"""Stretches the save to a minute: the test ends it, however slow the machine is."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Callable[[str], bytes]]]:
    """A server with some data: its pid, and how to tell it something."""
    path = tmp_path / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path), "--maxmemory", "200mb"]
    options += ["--enable-debug-command", "yes", "--rdb-key-save-delay", str(SAVE_DELAY_MICROSECONDS)]
    process = subprocess.Popen([str(find_servers()[0].path), *options], stdout=subprocess.DEVNULL)

    def tell(command: str) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(4096)

    end = time.monotonic() + 10
    while time.monotonic() < end:
        with suppress(OSError):
            if tell("PING").startswith(b"+PONG"):
                break
        time.sleep(0.02)
    assert tell(f"DEBUG POPULATE {KEYS} key 100").startswith(b"+OK")
    yield process.pid, tell
    process.kill()
    process.wait()


class Terminal:
    """A pseudo-terminal with the command on it."""

    def __init__(self, *arguments: str) -> None:
        self.master, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "checker.cli", *arguments]
        # Whoever started the tests in the background has SIGINT ignored, which would be inherited.
        self.process = subprocess.Popen(
            command,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        os.close(inside)
        self.raw = ""

    def until(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """Read frames until one has it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.2)[0]:
                with suppress(OSError):
                    self.raw += os.read(self.master, 65536).decode("utf-8", "replace")
            if match := re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw)):
                return match
        raise AssertionError(f"{pattern!r} did not show: {self.raw[-2000:]}")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def end_save(pid: int) -> None:
    """Ask the child to end, in the server's own way (src/server.c: SIGUSR1 is no crash of a child)."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(child), signal.SIGUSR1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_real_save_is_drawn_from_beginning_to_end(server, number):
    pid, tell = server
    terminal = Terminal("node", "--watch", "--pid", str(pid), "--write-rate", "1000", "--save-seconds", "2")
    try:
        terminal.until("no save is running; the next: ")
        assert tell("BGSAVE").startswith(b"+Background")
        terminal.until(r"time.*\d\.\d s of 2\.0 s")
        terminal.until(r"copied.*\d+ [KM]iB of [\d.]+ MiB; predicted by now [\d.]+ [KM]iB")
        end_save(pid)
        terminal.until(r"the last save, when last seen after \d\.\d s: [\d.]+ [KM]iB copied")
        assert terminal.end(number) == 0
        terminal.until("Ctrl-C ends the watch")
        assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")  # the cursor is back
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.master)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "checker.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_without_a_terminal_it_says_so():
    done = run("node", "--watch")
    assert done.returncode == 2
    assert "--watch redraws a terminal, and standard output is none" in done.stderr


def test_it_takes_no_format():
    done = run("node", "--watch", "--format", "json")
    assert done.returncode == 2
    assert "it takes no --format" in done.stderr
