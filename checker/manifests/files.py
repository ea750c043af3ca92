"""Paths, directories and standard input → the documents in them, one at a time, and what could not be read.

And back: a file's whole text, and a new one in its place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Final, TextIO

from checker.facts import Maybe, Unread
from checker.manifests.documents import Text, split

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
"""Files that are looked at below a directory; a file that is named itself is read whatever it is called."""

MAX_LINE_CHARACTERS: Final = 16 * 1024 * 1024
"""A JSON object may well be one line; a longer one is no manifest."""

STDIN: Final = "-"

BOM: Final = "\ufeff"
"""The byte order mark of Windows' editors: no part of the first key."""


def read(paths: Iterable[str], stdin: TextIO | None = None) -> Iterator[Text | Unread]:
    """Every document below the paths, in order; `-` is standard input. Nothing is held but the current document."""
    seen: set[tuple[int, int]] = set()
    for name in paths:
        if name == STDIN:
            yield from _documents(stdin, "<stdin>") if stdin is not None else ()
        else:
            yield from _path(Path(name), seen, named=True)


class Sources:
    """The paths of one command, which may be read again and written; standard input is there only once, and so kept."""

    STDIN: Final = "<stdin>"

    def __init__(self, paths: Sequence[str], stdin: TextIO) -> None:
        self._paths = paths
        self._stdin = stdin
        self._held: Maybe[str] | None = None

    @property
    def has_stdin(self) -> bool:
        """Is standard input among the paths?"""
        return STDIN in self._paths

    def documents(self) -> Iterator[Text | Unread]:
        """Every document, as `read` yields them."""
        held = self.text(self.STDIN) if self.has_stdin else ""
        if isinstance(held, Unread):
            yield held
        yield from read(self._paths, None if isinstance(held, Unread) else StringIO(held.removeprefix(BOM), "\n"))

    def text(self, name: str) -> Maybe[str]:
        """A file's text with every character of it: line ends and byte order mark."""
        if name != self.STDIN:
            return _decoded(name, Path(name).read_bytes)
        if self._held is None:
            self._held = _decoded(name, self._stdin.buffer.read)
        return self._held

    def write(self, name: str, text: str) -> Unread | None:
        """Replace a file's text; why not, where that cannot be done."""
        if name == self.STDIN:
            self._held = text
            return None
        return _replaced(name, text)


def _decoded(name: str, read_bytes: Callable[[], bytes]) -> Maybe[str]:
    try:
        return read_bytes().decode()
    except UnicodeDecodeError as error:
        return _not_text(name, error)
    except OSError as error:
        return Unread(name, error.strerror or str(error), "make it readable, or leave it out")


def _replaced(name: str, text: str) -> Unread | None:
    """In one step, and a link's target in place of the link."""
    path = Path(name).resolve()
    new = path.with_name(f".{path.name}.bgsafe")
    try:
        if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
            return Unread(name, "is read-only", "make it writable")
        try:
            new.write_bytes(text.encode())
            shutil.copymode(path, new)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        return Unread(name, error.strerror or str(error), "make its directory writable")
    return None


def _path(path: Path, seen: set[tuple[int, int]], *, named: bool) -> Iterator[Text | Unread]:
    try:
        status = path.stat()
        directory = path.is_dir()
        if not directory and not named and not (path.suffix.lower() in SUFFIXES and path.is_file()):
            return
        # A link may lead back up, and a path be given twice: each is read once, however it is reached.
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        if not directory:
            yield from _file(path)
            return
        for entry in sorted(path.iterdir()):
            if not entry.name.startswith("."):
                yield from _path(entry, seen, named=False)
    except OSError as error:
        if named or path.suffix.lower() in SUFFIXES or path.is_dir():
            yield Unread(str(path), error.strerror or str(error), "make it readable, or leave it out")


def _file(path: Path) -> Iterator[Text | Unread]:
    # utf-8-sig drops the byte order mark.
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        yield from _documents(stream, str(path))


def _documents(stream: TextIO, name: str) -> Iterator[Text | Unread]:
    try:
        yield from split(_lines(stream), name)
    except UnicodeDecodeError as error:
        yield _not_text(name, error)
    except _NoManifestError as error:
        yield Unread(name, str(error), "leave it out")


def _not_text(name: str, error: UnicodeDecodeError) -> Unread:
    return Unread(name, f"not UTF-8 text (byte {error.start}): binary, or another encoding", "save it as UTF-8")


class _NoManifestError(ValueError):
    """Content that no manifest has; the message says what."""


def _lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_CHARACTERS):
        if len(line) == MAX_LINE_CHARACTERS:
            raise _NoManifestError(f"a line of more than {MAX_LINE_CHARACTERS:,} characters")
        if "\0" in line:
            raise _NoManifestError("a binary file (it has NUL bytes)")
        yield line
