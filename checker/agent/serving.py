"""GET /metrics and /healthz, from memory: a scrape costs nothing but the sending.

Few connections at a time, each with a deadline in every step, the TLS handshake too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from checker.agent.web_config import WebConfig, load
from checker.log import log
from checker.yaml_file import SettingsError

STEP_SECONDS: Final = 10.0
"""How long a client may take for a handshake, a request line or a header: Prometheus' own scrape timeout."""

MOST_CONNECTIONS: Final = 32
"""A judgement: two Prometheus servers and a person with curl are three."""

POLL_SECONDS = 0.5
"""How soon the accepting thread sees that it is to end."""

REMEMBERED_PASSWORDS: Final = 64
"""Passwords that were right: bcrypt takes a twentieth of a second by design, too much for every scrape."""

WEB_ROOT: Final = b"<!doctype html><title>bgsafe agent</title><h1>bgsafe agent</h1><p><a href=/metrics>Metrics</a>\n"


class Page:
    """What is served at this moment."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        self.body = b""
        self.unwell: Callable[[], str | None] = lambda: None  # why /healthz says 503


class Guard:
    """Who may read, and the certificate to show: the web config file, followed as it changes."""

    def __init__(self, path: Path | None) -> None:
        """Raise SettingsError where the file, a certificate or what bcrypt needs is not there."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[object, ...] = ()
        self._config = WebConfig()
        self._context: ssl.SSLContext | None = None
        self._right: set[bytes] = set()
        if path is not None:
            self._take(load(path))

    def context(self) -> ssl.SSLContext | None:
        """For the next connection; None: plain HTTP. A new file that cannot be used is told, and the old one stays."""
        with self._lock:
            if self._path is not None and self._stamp != self._stamps(self._config):
                try:
                    self._take(load(self._path))
                except SettingsError as error:
                    self._stamp = self._stamps(self._config)
                    log("web config not taken", level="error", reason=str(error), used="the one before")
            return self._context

    def admits(self, authorization: str | None) -> bool:
        """May a request with this header read the metrics?"""
        users = self._config.users
        if not users:
            return True
        name, password = credentials(authorization)
        seen = hashlib.sha256(b"\0".join((name.encode(), users.get(name, b""), password))).digest()
        with self._lock:  # one bcrypt at a time: guessing costs one core at most
            if seen in self._right:
                return True
            if not _matches(password, users.get(name), users):
                return False
            if len(self._right) >= REMEMBERED_PASSWORDS:
                self._right.clear()
            self._right.add(seen)
            return True

    def _take(self, config: WebConfig) -> None:
        if config.users:
            _bcrypt()
        context = None if config.tls is None else config.tls.context()
        self._config, self._context, self._stamp = config, context, self._stamps(config)
        self._right.clear()

    def _stamps(self, config: WebConfig) -> tuple[object, ...]:
        paths = (self._path, *config.files()) if self._path else ()
        return tuple(_stamp(path) for path in paths)


def _stamp(path: Path | None) -> object:
    try:
        status = path.stat() if path else None
    except OSError as error:
        return error.errno
    return None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)


def _bcrypt() -> Any:
    try:
        import bcrypt
    except ImportError as error:
        raise SettingsError("basic_auth_users needs the package bcrypt: pip install 'bgsafe[agent]'") from error
    return bcrypt


def _matches(password: bytes, hashed: bytes | None, users: Mapping[str, bytes]) -> bool:
    """An unknown name takes as long as a wrong password."""
    against = next(iter(users.values())) if hashed is None else hashed
    try:
        # More than 72 bytes bcrypt never looks at, and this library refuses.
        right: bool = _bcrypt().checkpw(password[:72], against)
    except ValueError:
        return False  # a hash that begins like one and is none
    return right and hashed is not None


def credentials(authorization: str | None) -> tuple[str, bytes]:
    """Name and password of `Basic …`; empty ones where that is something else."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).partition(b":")
        return name.decode(), password
    except (binascii.Error, ValueError):
        return "", b""


class _Handler(BaseHTTPRequestHandler):
    """One request; HTTP/1.1 with kept-alive connections, as Prometheus likes it."""

    protocol_version = "HTTP/1.1"
    server_version = "bgsafe"
    sys_version = ""
    timeout = STEP_SECONDS
    server: Server

    def do_GET(self) -> None:
        """Answer."""
        page = self.server.page
        path = self.path.partition("?")[0]
        if path == "/healthz":
            why = page.unwell()
            self._send(200 if why is None else 503, "text/plain; charset=utf-8", f"{why or 'ok'}\n".encode())
        elif not self.server.guard.admits(self.headers.get("Authorization")):
            self._send(401, "text/plain; charset=utf-8", b"name and password, please\n")
        elif path == "/metrics":
            self._send(200, page.content_type, page.body)
        elif path == "/":
            self._send(200, "text/html; charset=utf-8", WEB_ROOT)
        else:
            self._send(404, "text/plain; charset=utf-8", b"not found: /metrics and /healthz are there\n")

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        if self.headers.get("Content-Length") or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # a body that nobody reads would be taken for the next request
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="bgsafe"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A scrape is no event."""


class Server(ThreadingHTTPServer):
    """Listens; `start` and `stop`."""

    daemon_threads = True
    request_queue_size = 2 * MOST_CONNECTIONS
    block_on_close = False

    def __init__(self, address: tuple[str, int], page: Page, guard: Guard) -> None:
        """Raise OSError where the address cannot be had."""
        self.page = page
        self.guard = guard
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, name="bgsafe-http", daemon=True
        ).start()

    def stop(self) -> None:
        """Take no more connections."""
        self.shutdown()
        self.server_close()

    def get_request(self) -> tuple[Any, Any]:
        """Accept; the handshake is the connection's own thread's."""
        connection, address = super().get_request()
        connection.settimeout(STEP_SECONDS)
        context = self.guard.context()
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Leave it to a thread, if there is room for one more."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, spoke no TLS, or was too slow: nothing to tell. The rest is our bug."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            log("request failed", level="error", reason=repr(error), client=str(client_address))
        with suppress(OSError):
            request.close()
