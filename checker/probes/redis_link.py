"""A connection to a Redis-like server that cannot hang, cannot leak a password and cannot write.

Every wait has a timeout, and the whole visit a deadline, for servers that answer one byte at a time. Errors become
`Unread` with what to do.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from checker.facts import Unread
from checker.probes.files import decode, printable

Reply: TypeAlias = Any
"""bytes, int, None or a list of replies; `ServerError` where the server refused this one command."""

DEADLINE_FACTOR = 4
"""A judgement: a visit is a handful of exchanges, and may take this many timeouts in all."""

_OPTIONS: Final = frozenset(
    {
        *("connection_class", "host", "port", "path", "db", "username", "password"),
        *("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"),
    }
)
"""What a URL may set; timeouts are ours."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error reply (`NOPERM this user has no permissions to run the 'config|get' command`)."""

    text: str

    def unread(self, where: str) -> Unread:
        """Say what to do about it."""
        code = self.text.split(" ")[0]
        permitted = "allow this user INFO, and if possible CONFIG GET (ACL: +info +config|get)"
        remedies = {
            "NOAUTH": "give a password: in the URL, in REDISCLI_AUTH or with --redis-password-file",
            "WRONGPASS": "check user name and password (URL, REDISCLI_AUTH, --redis-password-file)",
            "NOPERM": permitted,
            "LOADING": "wait until the data set is loaded, and run again",
            "DENIED": "connect from the server's own machine, or set a password there (protected-mode)",
            "ERR": permitted,
        }
        return Unread(where, printable(self.text[:200]), remedies.get(code.lstrip("-"), permitted))


def label(url: str) -> str:
    """Return the URL without user, password and options, for messages: nothing secret is in it."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "--redis URL"
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme else "--redis URL"


@dataclass(slots=True)
class Link:
    """An open connection."""

    where: str
    connection: Any
    expired: threading.Event = field(default_factory=threading.Event)

    def call(self, *commands: Sequence[str | bytes | int]) -> list[Reply] | Unread:
        """Send commands at once, and return a reply for each; `Unread` where the connection itself failed."""
        import redis

        try:
            self.connection.send_packed_command(self.connection.pack_commands(commands), check_health=False)
            return [self._reply() for _ in commands]
        except redis.AuthenticationError as error:  # a ConnectionError in this library
            return ServerError(str(error)).unread(self.where)
        except (redis.RedisError, OSError) as error:
            return Unread(self.where, self._why(error), "check that the server answers there (PING)")
        except (ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError, MemoryError) as error:
            # what the library's parser raises on bytes that are no reply
            return Unread(self.where, self._why(error), "check host and port: is that a Redis-like server?")

    def _reply(self) -> Reply:
        import redis

        try:
            return self.connection.read_response()
        except redis.AuthenticationError as error:
            return ServerError(f"NOAUTH {error}" if "NOAUTH" not in str(error) else str(error))
        except redis.exceptions.NoPermissionError as error:
            return ServerError(f"NOPERM {error}")
        except redis.BusyLoadingError as error:
            return ServerError(f"LOADING {error}")
        except redis.ResponseError as error:
            return ServerError(str(error))

    def _why(self, error: BaseException) -> str:
        import redis

        if self.expired.is_set() or isinstance(error, redis.TimeoutError | TimeoutError):
            return "no answer in time"
        if isinstance(error, redis.InvalidResponse) or not isinstance(error, redis.RedisError | OSError):
            return f"the answer is not the Redis protocol ({type(error).__name__})"
        return printable(decode(str(error).encode("utf-8", "surrogateescape"))).rstrip(".")[:200]


@contextmanager
def connect(url: str, password: str | None, timeout_seconds: float, extra_seconds: float) -> Iterator[Link | Unread]:
    """Connect to `redis://`, `rediss://` or `unix://`; the URL's password wins, then the given, then REDISCLI_AUTH.

    `extra_seconds`: what the visitor will spend there on purpose, beyond DEADLINE_FACTOR × timeout.
    """
    import redis
    from redis.connection import Connection, parse_url

    where = label(url)
    try:
        options = {name: value for name, value in parse_url(url).items() if name in _OPTIONS}  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):  # its message may hold the URL, and so the password
        yield Unread(
            where, "not a URL of a Redis server", "write redis://host:6379, rediss://… or unix:///path/to.sock"
        )
        return
    given = options.get("password") or password or os.environ.get("REDISCLI_AUTH")
    options["password"] = given or None
    make = options.pop("connection_class", Connection)
    connection = make(
        **options,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        protocol=2,
    )
    # No CLIENT SETINFO: a monitoring user may not be allowed to, and each visit would leave a line in ACL LOG. The
    # library's option for this has had two names since 5.0, and the older one warns.
    for name in ("lib_name", "lib_version", "driver_info"):
        setattr(connection, name, None)
    link = Link(where, connection)

    def expire() -> None:
        link.expired.set()
        connection.disconnect()

    timer = threading.Timer(DEADLINE_FACTOR * timeout_seconds + extra_seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield _opened(link, redis.RedisError)
    finally:
        timer.cancel()
        connection.disconnect()


def _opened(link: Link, library_error: type[Exception]) -> Link | Unread:
    import redis

    try:
        link.connection.connect()
    except redis.AuthenticationError as error:
        text = str(error)
        wrong = "WRONGPASS" if "WRONGPASS" in text or "invalid" in text.lower() else "NOAUTH"
        return ServerError(text if text.startswith(wrong) else f"{wrong} {text}").unread(link.where)
    except (library_error, OSError) as error:
        why = link._why(error)
        remedy = "check host, port and network, and that the server runs"
        if "certificate" in why.lower():
            remedy = "name its CA in the URL: rediss://host:6379?ssl_ca_certs=/path/to/ca.crt"
        return Unread(link.where, why, remedy)
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError, MemoryError) as error:
        return Unread(link.where, link._why(error), "check host and port: is that a Redis-like server?")
    return link
