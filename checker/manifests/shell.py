"""What a start script runs, and which files it has written by then, without running it.

Everything that depends on the running pod (host names, secrets, the answer of another server) is RUN_TIME; where a
condition depends on it, both branches are followed, and every path gives its own answer. Each path ends at the server.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Final

from checker.deadline import check_deadline
from checker.engines import DATA_SERVERS, EXECUTABLES
from checker.manifests import expansion
from checker.manifests.shell_builtins import BUILTINS
from checker.manifests.shell_path import Path, Run
from checker.manifests.shell_syntax import (
    AndOr,
    Case,
    For,
    Function,
    Group,
    If,
    Loop,
    Node,
    Not,
    Pipeline,
    Redirect,
    Script,
    Simple,
    parse,
)
from checker.manifests.shell_tokens import ShellSyntaxError
from checker.manifests.virtual_files import Files, Line
from checker.probes.redis_conf import RUN_TIME

MAX_PATHS: Final = 16
"""Ways through a script that are followed. Equal ones count once, so that few scripts come near it."""

MAX_STEPS: Final = 3_000
"""Commands that are followed in one container: a script that calls itself ends here."""

MAX_CALLS: Final = 12

WRAPPERS: Final = frozenset(
    {
        *("exec", "command", "builtin", "nohup", "tini", "tini-static", "dumb-init", "catatonit", "sudo", "setsid"),
        *("gosu", "su-exec", "setpriv", "timeout", "nice", "ionice", "env", "numactl", "taskset", "stdbuf", "chrt"),
        *("docker-entrypoint.sh", "entrypoint.sh", "entrypoint", "container-entrypoint", "xargs", "time", "eatmydata"),
    }
)
"""Programs that run the command that follows them (behind options and, for some, one argument)."""

_TAKES_ARGUMENT: Final = frozenset({"gosu", "su-exec", "timeout", "taskset", "chrt"})
SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh", "busybox"})
_SUPERVISORS: Final = frozenset({"supervisord", "s6-svscan", "runsvdir", "monit", "circusd"})

_TEXT_ONLY: Final = frozenset(
    {
        *("which", "pgrep", "pkill", "killall", "kill", "ps", "type", "hash", "apk", "apt-get", "apt", "yum", "chmod"),
        *("chown", "grep", "egrep", "awk", "sed", "echo", "printf", "ls", "find", "ln", "rm", "test", "[", "[[", "cd"),
        *("mkdir", "touch", "export", "set", "trap", "logger", "curl", "wget", "kubectl", "read", "local", "declare"),
    }
)
"""Programs whose arguments may well say `redis-server` without running it."""


class Shell:
    """Follows one container's script; counts its steps, which is why it is a class."""

    def __init__(self) -> None:
        self.steps = 0
        self.calls = 0
        self.cut_short = False
        self.capturing = 0  # how many of the commands around this one want to know what it prints

    # --- control flow ------------------------------------------------------------------------------------------------

    def script(self, nodes: Script, paths: list[Path]) -> list[Path]:
        """Follow the commands one after another."""
        for node in nodes:
            paths = self._each(paths, partial(self.node, node))
        return paths

    def _each(self, paths: list[Path], follow: Callable[[Path], list[Path]]) -> list[Path]:
        after: list[Path] = []
        for path in paths:
            for result in [path] if path.ended else follow(path):
                if result not in after:
                    after.append(result)
        if len(after) > MAX_PATHS:
            self.cut_short = True
            after = _most_different(after)[:MAX_PATHS]
        return after

    def node(self, node: Node, path: Path) -> list[Path]:
        check_deadline()
        self.steps += 1
        if self.steps > MAX_STEPS:
            self.cut_short = True
            path.ended = "exit"
            return [path]
        match node:
            case Simple():
                return self.simple(node, path)
            case AndOr(first, rest):
                return self.and_or(first, rest, path)
            case Pipeline(commands):
                return self.pipeline(commands, path)
            case Not(command):
                paths = self.node(command, path)
                for result in paths:
                    result.status = None if result.status is None else not result.status
                return paths
            case Function(name, definition):
                path.functions[name] = definition
                return [path]
            case If():
                return self.redirected(node.redirects, path, partial(self.conditional, node))
            case Case():
                return self.redirected(node.redirects, path, partial(self.case, node))
            case For():
                return self.redirected(node.redirects, path, partial(self.for_loop, node))
            case Loop(condition, body, redirects):
                return self.redirected(redirects, path, lambda inner: self.script(condition + body, [inner]))
            case Group(body, redirects):
                return self.redirected(redirects, path, lambda inner: self.script(body, [inner]))

    def and_or(self, first: Node, rest: Sequence[tuple[str, Node]], path: Path) -> list[Path]:
        paths = self.node(first, path)
        for operator, node in rest:
            wanted = operator == "&&"

            def follow(path: Path, node: Node = node, wanted: bool = wanted) -> list[Path]:
                if path.status is None:
                    skipped = path.copy()
                    skipped.status = not wanted
                    return [*self.node(node, path), skipped]
                return self.node(node, path) if path.status is wanted else [path]

            paths = self._each(paths, follow)
        return paths

    def pipeline(self, commands: Sequence[Node], path: Path) -> list[Path]:
        before = path.output
        path.output = ()
        paths = [path]
        self.capturing += 1
        for index, command in enumerate(commands):

            def follow(path: Path, command: Node = command, index: int = index) -> list[Path]:
                path.stdin, path.output = path.output if index else (), ()
                return self.node(command, path)

            paths = self._each(paths, follow)
        self.capturing -= 1
        for result in paths:
            result.output, result.stdin = before + result.output if self.capturing else (), ()
        return paths

    def conditional(self, node: If, path: Path) -> list[Path]:
        done: list[Path] = []
        waiting = [path]
        for condition, body in node.clauses:
            tested = self.script(condition, waiting)
            done += [path for path in tested if path.ended]
            tested = [path for path in tested if not path.ended]
            done += self.script(body, [path.copy() for path in tested if path.status is not False])
            waiting = [path for path in tested if path.status is not True]
        return self._each(done + self.script(node.otherwise, waiting), lambda path: [path])

    def case(self, node: Case, path: Path) -> list[Path]:
        word = self.text(node.word, path)
        done: list[Path] = []
        for patterns, body in node.arms:
            matches = [self._matches(word, self.text(pattern, path)) for pattern in patterns]
            if True in matches:
                return self._each(done + self.script(body, [path]), lambda path: [path])
            if None in matches:
                done += self.script(body, [path.copy()])
        return self._each([*done, path], lambda path: [path])

    @staticmethod
    def _matches(word: str, pattern: str) -> bool | None:
        if pattern == "*":
            return True
        return None if RUN_TIME in word + pattern else fnmatchcase(word, pattern)

    def for_loop(self, node: For, path: Path) -> list[Path]:
        items = [item for word in node.words for item in self.words(word, path)]
        paths = [path]
        for item in items[:MAX_PATHS]:

            def follow(path: Path, item: str = item) -> list[Path]:
                path.variables[node.variable] = item
                return self.script(node.body, [path])

            paths = self._each(paths, follow)
        return paths

    # --- one command -------------------------------------------------------------------------------------------------

    def redirected(self, redirects: Iterable[Redirect], path: Path, follow: Callable[[Path], list[Path]]) -> list[Path]:
        """Follow with standard input and output where the redirections lead."""
        targets: list[tuple[str, bool]] = []
        outer, path.output = path.output, ()
        for redirect in redirects:
            if redirect.operator == "<<":
                text = redirect.target
                if redirect.expands:
                    text = self.text('"' + text.replace('"', '\\"') + '"', path)
                path.stdin = tuple(Line(line, path.where) for line in text.split("\n"))
            elif redirect.operator == "<":
                path.stdin = path.files.read(path.absolute(self.text(redirect.target, path)))
            elif redirect.operator == "<<<":
                path.stdin = (Line(self.text(redirect.target, path), path.where),)
            elif redirect.operator in (">", ">>", ">|", "&>", "&>>") and redirect.descriptor in ("", "1"):
                targets.append((path.absolute(self.text(redirect.target, path)), ">>" in redirect.operator))
        self.capturing += bool(targets)
        paths = follow(path)
        self.capturing -= bool(targets)
        for result in paths:
            for target, append in targets[-1:]:
                result.files = result.files.write(target, result.output, append=append)
            # What nobody reads is not kept: paths that differ in it alone would be followed apart.
            result.output = (outer if targets else outer + result.output) if self.capturing else ()
            result.stdin = () if redirects else result.stdin
        return paths

    def simple(self, node: Simple, path: Path) -> list[Path]:
        words: list[str] = []
        for index, raw in enumerate(node.words):
            if len(words) == 0 and (assignment := expansion.ASSIGNMENT.match(raw)):
                self.assign(assignment, raw[assignment.end() :], path)
                continue
            if words and words[0] in ("export", "local", "declare", "readonly", "typeset"):
                assignment = expansion.ASSIGNMENT.match(raw)
                if assignment:
                    self.assign(assignment, raw[assignment.end() :], path)
                continue
            if node.words[0] == "[[" and index:
                words.append(self.text(raw, path) if raw not in ("&&", "||", "(", ")") else raw)
            else:
                words += self.words(raw, path) if len(words) < expansion.MAX_FIELDS else []
        if not words:
            path.status = True
        return self.redirected(node.redirects, path, lambda inner: self.command(words, inner) if words else [inner])

    def assign(self, assignment: re.Match[str], raw: str, path: Path) -> None:
        name, append = assignment[1], assignment[2] == "+="
        before = path.variables.get(name, ())
        if raw.startswith("("):
            items = tuple(item for word in expansion.array_words(raw) for item in self.words(word, path))
            held = before if isinstance(before, tuple) else (before,)
            path.variables[name] = ((*held, *items) if append else items)[: expansion.MAX_FIELDS]
        else:
            text = self.text(raw, path)
            held_text = before if isinstance(before, str) else " ".join(before)
            path.variables[name] = (held_text + text if append else text)[: expansion.MAX_TEXT]
        path.status = True

    def words(self, raw: str, path: Path) -> list[str]:
        """The words that a raw word becomes; RUN_TIME where it cannot be read, as text of here-documents may be."""
        try:
            return expansion.expand(raw, path.variables, path.positional, partial(self.substitute, path))
        except ShellSyntaxError:
            return [RUN_TIME]

    def text(self, raw: str, path: Path) -> str:
        """The same without splitting, as in an assignment."""
        try:
            return expansion.expand_text(raw, path.variables, path.positional, partial(self.substitute, path))
        except ShellSyntaxError:
            return RUN_TIME

    def substitute(self, path: Path, text: str) -> str:
        """What a command substitution prints; RUN_TIME where that is not known, or differs between paths."""
        inner = path.copy()
        inner.output, inner.runs = (), ()
        if self.calls >= MAX_CALLS:
            return RUN_TIME
        self.calls += 1
        self.capturing += 1
        try:
            results = self.script(parse(text), [inner])
        except ShellSyntaxError:
            return RUN_TIME
        finally:
            self.calls -= 1
            self.capturing -= 1
        printed = {"\n".join(line.text for line in result.output).rstrip("\n") for result in results}
        return printed.pop() if len(printed) == 1 else RUN_TIME

    def command(self, words: list[str], path: Path) -> list[Path]:
        """One command, its words expanded, and what wraps it taken off."""
        replaces = False
        while (base := posixpath.basename(words[0]).lower()) in WRAPPERS and words[0] not in path.functions:
            following = wrapped(words)
            if not following:
                break
            replaces = replaces or base == "exec"
            words = following
        results = self.program(words, path)
        for result in results:
            result.ended = result.ended or ("exit" if replaces else "")
        return results

    def program(self, words: list[str], path: Path) -> list[Path]:
        """A program, function or builtin by its name."""
        name, arguments = words[0], words[1:]
        base = posixpath.basename(name).lower()
        if name in path.functions:
            return self.call(path.functions[name], arguments, path)
        if base in EXECUTABLES:
            return self.started(EXECUTABLES[base], words, path)
        if (builtin := BUILTINS.get(base)) is not None:
            return builtin(self, arguments, path)
        if base in SHELLS:
            return self.shell(arguments[1:] if base == "busybox" else arguments, path)
        if "/" in name and path.files.exists(path.absolute(name)):
            return self.file(path.absolute(name), arguments, path)
        return self.unknown(words, path)

    def unknown(self, words: list[str], path: Path) -> list[Path]:
        """A program that is not known: it may be a script of the image that starts the server it is told to."""
        base = posixpath.basename(words[0]).lower()
        path.status = None
        path.output += (Line(RUN_TIME, path.where),)
        if base in _TEXT_ONLY:
            return [path]
        for index, word in enumerate(words[1:], start=1):
            what = EXECUTABLES.get(posixpath.basename(word).lower())
            if what is not None and ("/" in words[0] or base.endswith((".sh", "server", "run"))):
                return self.started(what, words[index:], path)
        if _may_start_anything(words[0]):
            path.runs += (Run("script", tuple(words), path.where, path.files, path.directory),)
        return [path]

    def started(self, what: str, words: list[str], path: Path) -> list[Path]:
        path.status = True if what in DATA_SERVERS else None
        if what in ("client", "exporter"):
            path.output += (Line(RUN_TIME, path.where),)
            # Of a client's words only what it sets matters; the rest would tell paths apart that are alike.
            words = words if "set" in [word.lower() for word in words] else words[:1]
            run = Run(what, tuple(words), path.where, Files(), "")
            path.runs += () if run in path.runs else (run,)
        else:
            path.runs += (Run(what, tuple(words), path.where, path.files, path.directory),)
        return [path]

    def call(self, body: Node, arguments: list[str], path: Path) -> list[Path]:
        """A function: its own positional parameters, and `return` ends no more than it."""
        if self.calls >= MAX_CALLS:
            self.cut_short = True
            path.status = None
            return [path]
        outer, path.positional = path.positional, tuple(arguments)
        self.calls += 1
        results = self.node(body, path)
        self.calls -= 1
        for result in results:
            result.positional = outer
            result.ended = "" if result.ended == "return" else result.ended
        return results

    def shell(self, arguments: list[str], path: Path) -> list[Path]:
        """`sh -c text name arguments`, `sh file arguments`."""
        options = 0
        takes_text = False
        while options < len(arguments) and arguments[options][:1] in ("-", "+") and len(arguments[options]) > 1:
            takes_text = takes_text or ("c" in arguments[options] and not arguments[options].startswith("--"))
            options += 2 if arguments[options] in ("-o", "+o") else 1
        rest = arguments[options:]
        if not rest:
            path.status = None
            return [path]
        if takes_text:
            return self.source(rest[0], path.where, rest[2:], path, own=True)
        return self.file(path.absolute(rest[0]), rest[1:], path)

    def file(self, name: str, arguments: list[str], path: Path, *, own: bool = True) -> list[Path]:
        """Follow a script file; one that is not in the input may do anything, and start the server too."""
        if not path.files.exists(name):
            return self.unknown([name, *arguments], path)
        lines = path.files.read(name)
        return self.source(
            "\n".join(line.text for line in lines), lines[0].where if lines else "", arguments, path, own=own
        )

    def source(self, text: str, where: str, arguments: list[str], path: Path, *, own: bool) -> list[Path]:
        """Follow text; `own`: it has a process of its own, so that `exit` ends no more than it."""
        try:
            script = parse(text)
        except ShellSyntaxError:
            return self.unread(text, path)
        if self.calls >= MAX_CALLS:
            self.cut_short = True
            return [path]
        outer = (path.positional, path.where)
        path.positional, path.where = (tuple(arguments) if own else path.positional), where
        self.calls += 1
        results = self.script(script, [path])
        self.calls -= 1
        for result in results:
            result.positional, result.where = outer
            result.ended = "" if own else result.ended
        return results

    def unread(self, text: str, path: Path) -> list[Path]:
        """A script that cannot be followed, but names a server: it is one, and nothing is known of its settings."""
        self.cut_short = True
        for name, what in EXECUTABLES.items():
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text):
                path.runs += (Run(what, (name, RUN_TIME), path.where, path.files, path.directory),)
        path.status = None
        return [path]


def _most_different(paths: list[Path]) -> list[Path]:
    """Those first that differ in what they have written and started, and not in variables alone."""
    first: list[Path] = []
    others: list[Path] = []
    for path in paths:
        alike = any(path.files == other.files and path.runs == other.runs for other in first)
        (others if alike else first).append(path)
    return first + others


def _may_start_anything(name: str) -> bool:
    """A script or program that is not the system's: nobody can say what it does."""
    base = posixpath.basename(name)
    if name.endswith(".sh") or base.startswith("run-") or base in _SUPERVISORS or RUN_TIME in name:
        return True
    return "/" in name and re.match(r"/(usr/)?s?bin/", name) is None


def wrapped(words: Sequence[str]) -> list[str]:
    """The command behind a wrapper, its options, its argument and `NAME=value` passed over; [] where there is none."""
    base = posixpath.basename(words[0]).lower()
    index = 1
    while index < len(words) and (words[index].startswith("-") or "=" in words[index].split("/")[0]):
        index += 1
    if base in _TAKES_ARGUMENT:
        index += 1
    return list(words[index:])
