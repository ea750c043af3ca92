"""One pod: its containers with their environment, their files, and what they start."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil
from typing import Any, Final, TypeAlias

from checker.engines import DATA_SERVERS
from checker.facts import Unread
from checker.manifests.documents import Document
from checker.manifests.images import Image, data_directory
from checker.manifests.objects import Index, at, entries, mapping, name_of, readable, sequence, text
from checker.manifests.shell import Shell
from checker.manifests.shell_path import Path, Run
from checker.manifests.virtual_files import Files, Line, Lines, Mount
from checker.probes.redis_conf import RUN_TIME
from checker.units import UnitError, parse_quantity_exact

ENGINE_NAMES: Final = (*sorted(DATA_SERVERS), "rejson", "falkordb", "rebloom")

MAX_STARTED_CHARACTERS: Final = 6 * 1024 * 1024
"""Of all arguments, and of all variables, that a container is started with: Linux starts no program with more
(fs/exec.c, bprm_stack_limits: 3/4 of 8 MiB). References to references grow exponentially."""

_REFERENCE: Final = re.compile(r"\$(\$|\(([-._a-zA-Z0-9]+)\))")


def names_one_of(words: Sequence[str], text: str) -> bool:
    """Is one of the words in the text, in any case? (An alternation of as many takes `re` fifty times as long.)"""
    lowered = text.lower()
    return any(word in lowered for word in words)


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod, and the pod it is in."""

    value: Mapping[str, Any]
    path: tuple[str | int, ...]  # in the object
    lasting: bool  # it runs as long as the pod: no plain init container, not in a Job
    name: str
    image: str | None


World: TypeAlias = "dict[tuple[str, str], Lines]"
"""(volume, path in it) → lines: one way in which the init containers may have left the volumes."""

MAX_WORLDS: Final = 8


