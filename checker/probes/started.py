"""What a server was started with, as far as its process shows it.

Redis writes a title over its arguments (`redis-server *:6379`; `set-proc-title yes` is the default since ever): they
are lost, and /proc/<pid>/environ behind them. What is left: the title says the program's name, the address, cluster or
sentinel; the working directory *is* `dir`; and the kernel remembers how many bytes the arguments had
(arg_end − arg_start of /proc/<pid>/stat). From that:

- in a container, the runtime's specification has the arguments (checker.probes.oci): those whose size is just right;
- no byte besides the program's own name: there were no arguments, and the engine's defaults hold;
- exactly the bytes of one configuration file that lies where such files lie, alone or with the arguments that service
  units add (`--supervised systemd`), and which agrees with the title's port and with `dir`: that file;
- everything else is not known, and said so.

Seen on redis 6.2.14, 7.0.15 and valkey 9.1.2. Source: redis src/server.c redisSetProcTitle, src/setproctitle.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from checker.facts import Maybe, Unread
from checker.probes.files import AS_ROOT
from checker.probes.oci import size
from checker.probes.proc import parse_cmdline

_TITLE = re.compile(
    r"(?P<program>.*\S) (?P<listen>[!-~]+:(?P<port>\d{1,5})|unixsocket:[!-~]+)(?: \[(?P<mode>cluster|sentinel)\])? *",
    re.DOTALL | re.ASCII,
)

KEEP_TITLE = "start the server with `set-proc-title no`, or give --redis URL so that it can be asked"

CONFIG_FILES: Final = MappingProxyType(
    {
        "redis": (
            "/etc/redis/*.conf",
            "/etc/redis*.conf",
            "/usr/local/etc/redis/*.conf",
            "/usr/local/etc/redis.conf",
            "/opt/bitnami/redis/etc/*.conf",
            "/opt/redis/*.conf",
        ),
        "valkey": (
            "/etc/valkey/*.conf",
            "/etc/valkey*.conf",
            "/usr/local/etc/valkey/*.conf",
            "/opt/bitnami/valkey/etc/*.conf",
        ),
        "keydb": ("/etc/keydb/*.conf", "/etc/keydb*.conf"),
        "everywhere": (
            "/data/*.conf",
            "/data/conf/*.conf",
            "/conf/*.conf",
            "/config/*.conf",
            "/*.conf",
            "/redis/*.conf",
        ),
    }
)
"""Where distributions, images, charts and operators put the file, besides the data directory and its parent."""

UNIT_ARGUMENTS: Final = (
    (),
    ("--supervised", "systemd", "--daemonize", "no"),  # Debian, Ubuntu; the other order has the same size
    ("--supervised", "systemd"),  # Fedora
    ("--daemonize", "no"),
    ("--daemonize", "yes"),
)
"""What service units add to the file's name. None of it has to do with memory or saving."""


@dataclass(frozen=True, slots=True)
class Title:
    """A process title that replaced the arguments."""

    program: str  # argv[0]
    listen: str  # 127.0.0.1:6379, *:6379, unixsocket:/run/redis.sock
    port: int | None
    mode: str | None  # cluster | sentinel


@dataclass(frozen=True, slots=True)
class Started:
    """How a server was started."""

    arguments: Maybe[tuple[str, ...]]  # behind the program's name
    title: Title | None
    source: str  # where the arguments come from


def parse_title(cmdline: tuple[str, ...]) -> Title | None:
    """Read a title; `None` where the arguments are still in their place."""
    match = _TITLE.fullmatch(cmdline[0]) if len(cmdline) == 1 else None
    if match is None:
        return None
    return Title(match["program"], match["listen"], int(match["port"]) if match["port"] else None, match["mode"])


def parse(raw: bytes, arguments_bytes: int | None, where: str) -> Started:
    """Read /proc/<pid>/cmdline, given how many bytes the arguments had at the start (`None` where that is hidden)."""
    cmdline = parse_cmdline(raw)
    title = parse_title(cmdline)
    # A server that keeps its arguments shows them to the last NUL; a title is followed by padding, or by none at all.
    replaced = title is not None or (len(cmdline) == 1 and len(raw.rstrip(b"\0")) + 1 != len(raw))
    if not replaced:
        return Started(cmdline[1:], None, where)
    room = room_for_arguments(title, arguments_bytes)
    if room == 0:
        return Started((), title, f"{where} (started without arguments)")
    size = f"{room} bytes of them" if room else "how many is not known"
    why = f"the process title {cmdline[0]!r} replaced the arguments ({size})"
    return Started(Unread(where, why, KEEP_TITLE if room else f"{AS_ROOT}; or {KEEP_TITLE}"), title, where)


def room_for_arguments(title: Title | None, arguments_bytes: int | None) -> int | None:
    """Bytes that the arguments behind the program's name had, with the NUL behind each."""
    if title is None or arguments_bytes is None:
        return None
    room = arguments_bytes - size([title.program])
    return room if room >= 0 else None


def fitting(room: int, files: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the configuration files that fill the room exactly, each with the arguments of a unit that go with it."""
    fits: dict[str, tuple[str, ...]] = {}
    for file in files:
        for extra in UNIT_ARGUMENTS:
            if size((file, *extra)) == room:
                fits[file] = extra
    return fits


def agrees(settings: Mapping[str, str], title: Title, directory: Maybe[str]) -> bool:
    """Could a file with these settings (`port`, `dir`) have made a server with this title and working directory?"""
    port, dir_ = settings.get("port", "6379"), settings.get("dir")
    if title.port is not None and port not in (str(title.port), "0"):
        return False
    absolute = dir_ is not None and dir_.startswith("/") and isinstance(directory, str)
    return not absolute or dir_ is None or dir_.rstrip("/") == str(directory).rstrip("/")
