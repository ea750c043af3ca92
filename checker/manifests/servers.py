"""A container and what it starts → a Server, or what else of the Redis world it is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from checker.engines import DATA_SERVERS, FORKING
from checker.facts import Config, Declared, Engine, Server, Subject, Unread, Volume
from checker.manifests import declarations
from checker.manifests.documents import Places
from checker.manifests.images import Image, data_directory
from checker.manifests.limits import cpu_limit, memory_limit
from checker.manifests.objects import at, mapping, name_of, namespace_of, readable, sequence, text
from checker.manifests.pods import Container, Environment, Outcome, Pod, follow
from checker.manifests.settings import DEFAULT, TRUE, configured, merged, own_script, role
from checker.manifests.shell_path import Run
from checker.manifests.virtual_files import Mount
from checker.probes import redis_conf

_NO_SERVER_SCRIPT = re.compile(
    r"check|health|probe|monitor|fix|backup|restore|export|metric|init|sync|cli|label|clean|wait|bench|failover|test"
)
"""Names of scripts that are beside a server, where the script itself is not in the input."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a container is: a word of checker.engines, with what it starts where it is a data server."""

    what: str
    outcomes: tuple[Outcome, ...] = ()
    cut_short: bool = False


def identify(pod: Pod, container: Container, image: Image, environment: Environment) -> Found:
    """Follow the container's command and say what it is. Names of pods and containers have no say."""
    outcomes, cut_short = follow(pod, container, image, environment)
    pod.keep(outcomes)
    runs = [run for outcome in outcomes for run in outcome.runs]
    whats = [_sentinel_or(run) for run in runs]
    server = next((what for what in whats if what in DATA_SERVERS), None)
    if server is None and image.is_server and _may_be_server(container, runs):
        server = image.engine
    if server is not None:
        by_variable = environment.values.get("SENTINEL", "").lower() in TRUE and not container.value.get("command")
        if by_variable:
            return Found("sentinel")
        # Valkey's images keep `redis-server` as another name of valkey-server.
        same_family = image.engine in FORKING and server in FORKING
        return Found(image.engine if same_family else server, outcomes, cut_short)
    if "sentinel" in whats:
        return Found("sentinel")
    if image.is_server or "client" in whats:
        return Found("client")
    return Found(image.engine)


def _sentinel_or(run: Run) -> str:
    if run.what == "script":
        return "sentinel" if any("sentinel" in word for word in run.argv) else "script"
    if run.what in FORKING:
        if redis_conf.starts_sentinel(run.argv[1:]):
            return "sentinel"
        return run.what if redis_conf.starts_server(run.argv[1:]) else "client"
    return run.what


def _may_be_server(container: Container, runs: list[Run]) -> bool:
    """A server's image that runs a script which is not in the input: by its image, it is the server."""
    scripts = [run for run in runs if run.what == "script"]
    return container.lasting and any(
        not _NO_SERVER_SCRIPT.search(" ".join(map(posixpath.basename, run.argv[:2]))) for run in scripts
    )