@dataclass(slots=True)
class Pod:
    """A pod template, and what its volumes hold so far: init containers write into them."""

    document: Document
    spec: Mapping[str, Any]
    path: tuple[str | int, ...]
    index: Index
    batch: bool  # of a Job or CronJob: what runs there ends
    claims: tuple[str, ...]  # names of volumeClaimTemplates
    worlds: list[World] = field(default_factory=list)  # what the volumes may hold by now
    missing: dict[str, Unread] = field(default_factory=dict)  # volume → why its content is not known
    containers: tuple[Container, ...] = ()  # init containers first, as the kubelet starts them
    _mounts: dict[tuple[str | int, ...], tuple[Mount, ...]] = field(default_factory=dict)  # by the container's path

    def __post_init__(self) -> None:
        held: dict[tuple[str, str], Lines] = {}
        for volume in sequence(self.spec.get("volumes")):
            name = text(at(volume, "name"))
            if name:
                content, why = self._volume(mapping(volume))
                held |= {(name, path): lines for path, lines in content.items()}
                if why is not None:
                    self.missing[name] = why
        self.worlds = [held]
        self.containers = tuple(self._containers())

    def speaks_of_redis(self) -> bool:
        """Does an image, a command or a mounted file of this pod name any of the engines? Most pods do not."""
        words = (
            text(word) or ""
            for container in self.containers
            for word in (
                container.image,
                *sequence(container.value.get("command")),
                *sequence(container.value.get("args")),
            )
        )
        lines = (line.text for world in self.worlds for content in world.values() for line in content)
        return any(names_one_of(ENGINE_NAMES, word) for word in chain(words, lines))

    def _containers(self) -> Iterator[Container]:
        for key in ("initContainers", "containers"):
            for number, value in enumerate(sequence(self.spec.get(key))):
                if not isinstance(value, Mapping) or value.get("$patch") == "delete":
                    continue
                lasting = not self.batch and (key == "containers" or value.get("restartPolicy") == "Always")
                name = readable(value.get("name")) or "(no name)"
                yield Container(value, (*self.path, key, number), lasting, name, readable(value.get("image")))

    # --- volumes -----------------------------------------------------------------------------------------------------

    def volume(self, name: str) -> Mapping[str, Any] | None:
        """The volume of this name; a claim template hides one that the pod declares."""
        if name in self.claims:
            return {"persistentVolumeClaim": {}}
        for volume in sequence(self.spec.get("volumes")):
            if text(at(volume, "name")) == name:
                return mapping(volume)
        return None

    def _volume(self, volume: Mapping[str, Any]) -> tuple[dict[str, Lines], Unread | None]:
        for kind, key, name_key in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
            if key in volume:
                return self._projected(kind, at(volume, key, name_key), at(volume, key, "items"))
        if "projected" in volume:
            held: dict[str, Lines] = {}
            why = None
            for source in sequence(at(volume, "projected", "sources")):
                for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
                    if key in mapping(source):
                        part, reason = self._projected(kind, at(source, key, "name"), at(source, key, "items"))
                        held |= part
                        why = why or reason
            return held, why
        if "downwardAPI" in volume:
            return {}, Unread(f"downwardAPI volume {volume.get('name')}", "is there only in the running pod", "")
        if not volume.keys() - {"name", "emptyDir", "persistentVolumeClaim", "ephemeral"}:
            return {}, None  # empty when it starts for the first time
        kind = next(iter(volume.keys() - {"name"}))
        return {}, Unread(
            f"{kind} volume {volume.get('name')}", "what lies in it is not in the input", "use a ConfigMap"
        )

    def _projected(self, kind: str, name: Any, items: Any) -> tuple[dict[str, Lines], Unread | None]:
        found = self.index.find(kind, text(name) or "(no name)", self.document)
        if isinstance(found, Unread):
            return {}, found
        held = {key: key_lines(kind, name_of(found.value), key, value) for key, value in entries(found).items()}
        chosen = [(text(at(item, "key")), text(at(item, "path"))) for item in sequence(items)]
        if chosen:
            held = {path: held[key] for key, path in chosen if key in held and path}
        return held, None

    def mounts(self, container: Container) -> tuple[Mount, ...]:
        """Where the container sees volumes, the longest path first."""
        if container.path not in self._mounts:
            self._mounts[container.path] = tuple(self._mounted(container))
        return self._mounts[container.path]

    def _mounted(self, container: Container) -> list[Mount]:
        found = []
        for value in sequence(container.value.get("volumeMounts")):
            path, name = text(at(value, "mountPath")), text(at(value, "name"))
            if path and name:
                sub_path = (text(at(value, "subPath")) or "").strip("/")
                known = self.missing.get(name)
                found.append(Mount(posixpath.normpath(path), name, sub_path, known))
        return sorted(found, key=lambda mount: -len(mount.path))

    def files(self, container: Container, image: Unread | None) -> Iterator[Files]:
        """What the container may see when it starts, once for each world."""
        mounts = self.mounts(container)
        for world in self.worlds:
            held: dict[str, Lines] = {}
            for mount in reversed(mounts):
                for (volume, name), lines in world.items():
                    if volume != mount.volume:
                        continue
                    if not mount.sub_path:
                        held[posixpath.join(mount.path, name)] = lines
                    elif name == mount.sub_path:
                        held[mount.path] = lines
                    elif name.startswith(mount.sub_path + "/"):
                        held[posixpath.join(mount.path, name.removeprefix(mount.sub_path + "/"))] = lines
            yield Files(held, mounts, image)

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Remember what a container may have written into volumes, for those that start after it."""
        worlds: list[World] = []
        for outcome in outcomes:
            world = dict(outcome.before)
            for path, lines in outcome.files.held.items():
                for mount in outcome.files.mounts:
                    below = mount.path.rstrip("/") + "/"
                    if path.startswith(below):
                        world[mount.volume, posixpath.join(mount.sub_path, path.removeprefix(below))] = lines
                        break
            worlds += [world] if world not in worlds else []
        self.worlds = worlds[:MAX_WORLDS]

    # --- environment -------------------------------------------------------------------------------------------------

    def environment(self, container: Container) -> Environment:
        """The variables of a container, `$(OTHER)` expanded; those that only the cluster knows are RUN_TIME."""
        values: dict[str, str] = {"HOSTNAME": RUN_TIME}
        sources: dict[str, str] = {}
        missing: list[Unread] = []
        room = MAX_STARTED_CHARACTERS
        for source in sequence(container.value.get("envFrom")):
            prefix = text(at(source, "prefix")) or ""
            for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                name = text(at(source, key, "name"))
                if name is None:
                    continue
                found = self.index.find(kind, name, self.document)
                if isinstance(found, Unread):
                    missing.append(found)
                    continue
                for variable, value in entries(found).items():
                    values[prefix + variable] = value if kind == "ConfigMap" else RUN_TIME
                    sources[prefix + variable] = f"{kind} {name} key {variable}"
        for item in sequence(container.value.get("env")):
            name = text(at(item, "name"))
            if name:
                value, sources[name] = self._variable(container, mapping(item), values, missing)
                room -= len(value)
                values[name] = value if room >= 0 else RUN_TIME
        return Environment(values, sources, tuple(missing))

    def _variable(
        self, container: Container, item: Mapping[str, Any], values: Mapping[str, str], missing: list[Unread]
    ) -> tuple[str, str]:
        name = text(item.get("name")) or ""
        source = mapping(item.get("valueFrom"))
        if not source:
            return expand_references(text(item.get("value")) or "", values, complete=not missing), f"env {name}"
        if "configMapKeyRef" in source:
            map_name, key = (
                text(at(source, "configMapKeyRef", "name")) or "",
                text(at(source, "configMapKeyRef", "key")),
            )
            found = self.index.find("ConfigMap", map_name, self.document)
            if isinstance(found, Unread):
                missing.append(found)
                return RUN_TIME, f"env {name}"
            return entries(found).get(key or "", RUN_TIME), f"ConfigMap {map_name} key {key}"
        if "resourceFieldRef" in source:
            return self._resource(container, source), f"env {name}"
        return RUN_TIME, f"env {name}"

    def _resource(self, container: Container, source: Mapping[str, Any]) -> str:
        """`resourceFieldRef`: the field divided by its divisor, rounded up.

        Source: k8s.io/kubectl pkg/util/resource, ExtractContainerResourceValue.
        """
        other = text(at(source, "resourceFieldRef", "containerName"))
        value = container.value
        for candidate in self.containers:
            value = candidate.value if candidate.name == other else value
        field_name, _, resource = (text(at(source, "resourceFieldRef", "resource")) or "").partition(".")
        quantity = text(at(value, "resources", field_name, resource))
        divisor = text(at(source, "resourceFieldRef", "divisor")) or "1"
        if quantity is None:
            return RUN_TIME
        try:
            part = parse_quantity_exact(divisor) or 1
            return str(ceil(parse_quantity_exact(quantity) / part))
        except (UnitError, ArithmeticError):
            return RUN_TIME


@dataclass(frozen=True, slots=True)
class Environment:
    values: Mapping[str, str]
    sources: Mapping[str, str]
    missing: tuple[Unread, ...]  # envFrom sources that are not in the input: any variable may be set there

    def get(self, *names: str) -> tuple[str, str] | None:
        """(value, source) of the first of these that is set and not empty."""
        for name in names:
            if self.values.get(name):
                return self.values[name], self.sources.get(name, f"env {name}")
        return None


def key_lines(kind: str, name: str, key: str, value: str) -> Lines:
    """A ConfigMap's value as lines that know their place."""
    where = f"{kind} {name} key {key}"
    return tuple(Line(line, f"{where} line {number}") for number, line in enumerate(value.split("\n"), start=1))


