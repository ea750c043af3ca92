"""The HTTPS server of the webhook: one worker process with an event loop and a few threads, and a parent that minds it.

The parent holds the listening socket, so that connections wait while a worker that crashed is replaced. Certificates
are asked for every few seconds; new ones serve the next connection, and those that are open go on.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from traceback import extract_tb
from typing import Final

from checker.facts import Maybe, Unread
from checker.log import hold_lines, log, write_lines
from webhook.connection import Connection, Limits, Shared
from webhook.tls import Serving, context
from webhook.wsgi import Application, Request, Response, call, plain

EXIT_CANNOT_START = 2
"""Worker's exit code for a configuration that no restart can mend."""

THREADS: Final = 2
"""One computes while another waits for the API server. More take each other's turn, and memory: with four, reviews cost
up to a tenth more CPU time, and the p99 of remembered ones was 7 ms against 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds."""

    reload: float = 2.0  # how often the certificate is asked for: reading three small files
    drain: float = 5.0  # after SIGTERM, still accepting: until the Service has forgotten this address everywhere
    grace: float = 15.0  # then, for what was taken; drain + grace stay below terminationGracePeriodSeconds 30


@dataclass(slots=True)
class Server:
    """One worker's server on a listening socket."""

    application: Application
    listening: socket.socket
    read_certificate: Callable[[], Maybe[Serving]]
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)
    serving: Serving | None = None  # what new connections are shown

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop`, finish what was taken; the process's exit code."""
        serving = self.read_certificate()
        tls = serving if isinstance(serving, Unread) else context(serving)
        if isinstance(serving, Unread) or isinstance(tls, Unread):
            log("cannot_start", level="error", reason=str(tls))
            return EXIT_CANNOT_START
        self.serving = serving
        threads = ThreadPoolExecutor(THREADS, "review")
        shared = Shared(lambda request: self._answer(threads, request), self.limits)
        server = await self._listen(shared, tls)
        log("ready", address="{}:{}".format(*self.listening.getsockname()[:2]))
        server = await self._serve(shared, server, stop)
        await self._finish(shared, server)
        # A thread that still computes cannot be ended; the worker process exits without waiting for it.
        threads.shutdown(wait=False, cancel_futures=True)
        log("stopped", unanswered=sum(1 for connection in shared.connections if connection.answering))
        return 0

    async def _serve(self, shared: Shared, server: asyncio.Server, stop: asyncio.Event) -> asyncio.Server:
        """Wait for the end, following the certificate; the server that then listens."""
        seen: Maybe[Serving] | None = self.serving
        while True:
            try:
                await asyncio.wait_for(stop.wait(), self.timing.reload)
            except TimeoutError:
                pass
            else:
                return server
            new = self.read_certificate()
            if new == seen:
                continue
            seen = new
            tls = new if isinstance(new, Unread) else context(new)
            if isinstance(new, Unread) or isinstance(tls, Unread):
                # Certificate and key may have been read on either side of a swap: the next look sees both anew.
                log("certificate_rejected", level="error", reason=str(tls), serving="the one before")
                continue
            # Another listener on the same socket: what waits in the kernel's queue is accepted by either.
            old, server = server, await self._listen(shared, tls)
            old.close()
            self.serving = new
            log("certificate_loaded")

    async def _listen(self, shared: Shared, tls: ssl.SSLContext) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(shared),
            sock=self.listening.dup(),
            ssl=tls,
            backlog=BACKLOG,
            ssl_handshake_timeout=self.limits.handshake_seconds,
            ssl_shutdown_timeout=self.limits.linger_seconds,
        )

    async def _finish(self, shared: Shared, server: asyncio.Server) -> None:
        """Drain: every answer now ends its connection, so no client sends into one that is being closed."""
        log("draining", connections=len(shared.connections))
        shared.draining = True
        await asyncio.sleep(self.timing.drain)
        server.close()
        self.listening.close()
        end = time.monotonic() + self.timing.grace
        for connection in list(shared.connections):
            connection.close_if_idle()
        while shared.connections and time.monotonic() < end:
            await asyncio.sleep(0.02)

    def _answer(self, threads: ThreadPoolExecutor, request: Request) -> asyncio.Future[Response]:
        return asyncio.get_running_loop().run_in_executor(threads, answer, self.application, request)


def answer(application: Application, request: Request) -> Response:
    """Ask the application; whatever it raises is a 500, and logged: the API server's failurePolicy then decides."""
    try:
        return call(application, request)
    except Exception as error:  # noqa: BLE001 - a bug in one request must not cost the others their answer
        # Where, and not what: an exception's message may quote the request.
        trace = [f"{Path(place.filename).name}:{place.lineno}" for place in extract_tb(error.__traceback__)[-8:]]
        log("bug", level="error", where="application", fault=type(error).__name__, trace=trace)
        return plain(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug in bgsafe; its log has more")


BACKLOG = 1024

LOG_SECONDS: Final = 0.1
"""How long the log's lines wait for each other. A write of its own for each costs the thread that has just reviewed its
turn (a system call gives the interpreter's lock away): 40 of 220 µs, measured."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raise OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def work(server: Server, parent_alive: int) -> int:
    """Run a server in this process until SIGTERM, SIGINT or the end of the parent; the exit code."""
    import uvloop

    async def main() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        # Nothing is ever written: it becomes readable when the parent, which holds the other end, is gone.
        loop.add_reader(parent_alive, stop.set)
        hold_lines()

        def write_log() -> None:
            write_lines()
            loop.call_later(LOG_SECONDS, write_log)

        write_log()
        return await server.run(stop)

    return uvloop.run(main())
