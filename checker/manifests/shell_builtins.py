"""What the shell's own commands and the usual file tools do to a path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from checker.manifests import expansion
from checker.manifests.sed import sed
from checker.manifests.shell_path import Path
from checker.manifests.virtual_files import Line
from checker.probes.redis_conf import RUN_TIME

if TYPE_CHECKING:
    from checker.manifests.shell import Shell

Builtin: TypeAlias = "Callable[[Shell, list[str], Path], list[Path]]"


def _echo(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    escapes = False
    while arguments and re.fullmatch(r"-[neE]+", arguments[0]):
        escapes = escapes or "e" in arguments[0]
        arguments = arguments[1:]
    text = " ".join(arguments)
    text = text.replace("\\n", "\n").replace("\\t", "\t") if escapes or "\\n" in text else text
    path.output += tuple(Line(line, path.where) for line in text.split("\n"))
    path.status = True
    return [path]


def _printf(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    values = iter(arguments[1:])
    text = re.sub(
        r"%[-0-9.]*([sdbq%])", lambda found: "%" if found[1] == "%" else next(values, ""), (arguments or [""])[0]
    )
    lines = text.replace("\\n", "\n").replace("\\t", "\t").removesuffix("\n").split("\n")
    path.output += tuple(Line(line, path.where) for line in lines)
    path.status = True
    return [path]


def _cat(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    names = [name for name in arguments if not name.startswith("-") or name == "-"]
    for name in names or ["-"]:
        path.output += path.stdin if name == "-" else path.files.read(path.absolute(name))
    path.status = True
    return [path]


def _copy(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    names = [path.absolute(name) for name in arguments if not name.startswith("-")]
    path.status = None
    if len(names) >= 2:
        for source in names[:-1]:
            path.files = path.files.copy(source, names[-1])
    return [path]


def _remove(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    for name in arguments:
        path.files = path.files.remove(path.absolute(name)) if not name.startswith("-") else path.files
    path.status = True
    return [path]


def _tee(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    lines = path.stdin
    for name in arguments:
        if not name.startswith("-"):
            append = any(option in ("-a", "--append") for option in arguments)
            path.files = path.files.write(path.absolute(name), lines, append=append)
    path.output += lines
    return [path]


def _sed(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    """`sed -i`: what it does to the lines, where its commands are simple enough; otherwise the file is RUN_TIME."""
    in_place = any(re.match(r"-\w*i|--in-place", argument) for argument in arguments)
    programs = [arguments[index + 1] for index, word in enumerate(arguments[:-1]) if re.fullmatch(r"-[a-z]*e", word)]
    names = [word for word in arguments if not word.startswith("-") and word not in programs]
    if not programs and names:
        programs, names = names[:1], names[1:]
    path.status = True
    for name in [path.absolute(name) for name in names]:
        lines = sed(path.files.read(name), programs, path.where)
        if in_place:
            path.files = path.files.write(name, lines, append=False) if path.files.exists(name) else path.files
        else:
            path.output += lines
    if not names:
        path.output += sed(path.stdin, programs, path.where)
    return [path]


def _substitute_environment(_: Shell, __: list[str], path: Path) -> list[Path]:
    """`envsubst < template > file`"""
    for line in path.stdin:
        text = re.sub(
            r"\$(?:\{(\w+)\}|(\w+))",
            lambda found: expansion.value_of(path.variables, found[1] or found[2]),
            line.text,
        )
        path.output += (Line(text, line.where),)
    return [path]


def _test(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    words = [word for word in arguments if word not in ("]", "]]")]
    path.status = expansion.test(words, lambda name: path.files.exists(path.absolute(name)))
    return [path]


def _set(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    if "--" in arguments:
        path.positional = tuple(arguments[arguments.index("--") + 1 :])
    elif arguments and arguments[0][:1] not in ("-", "+"):
        path.positional = tuple(arguments)
    path.status = True
    return [path]


def _shift(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    count = int(arguments[0]) if arguments and re.fullmatch(r"\d{1,4}", arguments[0], re.ASCII) else 1
    path.positional = path.positional[count:]
    return [path]


def _change_directory(_: Shell, arguments: list[str], path: Path) -> list[Path]:
    path.directory = path.absolute(arguments[0]) if arguments else path.directory
    path.status = True
    return [path]


def _include(shell: Shell, arguments: list[str], path: Path) -> list[Path]:
    """`. file`: in this very shell."""
    path.status = None
    name = path.absolute(arguments[0]) if arguments else ""
    return shell.file(name, arguments[1:], path, own=False) if path.files.exists(name) else [path]


def _evaluate(shell: Shell, arguments: list[str], path: Path) -> list[Path]:
    text = " ".join(arguments)
    path.status = None
    return [path] if RUN_TIME in text[:1] else shell.source(text, path.where, [], path, own=False)


def _ends(how: str) -> Builtin:
    def end(_: Shell, arguments: list[str], path: Path) -> list[Path]:
        path.ended = how
        path.status = {"0": True, "": path.status}.get("".join(arguments[:1]), False if arguments else path.status)
        return [path]

    return end


def _succeeds(_: Shell, __: list[str], path: Path) -> list[Path]:
    path.status = True
    return [path]


def _fails(_: Shell, __: list[str], path: Path) -> list[Path]:
    path.status = False
    return [path]


BUILTINS: Final[Mapping[str, Builtin]] = {
    **dict.fromkeys(("echo",), _echo),
    **dict.fromkeys(("cat",), _cat),
    **dict.fromkeys(("cp", "mv", "install", "ln"), _copy),
    **dict.fromkeys(("[", "[[", "test"), _test),
    **dict.fromkeys((".", "source"), _include),
    **dict.fromkeys((":", "true", "sleep", "mkdir", "chmod", "chown", "touch", "wait", "trap", "ulimit"), _succeeds),
    **dict.fromkeys(("export", "local", "declare", "readonly", "typeset", "unset", "umask", "shopt"), _succeeds),
    **dict.fromkeys(("break", "continue"), _succeeds),
    "printf": _printf,
    "rm": _remove,
    "tee": _tee,
    "sed": _sed,
    "envsubst": _substitute_environment,
    "set": _set,
    "shift": _shift,
    "cd": _change_directory,
    "eval": _evaluate,
    "exit": _ends("exit"),
    "return": _ends("return"),
    "false": _fails,
}