def server(
    pod: Pod, container: Container, image: Image, *, environment: Environment, found: Found, places: Places
) -> Server:
    """Everything that the manifest says of a container that was identified as a data server."""
    by_image = not container.value.get("command")
    runs = [
        (run, [later.argv for later in outcome.runs[number:] if later.what == "client"] + _post_start(container))
        for outcome in found.outcomes
        for number, run in enumerate(outcome.runs)
        if _sentinel_or(run) in DATA_SERVERS or run.what == "script"
    ]
    config = merged(
        [configured(run, image, found.what, environment, by_image=by_image, later=later) for run, later in runs]
    )
    first = runs[0][0]
    by_its_script = by_image or first.what == "script"
    if own_script(image, environment) or (image.family == "bitnami" and by_its_script):
        config = _with_role(config, role(image, environment))
    config = _with_cluster_bus(config, container)
    document = pod.document.value
    where = f"{readable(document.get('kind'))} {name_of(document)}"
    said = declarations.read(document, _template(document))
    declared = declarations.declared(said, where) if declarations.concerns(said, container.name) else Declared()
    limit = memory_limit(pod, container)
    mounted = [mount.known for mount in pod.mounts(container) if mount.known]
    # Secrets hold passwords and keys; where one decides more than that, the fields themselves say so.
    unread = [gap for gap in dict.fromkeys((*environment.missing, *mounted)) if gap.where.startswith("ConfigMap")]
    unread += _wrong_types(container)
    if found.cut_short:
        unread.append(Unread(f"start script of {container.name}", "is too long to follow to its end", "shorten it"))
    return Server(
        subject=Subject(
            source="manifest",
            name=name_of(document),
            namespace=namespace_of(document),
            kind=readable(document.get("kind")),
            container=container.name,
            file=pod.document.origin.file,
            line=places.line(*container.path),
        ),
        engine=Engine(
            name=found.what,
            version=_version(image, found.what),
            allocator=Unread(f"image {image.name}", "an image's name does not say the allocator", "ask the server"),
            forks=found.what in FORKING,
        ),
        config=config,
        process=None,
        cgroup=None,
        limit=limit,
        cpu_limit_cores=cpu_limit(container),
        oom_group=Unread(
            "memory.oom.group",
            "the kubelet sets it: 1 on cgroup v2 since Kubernetes 1.28, unless singleProcessOOMKill",
            "run `bgsafe node` there",
        ),
        volume=_volume(pod, container, image, config, first),
        declared=declared,
        lines=_lines(pod, container, places, config),
        unread=tuple(unread),
    )


def _post_start(container: Container) -> list[tuple[str, ...]]:
    """Commands of lifecycle.postStart, which may be `redis-cli config set`; a script is cut at its semicolons."""
    words = [text(word) or "" for word in sequence(at(container.value, "lifecycle", "postStart", "exec", "command"))]
    script = words[-1] if words and re.fullmatch(r"(/bin/)?(ba|a)?sh", words[0]) else ""
    commands = re.split(r"[;&|\n]+", script) if script else []
    return [tuple(words)] + [redis_conf.split_arguments(command.strip()) or () for command in commands]


_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("command", "args", "env", "envFrom", "volumeMounts", "ports"), list),
    **dict.fromkeys(("resources", "lifecycle"), dict),
}


def _wrong_types(container: Container) -> list[Unread]:
    """Fields of a wrong type: the API server refuses them, and here they count as not written."""
    return [
        Unread(f"{field} of container {container.name}", f"is no {kind.__name__}", "Kubernetes refuses it: correct it")
        for field, kind in _TYPES.items()
        if container.value.get(field) is not None and not isinstance(container.value[field], kind)
    ]


def _with_role(config: Config, said: tuple[bool, str] | None) -> Config:
    if said is None:
        return config
    sources = {**config.sources, "replicaof": said[1]}
    # Who names roles has several: a master's replicas are then not far.
    sources["replicas_possible"] = said[1]
    return replace(config, replicaof=said[0], replicas_possible=True, sources=sources)


def _with_cluster_bus(config: Config, container: Container) -> Config:
    """A port and the port 10,000 above it are a cluster node's, where the configuration itself was not read.

    Source: redis src/cluster.h, CLUSTER_PORT_INCR.
    """
    if not isinstance(config.cluster_enabled, Unread):
        return config
    ports = {at(port, "containerPort") for port in sequence(container.value.get("ports"))}
    bus = next((port for port in ports if isinstance(port, int) and port - 10_000 in ports), None)
    if bus is None:
        return config
    sources = {**config.sources, "replicas_possible": f"container port {bus}, the bus of a cluster"}
    return replace(config, replicas_possible=True, replicaof=config.cluster_enabled, sources=sources)


def _template(document: Mapping[str, Any]) -> Any:
    template = at(document, "spec", "jobTemplate", "spec", "template")
    return template if template is not None else at(document, "spec", "template")


def _version(image: Image, engine: str) -> str | Unread:
    if image.version is not None and image.engine == engine:
        return image.version
    return Unread(f"image {image.name or '(none)'}", "names no version of the engine", "pin one: redis:8.2")


