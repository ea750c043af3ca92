"""Paths, directories and standard input → the documents in them, one at a time, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from checker.facts import Unread
from checker.manifests.documents import Text, split

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
"""Files that are looked at below a directory; a file that is named itself is read whatever it is called."""

MAX_LINE_CHARACTERS: Final = 16 * 1024 * 1024
"""A JSON object may well be one line; a longer one is no manifest."""

STDIN: Final = "-"


def read(paths: Iterable[str], stdin: TextIO | None = None) -> Iterator[Text | Unread]:
    """Every document below the paths, in order; `-` is standard input. Nothing is held but the current document."""
    seen: set[tuple[int, int]] = set()
    for name in paths:
        if name == STDIN:
            yield from _documents(stdin, "<stdin>") if stdin is not None else ()
        else:
            yield from _path(Path(name), seen, named=True)


def _path(path: Path, seen: set[tuple[int, int]], *, named: bool) -> Iterator[Text | Unread]:
    try:
        status = path.stat()
        if path.is_dir():
            # A link may lead back up: a directory is entered once, however it is reached.
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                for entry in sorted(path.iterdir()):
                    if not entry.name.startswith("."):
                        yield from _path(entry, seen, named=False)
        elif named or (path.suffix.lower() in SUFFIXES and path.is_file()):
            yield from _file(path)
    except OSError as error:
        if named or path.suffix.lower() in SUFFIXES or path.is_dir():
            yield Unread(str(path), error.strerror or str(error), "make it readable, or leave it out")


def _file(path: Path) -> Iterator[Text | Unread]:
    # utf-8-sig: the byte order mark of Windows' editors is no part of the first key.
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        yield from _documents(stream, str(path))


def _documents(stream: TextIO, name: str) -> Iterator[Text | Unread]:
    try:
        yield from split(_lines(stream), name)
    except UnicodeDecodeError as error:
        yield Unread(name, f"not UTF-8 text (byte {error.start}): binary, or another encoding", "save it as UTF-8")
    except _NoManifestError as error:
        yield Unread(name, str(error), "leave it out")


class _NoManifestError(ValueError):
    """Content that no manifest has; the message says what."""


def _lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_CHARACTERS):
        if len(line) == MAX_LINE_CHARACTERS:
            raise _NoManifestError(f"a line of more than {MAX_LINE_CHARACTERS:,} characters")
        if "\0" in line:
            raise _NoManifestError("a binary file (it has NUL bytes)")
        yield line
