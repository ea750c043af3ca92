"""What one started server was told: its arguments, its configuration file, and what its image adds from variables."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, Final

from checker.engines import FORKING
from checker.facts import Config, Maybe, Unread
from checker.manifests.images import Image
from checker.manifests.pods import Environment
from checker.manifests.shell_path import Run
from checker.manifests.virtual_files import Files
from checker.probes import redis_conf
from checker.probes.redis_conf import RUN_TIME, Directive
from checker.units import UnitError, parse_quantity

DEFAULT: Final = "default of "
"""How a source begins that is no setting of the manifest's, but an image's or an operator's own default."""

TRUE: Final = frozenset({"1", "true", "yes", "y", "on"})

BITNAMI_SAVE: Final = (("900", "1"), ("300", "10"), ("60", "10000"))
"""bitnami/containers, redis: libredis.sh, redis_configure_default: what the image configures untold."""

_ROLE_VARIABLES: Final = frozenset({"MASTER", "SLAVE", "REPLICA", "SENTINEL", "MASTER_ADDRESS", "ROLE", "REDIS_ROLE"})
_KNOWN_PUBLISHERS: Final = frozenset({"library", "redis", "valkey", "eqalpha", "opstree", "redislabs"})


def configured(
    run: Run,
    image: Image,
    engine: str,
    environment: Environment,
    *,
    by_image: bool,
    later: Iterable[Sequence[str]] = (),
) -> Config:
    """The configuration of one run.

    `by_image`: the image's own entry point started it. `later`: command lines of redis-cli that follow.
    """
    if engine not in FORKING:
        return _not_forking(run, engine)
    missing: list[Unread] = []
    words = list(run.argv[1:])
    directives: list[Directive] = []
    if image.family == "bitnami" and (by_image or run.what == "script"):
        directives += _bitnami(image, engine, run, environment, missing)
    elif run.what == "script" and not (image.family == "sclorg" and run.argv[0].startswith("run-")):
        missing.append(Unread(run.argv[0], "this script is not in the input, and decides", "give the ConfigMap too"))
    elif by_image and image.name and own_script(image, environment):
        missing.append(Unread(f"image {image.name}", "its configuration is inside the image", "mount a ConfigMap"))
    variables = _extra_arguments(image, environment) if by_image or run.what == "script" else None
    sources = [(words, run.where)] + ([(variables[0].split(), variables[1])] if variables else [])
    for argv, where in sources:
        arguments = redis_conf.parse_arguments(argv, where)
        if arguments.config_file is not None:
            directives += _file(arguments.config_file, run, missing)
        if arguments.reads_stdin:
            missing.append(Unread(where, "the server reads its configuration from standard input", "use a file"))
        directives += _included(arguments.directives, run.files, run.directory)
    directives += [change for words in later for change in _config_set(words)]
    return redis_conf.effective(
        directives,
        engine_name=engine,
        version=image.version if image.engine == engine else None,  # else it is that of something else
        has_config=bool(words or directives),
        missing=missing,
    )


def _config_set(words: Sequence[str]) -> list[Directive]:
    """`redis-cli config set name value`, to this very server: what it changes at run time."""
    lower = [word.lower() for word in words]
    other_host = any(word in ("-h", "-u", "--uri") for word in words) and not {"localhost", "127.0.0.1"} & set(words)
    if other_host or not any(pair == ("config", "set") for pair in pairwise(lower)):
        return []
    name, *values = words[lower.index("config") + 2 :] or [""]
    source = "redis-cli config set"
    emptied = [Directive("save", ("",), source)] if name.lower() == "save" else []
    return [*emptied, Directive(name.lower(), tuple(values), source)]


def own_script(image: Image, environment: Environment) -> bool:
    """Does this image start the server in a way of its own, with a configuration that only its author knows?"""
    if image.family == "custom":
        return True
    publisher = image.name.split("@")[0].split("/")[-2:-1]
    return (
        image.family == "official"
        and bool(publisher)
        and publisher[0] not in _KNOWN_PUBLISHERS
        and any(name in environment.values for name in _ROLE_VARIABLES)
    )