# --- the data directory ----------------------------------------------------------------------------------------------


def _volume(pod: Pod, container: Container, image: Image, config: Config, run: Run) -> Volume:
    """What is mounted at the directory the server saves into."""
    directory = config.directory
    if isinstance(directory, Unread) or redis_conf.RUN_TIME in directory:
        directory = data_directory(image)
        if not any(_is_below(directory, mount) for mount in pod.mounts(container)):
            directory = _only_data_mount(pod, container) or directory
    path = posixpath.normpath(posixpath.join(run.directory, directory))
    files_bytes = Unread(path, "a manifest does not say what lies there", "run `bgsafe node` on the server")
    for mount in pod.mounts(container):
        if _is_below(path, mount):
            kind, in_memory = _kind(pod.volume(mount.volume))
            return Volume(filesystem=kind, in_memory=in_memory, files_bytes=files_bytes)
    if container.image is None:
        patch = Unread(path, "this is a patch: the volumes may be in its base", "render it first")
        return Volume(filesystem=patch, in_memory=patch, files_bytes=files_bytes)
    return Volume(filesystem="none", in_memory=False, files_bytes=files_bytes)


def _is_below(path: str, mount: Mount) -> bool:
    return path == mount.path or path.startswith(mount.path.rstrip("/") + "/")


def _only_data_mount(pod: Pod, container: Container) -> str | None:
    """The one mounted volume that can hold data, where the directory is not known: it is mounted for something."""
    found = [
        mount.path
        for mount in pod.mounts(container)
        if not set(pod.volume(mount.volume) or {"configMap": None})
        & {"configMap", "secret", "projected", "downwardAPI"}
    ]
    return found[0] if len(found) == 1 else None


def _kind(volume: Mapping[str, Any] | None) -> tuple[str | Unread, bool | Unread]:
    if volume is None:
        unread = Unread("volumes", "the volume that is mounted there is not declared", "declare it, or render the base")
        return unread, unread
    if "emptyDir" in volume:
        in_memory = at(volume, "emptyDir", "medium") == "Memory"
        return ("emptyDir-memory", True) if in_memory else ("emptyDir", False)
    if "persistentVolumeClaim" in volume or "ephemeral" in volume:
        return "pvc", False
    kinds = [key for key in volume if key != "name"]
    return (str(kinds[0]) if kinds else "emptyDir"), False


# --- places ----------------------------------------------------------------------------------------------------------


_KEY = re.compile(r"(ConfigMap|Secret) (\S+) key (\S+) line (\d+)")


def _lines(pod: Pod, container: Container, places: Places, config: Config) -> dict[str, int]:
    """Field → line, for what a finding may ask to edit; a ConfigMap's lines where it is in the same file."""
    lines = {"container": places.line(*container.path)}
    resources = mapping(container.value.get("resources"))
    for kind in ("limits", "requests"):
        for name in ("memory", "cpu"):
            if name in mapping(resources.get(kind)):
                lines[f"resources.{kind}.{name}"] = places.line(*container.path, "resources", kind, name)
    for key in ("resources", "image", "command", "args", "env"):
        if container.value.get(key) is not None:
            lines[key] = places.line(*container.path, key)
    for number, item in enumerate(sequence(container.value.get("env"))):
        lines[f"env {text(at(item, 'name'))}"] = places.line(*container.path, "env", number)
    for source in config.sources.values():
        match = _KEY.fullmatch(source)
        found = pod.index.find(match[1], match[2], pod.document) if match else None
        if match and found and not isinstance(found, Unread) and found.origin.file == pod.document.origin.file:
            field = "stringData" if match[3] in mapping(found.value.get("stringData")) else "data"
            lines[source] = Places(found).text_line(int(match[4]), field, match[3])
    return lines


def is_default(source: str | None) -> bool:
    """Is this the source of a default (the engine's, an image's, an operator's) rather than of a setting?"""
    return source is None or source.startswith(DEFAULT)
