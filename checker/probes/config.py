"""What one server was told: its arguments, and the files they name, read inside its own root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from checker.engines import NOT_FORKING
from checker.facts import Config, Maybe, Unread
from checker.probes import oci, redis_conf, started
from checker.probes.inside import Inside
from checker.probes.proc import Stat
from checker.probes.redis_conf import Directive

NO_CONTAINER = Unread("process.args", "not in a container that the host's runtimes know")


@dataclass(frozen=True, slots=True)
class Told:
    """Directives in Redis' order, with what is missing before them and what was wrong."""

    directives: tuple[Directive, ...]
    has_config: bool  # given a file or any argument
    missing: tuple[Unread, ...]  # files or arguments that could not be read: every field they may set is unknown
    problems: tuple[Unread, ...]
    title: started.Title | None = None

    def last(self, name: str) -> str | None:
        """Return the one argument of the last directive of a name."""
        values = [directive.args[0] for directive in self.directives if directive.name == name and directive.args]
        return values[-1] if values else None


def of_process(
    proc: Path,
    inside: Inside,
    cmdline: bytes,
    stat: Stat,
    *,
    engine_name: str,
    container_args: Maybe[tuple[str, ...]] = NO_CONTAINER,
) -> Told:
    """Find out what a running server was told, without asking it.

    `container_args`: `process.args` of the container's specification, where there is one.
    """
    start = started.parse(cmdline, stat.arguments_bytes, str(proc / "cmdline"))
    if not isinstance(start.arguments, Unread):
        return from_arguments(start.arguments, inside, engine_name, start.title)
    room = started.room_for_arguments(start.title, stat.arguments_bytes)
    if start.title is not None and room is not None:
        passed_on = None if isinstance(container_args, Unread) else oci.behind_program(container_args, room)
        if passed_on is not None:
            return from_arguments(passed_on, inside, engine_name, start.title, source="process.args of the container")
        if (told := _inferred(start.title, room, inside, engine_name)) is not None:
            return told
    return Told((), True, (start.arguments,), (start.arguments,), start.title)


def from_arguments(
    arguments: Sequence[str],
    inside: Inside,
    engine_name: str,
    title: started.Title | None = None,
    *,
    source: str = "command line",
) -> Told:
    """Read what comes behind the program's name, and the file it names."""
    if engine_name in NOT_FORKING:  # they have flags in the manner of `--maxmemory=4gb`, and files of their own kind
        arguments = [part for argument in arguments if argument[:2] == "--" for part in argument.split("=", 1)]
    parsed = redis_conf.parse_arguments(arguments, source)
    told = Told((), bool(arguments), (), (), title)
    if parsed.config_file is not None:
        told = from_file(parsed.config_file, inside, title)
    missing = told.missing
    if parsed.reads_stdin:
        missing += (Unread("command line -", "the configuration came through standard input", started.KEEP_TITLE),)
    return replace(
        told,
        directives=told.directives + parsed.directives,
        has_config=bool(arguments),
        missing=missing,
        problems=told.problems + parsed.problems + missing[len(told.missing) :],
    )


def from_file(path: str, inside: Inside, title: started.Title | None = None, remark: str = "") -> Told:
    """Read a configuration file with all that it includes.

    A relative path counted from the directory that the server was started in; it has gone to `dir` since, and only
    where that is the same is the file found.
    """
    text = inside.read_text(path)
    if isinstance(text, Unread):
        gap = replace(text, remedy=text.remedy or "give --redis URL so that the server can be asked")
        return Told((), True, (gap,), (gap,), title)
    directives, problems = redis_conf.parse(text, path + remark, lambda pattern: _include(inside, pattern))
    return Told(directives, True, (), problems, title)


def _include(inside: Inside, pattern: str) -> Maybe[Sequence[tuple[str, str]]]:
    """Return (path, text) of every file that an `include` names. A pattern without a match includes nothing."""
    paths = inside.glob(pattern)
    if isinstance(paths, Unread):
        return paths
    texts = [(path, inside.read_text(path)) for path in paths]
    for _, text in texts:
        if isinstance(text, Unread):
            return text
    return [(path, text) for path, text in texts if isinstance(text, str)]


def _inferred(title: started.Title, room: int, inside: Inside, engine_name: str) -> Told | None:
    """Return the configuration file that must have been the arguments, where only one can have been."""
    patterns = [*started.CONFIG_FILES.get(engine_name, ()), *started.CONFIG_FILES["everywhere"]]
    if isinstance(inside.directory, str):
        here = PurePosixPath(inside.directory)
        patterns += [str(directory / "*.conf") for directory in (here, here.parent)]
    found = [paths for pattern in patterns if not isinstance(paths := inside.glob(pattern), Unread)]
    files = {path for paths in found for path in paths}
    candidates = []
    for file, extra in started.fitting(room, sorted(files)).items():
        told = from_file(file, inside, title, " (inferred: it fits the size of the hidden arguments)")
        settings = {name: value for name in ("port", "dir") if (value := told.last(name)) is not None}
        if not told.missing and started.agrees(settings, title, inside.directory):
            candidates.append((file, extra, told))
    if len(candidates) != 1:
        return None
    file, extra, told = candidates[0]
    arguments = redis_conf.parse_arguments((file, *extra), "command line")
    return replace(told, directives=told.directives + arguments.directives)


def effective(told: Told, inside: Inside, engine_name: str, version: str | None) -> Config:
    """Return what holds. `dir` is where the server stands: Redis changes to it at the start and never leaves."""
    config = redis_conf.effective(
        told.directives, engine_name=engine_name, version=version, has_config=told.has_config, missing=told.missing
    )
    sources = dict(config.sources)
    if not isinstance(inside.directory, Unread):
        config = replace(config, directory=str(PurePosixPath(inside.directory)))
        sources["directory"] = f"{inside.root.parent}/cwd"
    if told.title is not None and told.title.mode == "cluster":
        config = replace(config, cluster_enabled=True, replicas_possible=True)
        sources["cluster_enabled"] = sources["replicas_possible"] = "process title [cluster]"
    elif told.title is not None and isinstance(config.cluster_enabled, Unread):
        config = replace(config, cluster_enabled=False)
        sources["cluster_enabled"] = "process title without [cluster]"
    return replace(config, sources=sources)