def role(image: Image, environment: Environment) -> tuple[bool, str] | None:
    """(is a replica, source) where an image's name or the variables of its start script say so."""
    if mode := environment.get("REDIS_REPLICATION_MODE", "VALKEY_REPLICATION_MODE"):
        return mode[0].lower() in ("slave", "replica"), mode[1]
    for name, replica in (("MASTER", False), ("SLAVE", True), ("REPLICA", True)):
        if environment.values.get(name, "").lower() in TRUE:
            return replica, f"env {name}"
    if environment.get("MASTER_ADDRESS", "MASTER_HOST"):
        return True, "env MASTER_ADDRESS"
    return (image.replica, f"image {image.name}") if image.replica is not None else None


def merged(configs: Sequence[Config]) -> Config:
    """One configuration of all that a start script may choose: where they differ, nothing is known."""
    first = configs[0]
    if len(configs) == 1:
        return first
    changes: dict[str, Any] = {}
    for name in (field.name for field in fields(Config) if field.name != "sources"):
        values = [getattr(config, name) for config in configs]
        if any(value != values[0] for value in values[1:]):
            unread = [value for value in values if isinstance(value, Unread)]
            decided = Unread(name, "the start script decides it at run time", "write it where it can be read")
            changes[name] = unread[0] if unread else decided
    if any(config.replicas_possible is True for config in configs):
        changes["replicas_possible"] = True
    sources = {key: value for config in reversed(configs) for key, value in config.sources.items()}
    return replace(first, **changes, sources=sources)


# --- files -----------------------------------------------------------------------------------------------------------


def _file(name: str, run: Run, missing: list[Unread]) -> list[Directive]:
    path = posixpath.normpath(posixpath.join(run.directory, name))
    if path not in run.files.held:
        why = run.files.unread(path) or Unread(path, "is not in the input", "give the ConfigMap that holds it")
        missing.append(
            why
            if RUN_TIME not in path
            else Unread(name, "which file this is cannot be told from the manifest", "name it")
        )
        return []
    return _parsed(path, run.files)


def _parsed(path: str, files: Files) -> list[Directive]:
    """The directives of a held file, with the places that its lines remember rather than the path in the container."""

    def include(pattern: str) -> Maybe[Sequence[tuple[str, str]]]:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), pattern))
        names = files.matching(target)
        if not names and files.unread(target) is not None:
            return files.unread(target) or ()
        if not names and not any(character in pattern for character in "*?["):
            return Unread(pattern, "is not in the input", "give the ConfigMap that holds it")
        return [(name, _text(name, files)) for name in names]

    directives, _ = redis_conf.parse(_text(path, files), path, include)
    return [replace(directive, source=_place(directive.source, files)) for directive in directives]


def _text(path: str, files: Files) -> str:
    return "\n".join(line.text for line in files.held[path])


def _place(source: str, files: Files) -> str:
    name, _, number = source.rpartition(" line ")
    lines = files.held.get(name)
    return lines[int(number) - 1].where if lines and int(number) <= len(lines) else source


def _included(directives: Sequence[Directive], files: Files, directory: str) -> list[Directive]:
    """`--include file` on the command line, read where it stands."""
    found: list[Directive] = []
    for directive in directives:
        path = posixpath.normpath(posixpath.join(directory, directive.args[0])) if directive.args else ""
        if directive.name == "include" and path in files.held:
            found += _parsed(path, files)
        else:
            found.append(directive)
    return found


# --- images with variables -------------------------------------------------------------------------------------------


def _extra_arguments(image: Image, environment: Environment) -> tuple[str, str] | None:
    """(arguments, source) that the image's entry point takes from a variable."""
    if image.family == "stack":
        return environment.get("REDIS_ARGS")
    if image.family == "bitnami" or image.engine == "valkey":
        return environment.get(f"{image.engine.upper()}_EXTRA_FLAGS")
    return None


