"""One HTTP request through a WSGI application (PEP 3333), bytes in, bytes out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

RECEIVED = "bgsafe.received"
"""Key in the environment: time.monotonic() at which the whole request had come; a deadline counts from it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request: nothing of it is still on its way."""

    method: str
    target: bytes
    headers: Sequence[tuple[str, str]]  # names in lower case
    body: bytes
    keep_alive: bool
    received: float  # time.monotonic()
    client: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response; Content-Length, Date and Connection are the server's."""

    status: str  # "200 OK"
    headers: Sequence[tuple[str, str]]
    body: bytes


def plain(status: HTTPStatus, text: str) -> Response:
    """The server's own answers, where no application was asked."""
    return Response(
        f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")], f"{text}\n".encode()
    )


def environ(request: Request) -> dict[str, Any]:
    """The WSGI environment of a request."""
    path, _, query = request.target.partition(b"?")
    found: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "bgsafe-webhook",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        RECEIVED: request.received,
    }
    for name, value in request.headers:
        # "X-A" and "X_A" would become one key: names with an underscore are dropped, as every proxy does.
        if "_" not in name:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            found[key] = f"{found[key]},{value}" if key in found else value
    found["CONTENT_TYPE"] = found.pop("HTTP_CONTENT_TYPE", "")
    found.pop("HTTP_CONTENT_LENGTH", None)
    found["CONTENT_LENGTH"] = str(len(request.body))
    return found


def call(application: Application, request: Request) -> Response:
    """Ask the application, to the end of its answer."""
    started: list[tuple[str, Sequence[tuple[str, str]]]] = []

    def start_response(status: str, headers: Sequence[tuple[str, str]], _exc_info: object = None) -> None:
        started.append((status, headers))

    chunks = application(environ(request), start_response)
    try:
        body = b"".join(chunks)
    finally:
        if (close := getattr(chunks, "close", None)) is not None:
            close()
    status, headers = started[-1]
    return Response(status, headers, body)


_OURS = frozenset({"content-length", "connection", "date", "transfer-encoding"})


def encode(response: Response, *, method: str, keep_alive: bool) -> bytes:
    """The bytes of a response, HTTP/1.1; a HEAD gets the length and no body."""
    lines = [f"HTTP/1.1 {response.status}", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in response.headers if name.lower() not in _OURS]
    if not response.status.startswith("204"):
        lines.append(f"Content-Length: {len(response.body)}")
    if not keep_alive:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if method == "HEAD" else head + response.body
