"""The Redis protocol (RESP2), as little of it as the lab needs: commands out, simple replies in, over a unix socket.

Not the `redis` package: the load needs requests that are ready-made bytes, and replies that are only counted.
"""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

RECEIVE_BYTES = 1 << 18


class ReplyError(Exception):
    """The server answered with an error; the message is the server's own."""


def encode(*arguments: bytes) -> bytes:
    """Return the bytes of one command."""
    parts = [b"*%d\r\n" % len(arguments)]
    parts += [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments]
    return b"".join(parts)


def parse_info(text: str) -> dict[str, str]:
    """Fields of an INFO reply; comments and blank lines are left out."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return {name: value.strip() for name, value in pairs}


class Connection:
    """A connection to the server's unix socket. Raises OSError where the server is gone or does not answer in time."""

    def __init__(self, path: str, *, timeout_seconds: float) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout_seconds)
        self._buffer = b""
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; a second time is harmless."""
        self.socket.close()

    def command(self, *arguments: str) -> str:
        """Send one command and return its reply as text; raise ReplyError for an error reply."""
        return self.pipeline((arguments,))[0]

    def pipeline(self, commands: tuple[tuple[str, ...], ...]) -> list[str]:
        """Send commands at once, so that the server takes them one after the other; return their replies."""
        self.socket.sendall(b"".join(encode(*(part.encode() for part in command)) for command in commands))
        return [self._reply() for _ in commands]

    def info(self, *sections: str) -> dict[str, str]:
        """Fields of INFO, of some sections or of all."""
        fields: dict[str, str] = {}
        for text in self.pipeline(tuple(("INFO", section) for section in sections) or (("INFO",),)):
            fields |= parse_info(text)
        return fields

    def _reply(self) -> str:
        line = self._line()
        kind, rest = line[:1], line[1:].decode(errors="replace")
        if kind == b"-":
            raise ReplyError(rest)
        if kind == b"$":
            return "" if rest == "-1" else self._exactly(int(rest) + 2)[:-2].decode(errors="replace")
        if kind in (b"+", b":"):
            return rest
        raise ReplyError(f"a reply that the lab does not know: {line[:40]!r}")

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._receive()
        chunk, self._buffer = self._buffer[:count], self._buffer[count:]
        return chunk

    def _receive(self) -> None:
        received = self.socket.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += received