def expand_references(value: str, values: Mapping[str, str], *, complete: bool) -> str:
    """`$(NAME)` as Kubernetes expands it; a name that nothing sets stays as it is written, unless it may be set.

    Source: k8s.io/kubernetes third_party/forked/golang/expansion.
    """

    room = MAX_STARTED_CHARACTERS

    def replacement(match: re.Match[str]) -> str:
        nonlocal room
        if match[1] == "$":
            return "$"
        said = values.get(match[2], match[0] if complete else RUN_TIME)
        room -= len(said)
        return said if room >= 0 else ""

    expanded = _REFERENCE.sub(replacement, value)
    return expanded if room >= 0 else RUN_TIME


# --- what runs -------------------------------------------------------------------------------------------------------

OFFICIAL_SERVERS: Final = {
    "redis": "redis-server",
    "valkey": "valkey-server",
    "keydb": "keydb-server",
    "dragonfly": "dragonfly",
    "garnet": "garnet-server",
    "kvrocks": "kvrocks",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way in which the container may go: what it starts, and the files by then."""

    runs: tuple[Run, ...]
    files: Files
    before: World  # what the volumes held when it started


def follow(pod: Pod, container: Container, image: Image, environment: Environment) -> tuple[tuple[Outcome, ...], bool]:
    """What the container starts, on every path through its scripts; True where they were too long to follow."""
    plain = (image.family in ("official", "stack") and image.engine in ("redis", "valkey")) or not image.is_server
    why = None if plain else Unread(f"image {container.image}", "brings configuration of its own", "mount a ConfigMap")
    complete = not environment.missing
    command = _arguments(container.value.get("command"), environment, complete)
    arguments = _arguments(container.value.get("args"), environment, complete)
    argv = [*command, *arguments] if command else _entry_point(image, arguments)
    shell = Shell()
    outcomes: list[Outcome] = []
    for world, files in zip(pod.worlds, pod.files(container, why), strict=True):
        path = Path(
            files=files,
            variables=dict(environment.values),
            directory=text(container.value.get("workingDir")) or (data_directory(image) if image.is_server else "/"),
            where="command" if command and not arguments else "args",
        )
        try:
            results = shell.command(argv, path) if argv else [path]
        except RecursionError:
            results = shell.unread(" ".join(argv), path)
        if shell.cut_short and not any(run.what in DATA_SERVERS for result in results for run in result.runs):
            named = [line.text for word in argv for line in files.held.get(path.absolute(word), ())]
            results += shell.unread("\n".join([*argv, *named]), path.copy())
        # An init container that fails is started again: only the ways in which it ends well lead on.
        ended_well = [result for result in results if container.lasting or result.status is not False]
        for result in ended_well or results:
            outcome = Outcome(result.runs, result.files, world)
            outcomes += [outcome] if outcome not in outcomes else []
    return tuple(outcomes), shell.cut_short


def _arguments(value: Any, environment: Environment, complete: bool) -> list[str]:
    """A command or args list with its references expanded; a wrong type is decided by nobody, and so RUN_TIME."""
    if value is None:
        return []
    if not isinstance(value, list):
        return [RUN_TIME]
    words: list[str] = []
    room = MAX_STARTED_CHARACTERS
    for item in value:
        word = text(item) if item is not None else ""
        words.append(RUN_TIME if word is None else expand_references(word, environment.values, complete=complete))
        room -= len(words[-1])
        if room < 0:
            return [RUN_TIME]
    return words


def _entry_point(image: Image, arguments: list[str]) -> list[str]:
    """What the image's own entry point makes of `args`, for the images we know.

    Source: docker-library/redis docker-entrypoint.sh: a first argument that is an option or ends in .conf gets the
    server in front; anything else is the command itself.
    """
    server = OFFICIAL_SERVERS.get(image.engine)
    if image.engine == "sentinel":
        return ["redis-sentinel", *arguments]
    if server is None:
        return arguments
    if not arguments or arguments[0].startswith(("-", RUN_TIME)) or arguments[0].endswith(".conf"):
        return [server, *arguments]
    return [server, *arguments] if image.engine == "garnet" else arguments
