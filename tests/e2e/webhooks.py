"""`bgsafe webhook` as a process of its own, and what it says of itself."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.control_plane import started
from tests.e2e.manifests import NAMESPACE, SERVICE
from tests.webhook.serving import free_port

HOST = f"{SERVICE}.{NAMESPACE}.svc"
"""The name that the API server calls, and that the certificate has to have."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One that runs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    authority: Callable[[], bytes]  # PEM of who signed its certificate

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log that tell of this."""
        found = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [event for event in found if event.get("event") == name]

    def get(self, path: str) -> str:
        """The body of an answer, read over a connection that is checked as the API server would."""
        tls = ssl.create_default_context(cadata=self.authority().decode())
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw,
            tls.wrap_socket(raw, server_hostname=HOST) as client,
        ):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), answer.decode()
        return body.decode()

    def reviews(self, **labels: str) -> int:
        """How many it has answered whose metric has these labels."""
        return self._counted("bgsafe_admission_reviews_total", labels)

    def errors(self, reason: str) -> int:
        """What went wrong for this reason, so far."""
        return self._counted("bgsafe_admission_errors_total", {"reason": reason})

    def _counted(self, name: str, labels: dict[str, str]) -> int:
        total = 0.0
        for line in self.get("/metrics").splitlines():
            found = re.fullmatch(rf"{name}\{{(.*)\}} (\S+)", line)
            if found and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', found[1])).items():
                total += float(found[2])
        return int(total)

    def certificate(self) -> str:
        """The one that it shows, as PEM; whoever signed it."""
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=10)


@contextmanager
def webhook(log: Path, authority: Callable[[], bytes], *options: str, port: int | None = None) -> Iterator[Webhook]:
    """Start one, wait until it is ready, and end it."""
    port = port or free_port()
    command = [sys.executable, "-m", "checker.cli", "webhook", f"--listen=127.0.0.1:{port}", "--drain-seconds=0"]
    made: list[Webhook] = []

    def ready() -> bool:
        return log.exists() and '"ready"' in log.read_text()

    with started([*command, *options], log, ready) as process:
        made.append(Webhook(process, port, log, authority))
        yield made[0]