def _bitnami(image: Image, engine: str, run: Run, environment: Environment, missing: list[Unread]) -> list[Directive]:
    """What bitnami's setup makes: the mounted file or its own defaults, then what variables say.

    Source: bitnami/containers, redis and valkey, rootfs/opt/bitnami/scripts/lib{redis,valkey}.sh.
    """
    name = engine.upper()
    base = f"/opt/bitnami/{engine}"
    found = [
        path
        for path in (
            f"{base}/etc/{engine}.conf",
            f"{base}/mounted-etc/{engine}.conf",
            f"{base}/etc/{engine}-default.conf",
        )
        if path in run.files.held
    ]
    untold = f"{DEFAULT}the bitnami image"
    directives = [Directive("dir", (f"/bitnami/{engine}/data",), untold)]
    if found:
        directives += _parsed(found[0], run.files)
    else:
        mounted = [mount for mount in run.files.mounts if mount.known and mount.path.startswith(base)]
        missing += [mount.known for mount in mounted[:1] if mount.known]
        # A Secret that is not in the input holds the password; a ConfigMap may hold any of the variables.
        missing += [unread for unread in environment.missing if unread.where.startswith("ConfigMap")]
        if not missing:
            directives += [Directive("save", pair, untold) for pair in BITNAMI_SAVE]
            directives.append(Directive("appendonly", ("yes",), untold))
    if f"{engine}-cluster" in image.name:
        directives.append(Directive("cluster-enabled", ("yes",), untold))
    if aof := environment.get(f"{name}_AOF_ENABLED"):
        directives.append(Directive("appendonly", ("yes" if aof[0].lower() in TRUE else "no",), aof[1]))
    if (off := environment.get(f"{name}_RDB_POLICY_DISABLED")) and off[0].lower() in TRUE:
        directives.append(Directive("save", ("",), off[1]))
    elif policy := environment.get(f"{name}_RDB_POLICY"):
        directives.append(Directive("save", ("",), policy[1]))
        pairs = [tuple(pair.split("#")) for pair in policy[0].split()]
        directives += [Directive("save", pair, policy[1]) for pair in pairs]
    overrides = f"{base}/mounted-etc/overrides.conf"
    return directives + (_parsed(overrides, run.files) if overrides in run.files.held else [])


# --- servers that do not fork ----------------------------------------------------------------------------------------


def _not_forking(run: Run, engine: str) -> Config:
    """Dragonfly, Garnet, Kvrocks: what of their options means the same; they have no save points and no fork."""
    config = redis_conf.effective((), engine_name=engine, version=None, has_config=False)
    sources = {"appendonly": f"{engine} has none"}
    changes: dict[str, Any] = {"save": (), "replicas_possible": False, "disable_thp": False}
    words = list(run.argv[1:])
    options = dict(_options(words))
    if engine == "dragonfly" and "maxmemory" in options:
        changes["maxmemory"], sources["maxmemory"] = _dragonfly_size(options["maxmemory"], run.where), run.where
    if engine == "dragonfly" and options.get("dir"):
        changes["directory"], sources["directory"] = options["dir"], run.where
    if engine == "garnet" and "aof" in options:
        changes["appendonly"], sources["appendonly"] = True, run.where
    return replace(config, **changes, sources=sources)


def _options(words: Sequence[str]) -> list[tuple[str, str]]:
    """`--name=value`, `--name value`, `-name`: dashes and underlines alike."""
    found = []
    for index, word in enumerate(words):
        if word.startswith("-"):
            name, equals, value = word.lstrip("-").partition("=")
            following = words[index + 1] if index + 1 < len(words) else ""
            found.append((name.replace("-", "_"), value if equals or following.startswith("-") else following))
    return found


def _dragonfly_size(value: str, where: str) -> Maybe[int]:
    """Dragonfly reads K, M, G, T and their `i` and `B` forms as powers of 1024 (helio, strings/human_readable.cc)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", value.strip(), re.IGNORECASE | re.ASCII)
    try:
        if match:
            return parse_quantity(match[1] + (match[2].upper() + "i" if match[2] else ""))
    except UnitError:
        pass
    return Unread(where, f"maxmemory {value!r} cannot be read", "write it like 2gb")
