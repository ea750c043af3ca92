"""redis.conf and redis-server's command line: text → directives, in the order in which Redis reads them.

Source: redis src/config.c (loadServerConfigFromString), src/sds.c (sdssplitargs), src/server.c (main) at 6.2 and 7.0,
and runs of redis-server 6.2.14, 7.0.15 and valkey-server 9.1.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from checker.deadline import check_deadline
from checker.facts import Maybe, Unread

MAX_INCLUDED_FILES: Final = 256
"""A judgement: Redis itself recurses until its stack ends."""

RUN_TIME: Final = "\ue000"
"""Stands, in a text that a script writes or expands, for a part that is decided only when the script runs."""

Include: TypeAlias = Callable[[str], Maybe[Sequence[tuple[str, str]]]]
"""Path or glob as the file writes it → (path, text) of every file it names, or why they could not be read."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One setting. `include` stays in the list only where the file it names was not read: a hole in what is known."""

    name: str  # lower case, the newer of two names (`replicaof`, not `slaveof`)
    args: tuple[str, ...]
    source: str  # "/etc/redis/redis.conf line 12", "command line"


@dataclass(frozen=True, slots=True)
class Arguments:
    """What redis-server makes of its arguments."""

    config_file: str | None
    reads_stdin: bool  # `redis-server -`: configuration that nobody else can see
    sentinel: bool
    starts_server: bool  # False: --version, --help, --test-memory, --check-system
    directives: tuple[Directive, ...]
    problems: tuple[Unread, ...]


# --- syntax ----------------------------------------------------------------------------------------------------------

_SPACE: Final = " \t\n\v\f\r"
_TOKEN: Final = re.compile(
    r"""[^\s"']*(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\'|[^'\\]|\\(?!'))*)')?(?=\s|\Z)""",
    re.DOTALL | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}


def split_arguments(line: str) -> tuple[str, ...] | None:
    """Split as sdssplitargs() does; `None` for unbalanced quotes, or a closing quote with text right behind it."""
    line = line.partition("\0")[0]  # where a C string ends
    tokens: list[str] = []
    position = 0
    while True:
        while position < len(line) and line[position] in _SPACE:
            position += 1
        if position == len(line):
            return tuple(tokens)
        match = _TOKEN.match(line, position)
        if match is None:
            return None
        bare = line[position : match.end()]
        if (double := match["double"]) is not None:
            bare = bare[: match.start("double") - 1 - position] + _ESCAPE.sub(_unescape, double)
        elif (single := match["single"]) is not None:
            bare = bare[: match.start("single") - 1 - position] + single.replace("\\'", "'")
        tokens.append(bare)
        position = match.end()


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _CONTROL.get(match[2], match[2])


