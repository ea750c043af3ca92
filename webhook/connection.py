"""One client's connection: the whole request is taken in by the event loop, inside bounds, before a thread sees it.

That is why a slow client costs a few kilobytes and no thread. Every wait has an end (`Limits`), and what all
connections together hold in memory has one too.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast

import httptools

from checker.units import KIB, MIB
from webhook.wsgi import Request, Response, encode, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may take, and all of them together. Bytes and seconds."""

    request_bytes: int = 4 * MIB  # the API server sends 3 MiB at most (its own limit for objects), and the envelope
    head_bytes: int = 64 * KIB  # request line and headers; Go's own default is 1 MiB, the API server sends below 1 KiB
    buffered_bytes: int = 32 * MIB  # bodies of all connections
    connections: int = 256
    pipelined: int = 16  # requests that wait for the answer before theirs
    handshake_seconds: float = 5.0
    request_seconds: float = 10.0  # from the first byte (or the connection) to the last: the API server gives up at 30
    answer_seconds: float = 30.0  # the longest timeoutSeconds that Kubernetes allows
    idle_seconds: float = 120.0  # above the 90 s after which Go's client closes: the client goes first, so no race
    linger_seconds: float = 2.0  # a refused client may read why before the connection is reset


@dataclass(slots=True)
class Shared:
    """What the connections of one process have in common."""

    answer: Callable[[Request], asyncio.Future[Response]]
    limits: Limits
    connections: set[Connection] = field(default_factory=set)
    buffered_bytes: int = 0
    draining: bool = False  # every answer is then the last of its connection


TOO_LARGE: Final = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection, kept alive; answers go out in the order of the requests."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._limits = shared.limits
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._client = ""
        self._refused: Response | None = None
        self._waiting: deque[Request] = deque()
        self.answering: Request | None = None
        self._in_head = True
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._target = b""
        self._headers: list[tuple[str, str]] = []

    # --- the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away where there are too many."""
        # uvloop's transports do not derive from asyncio's classes: this is a stream socket's all the same.
        self._transport = cast(asyncio.Transport, transport)
        if len(self._shared.connections) >= self._limits.connections:
            self._transport.abort()
            return
        self._shared.connections.add(self)
        self._client = (transport.get_extra_info("peername") or ("",))[0]
        self._arm(self._limits.request_seconds, self._transport.abort)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget everything; an answer that is still being made goes nowhere."""
        self._shared.connections.discard(self)
        self._release_body()
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what it finds comes back through the on_… methods."""
        if self._refused is not None:
            return
        if self._in_head:
            if not self._head_bytes and self.answering is None:
                self._arm(self._limits.request_seconds, self._transport.abort)
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(HTTPStatus.BAD_REQUEST, "this server speaks HTTP/1.1 only, and upgrades to nothing")
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST, "this is not an HTTP/1.1 request")
        if self._in_head and self._head_bytes > self._limits.head_bytes:
            limit = self._limits.head_bytes
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the headers are over {limit} bytes")
        if self._refused is not None and self.answering is None:
            self._say_refusal()

    # --- the parser ---

    def on_message_begin(self) -> None:
        """Start a request."""
        self._target, self._headers = b"", []

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Refuse by the announced length, before the body is sent; else ask for the body where that is waited for."""
        self._in_head, self._head_bytes = False, 0
        headers = dict(self._headers)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._limits.request_bytes:
            self._refuse_size()
        elif headers.get("expect", "").lower() == "100-continue" and self.answering is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, inside this request's bound and that of all."""
        if self._refused is not None:
            return
        self._body_bytes += len(body)
        self._shared.buffered_bytes += len(body)
        if self._body_bytes > self._limits.request_bytes:
            self._refuse_size()
        elif self._shared.buffered_bytes > self._limits.buffered_bytes:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests at once; try again")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Answer the request, or queue it behind the one that is being answered."""
        if self._refused is not None:
            return
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            target=self._target,
            headers=self._headers,
            body=b"".join(self._body),
            keep_alive=self._parser.should_keep_alive(),
            received=time.monotonic(),
            client=self._client,
        )
        self._release_body()
        self._in_head = True
        if self.answering is None:
            self._ask(request)
        elif len(self._waiting) < self._limits.pipelined:
            self._waiting.append(request)
        else:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, f"over {self._limits.pipelined} requests wait for an answer")

    # --- answers ---

    def _ask(self, request: Request) -> None:
        self.answering = request
        self._arm(self._limits.answer_seconds, self._too_late)
        self._shared.answer(request).add_done_callback(lambda future: self._answered(request, future))

    def _answered(self, request: Request, future: asyncio.Future[Response]) -> None:
        if self.answering is not request or self._transport.is_closing() or future.cancelled():
            return
        keep_alive = request.keep_alive and not self._shared.draining and self._refused is None
        self._transport.write(encode(future.result(), method=request.method, keep_alive=keep_alive))
        self.answering = None
        if not keep_alive:
            self._transport.close()
        elif self._waiting:
            self._ask(self._waiting.popleft())
        elif self._in_head and not self._head_bytes:
            self._arm(self._limits.idle_seconds, self._transport.close)
        else:
            self._arm(self._limits.request_seconds, self._transport.abort)

    def _too_late(self) -> None:
        self.answering = None
        self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"no answer within {self._limits.answer_seconds:g} s")
        self._say_refusal()

    def _refuse_size(self) -> None:
        self._refuse(TOO_LARGE, f"the body is over {self._limits.request_bytes} bytes")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._refused = self._refused or plain(status, text)
        self._release_body()

    def _say_refusal(self) -> None:
        """Answer, and read on for a moment: closing on unread bytes would reset the connection under the answer."""
        if self._refused is not None and not self._transport.is_closing():
            self._transport.write(encode(self._refused, method="", keep_alive=False))
            self._arm(self._limits.linger_seconds, self._transport.close)

    # --- bounds ---

    def close_if_idle(self) -> None:
        """Close where no request is under way: nothing was taken that would be lost."""
        if self.answering is None:
            self._transport.close()

    def pause_writing(self) -> None:
        """Read no more requests from a client that does not read its answers."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _release_body(self) -> None:
        self._shared.buffered_bytes -= self._body_bytes
        self._body, self._body_bytes = [], 0
