"""A real agent, started as an operator would, and what its page says."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

START_SECONDS = 20.0
WAIT_SECONDS = 20.0

T = TypeVar("T")


@dataclass(frozen=True)
class Series:
    """One line of the page."""

    name: str
    labels: dict[str, str]
    value: float


def parse(page: str) -> list[Series]:
    """Every sample of a page."""
    families = text_string_to_metric_families(page)
    return [Series(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


@dataclass
class Agent:
    """A running agent."""

    process: subprocess.Popen[str]
    port: int

    def page(self) -> str:
        """GET /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def series(self, name: str, **labels: str) -> list[Series]:
        """Series of a name whose labels hold these texts."""
        return [
            each
            for each in parse(self.page())
            if each.name == name and all(text in each.labels.get(label, "") for label, text in labels.items())
        ]

    def value(self, name: str, **labels: str) -> float | None:
        """The one value of such a series; None where there is none."""
        found = self.series(name, **labels)
        assert len(found) < 2, found
        return found[0].value if found else None

    def wait_for(self, what: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
        """Ask again and again until there is an answer that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer := what():
                return answer
            assert self.process.poll() is None, f"the agent ended: {self.process.returncode}"
            time.sleep(0.05)
        raise AssertionError(f"waited in vain; the page is:\n{self.page()}")


@contextmanager
def running_agent(*options: str, interval: str = "1") -> Iterator[Agent]:
    """Start `bgsafe agent`, and end it as systemd would."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "checker.cli", "agent", "--listen", f"127.0.0.1:{port}", "--interval", interval]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    try:
        agent = Agent(process, port)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with suppress(OSError):
                if "bgsafe_scan_timestamp_seconds" in agent.page():
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("the agent did not start")
        yield agent
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