def _quote(argument: str) -> str:
    """Write an argument so that split_arguments() reads it back (sdscatrepr)."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _directive(line: str, source: str) -> tuple[Directive | None, Unread | None]:
    """Read one line, without its line end. A line that Redis cannot split keeps its name, so that its field is known
    to be wrong rather than taken for unset."""
    check_deadline()
    line = line.strip(" \t\r\n")
    if not line or line.startswith("#"):
        return None, None
    tokens, problem = split_arguments(line), None
    if tokens is None:
        name, _, rest = line.partition(" ")
        tokens = (name, rest)
        problem = Unread(source, f"unbalanced quotes in {line[:80]!r}: Redis refuses to start", "close the quote")
    if not tokens:
        return None, None
    name = tokens[0].lower().replace("slaveof", "replicaof").replace("slave", "replica")
    args = tokens[1:]
    if name == "client-output-buffer-limit":
        args = tuple(re.sub(r"(?i)\bslave\b", "replica", argument) for argument in args)
    return Directive(name, args, source), problem


def parse(text: str, source: str, include: Include | None = None) -> tuple[tuple[Directive, ...], tuple[Unread, ...]]:
    """Read the text of a redis.conf, and, through `include`, of the files it includes, in Redis' order.

    An include that was not read leaves its directive in the result and its reason among the problems.
    """
    directives: list[Directive] = []
    problems: list[Unread] = []
    included = 0
    open_files = [_lines(text, source, problems)]
    while open_files:
        where, line = next(open_files[-1], (None, ""))
        if where is None:
            open_files.pop()
            continue
        directive, problem = _directive(line, where)
        if directive is not None and directive.name == "include" and len(directive.args) == 1:
            files = _included(directive, include, included)
            if not isinstance(files, Unread):
                included += len(files)
                open_files += [_lines(content, path, problems) for path, content in reversed(files)]
                continue
            problem = files
        directives += [directive] if directive is not None else []
        problems += [problem] if problem is not None else []
    return tuple(directives), tuple(problems)


def _lines(text: str, source: str, problems: list[Unread]) -> Iterator[tuple[str, str]]:
    """(place, line) of one file; says what makes it no redis.conf at all when its first line is asked for."""
    if text.startswith("\ufeff"):
        text = text[1:]
        problems.append(Unread(f"{source} line 1", "a byte order mark: Redis refuses to start", "save it without BOM"))
    if "\0" in text:
        problems.append(Unread(source, "NUL bytes: not a redis.conf, or damaged", "write it as plain text"))
        # Redis reads lines with fgets() and appends them up to the NUL: the line end goes too.
        text = re.sub(r"\0[^\n]*\n?", "", text)
    for number, line in enumerate(text.split("\n"), start=1):
        yield f"{source} line {number}", line


def _included(directive: Directive, include: Include | None, already: int) -> Maybe[Sequence[tuple[str, str]]]:
    what = f"it includes {directive.args[0]}"
    if include is None:
        return Unread(directive.source, f"{what}, which was not read", "give that file too")
    if already >= MAX_INCLUDED_FILES:
        return Unread(directive.source, f"{what}, file {already + 1} and so not read", "let no file include itself")
    files = include(directive.args[0])
    if isinstance(files, Unread):
        return Unread(directive.source, f"{what}: {files.where}: {files.why}", files.remedy)
    return files


# --- command line ----------------------------------------------------------------------------------------------------

_NOT_A_SERVER: Final = frozenset({"-v", "--version", "-h", "--help", "--test-memory", "--check-system"})


def starts_sentinel(argv: Sequence[str]) -> bool:
    """Do these arguments make `redis-server` a sentinel?"""
    return "--sentinel" in argv


def starts_server(argv: Sequence[str]) -> bool:
    """Do these arguments start a server (or sentinel), and not print something and end?"""
    return not argv or argv[0] not in _NOT_A_SERVER


def parse_arguments(argv: Sequence[str], source: str) -> Arguments:
    """Read what comes after `redis-server` on its command line (the program's own name is not part of `argv`).

    The rules are those of 7.0: an option without a value takes the next element even where that begins with `--`,
    but for `--save` and `--sentinel`. Where older servers differ, they refuse to start.
    """
    sentinel, starts = starts_sentinel(argv), starts_server(argv)
    if not starts:
        return Arguments(None, False, sentinel, False, (), ())
    config_file = argv[0] if argv and not argv[0].startswith("-") else None
    rest = list(argv[1:] if config_file is not None else argv)
    reads_stdin = False
    lines: list[str] = []
    wants_value = False
    for index, element in enumerate(rest):
        if element == "-" and (index == 0 or index == len(rest) - 1):
            reads_stdin = True
        elif element.startswith("--") and not wants_value:
            lines.append(element[2:])
            following = rest[index + 1] if index + 1 < len(rest) else "--"
            bare = len(element.split()) == 1 and "=" not in element
            if bare and element.lower().strip() == "--save" and following.startswith("--"):
                lines[-1] += ' ""'
            else:
                wants_value = bare and element.lower() != "--sentinel"
        else:
            lines.append(f"{lines.pop() if lines else ''} {_quote(element)}")
            wants_value = False
    read = [_directive(line, source) for line in lines]
    problems = [problem for _, problem in read if problem]
    if rest and lines and not any(element.startswith("--") for element in rest):
        what = f"{lines[0].strip()} is no option: Redis refuses to start"
        problems.append(Unread(source, what, "write --name value"))
    directives = tuple(directive for directive, _ in read if directive and directive.name != "sentinel")
    return Arguments(config_file, reads_stdin, sentinel, True, directives, tuple(problems))
