"""Custom resources of Redis operators → the pod that the operator makes of them, as far as their fields say.

The operators differ in where they put the same few things (image, resources, settings, storage), and so one reader
looks in all of those places rather than one reader per operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from checker.facts import Config, Unread
from checker.manifests.documents import Document
from checker.manifests.objects import Index, at, entries, mapping, sequence, text
from checker.manifests.settings import DEFAULT
from checker.probes import redis_conf
from checker.probes.redis_conf import Directive
from checker.units import UnitError, parse_quantity

_KIND: Final = re.compile(
    r"(?:Distributed)?(Redis|Valkey|Key[Dd][Bb]|Dragonfly|KVRocks|Kvrocks|Garnet)"
    r"(Cluster|Replication|Failover|Sentinel|EnterpriseCluster|Standalone|Instance|Node)?"
)

_MANAGED: Final = re.compile(
    r"(^|\.)(cnrm\.cloud\.google\.com|upbound\.io|crossplane\.io|azure\.com|services\.k8s\.aws|aiven\.io)$"
)
"""API groups whose Redis runs in a cloud and not in a pod."""

_PLACES: Final = (
    ("redis",),
    ("valkey",),
    ("kubernetesConfig",),
    (),
    ("redisLeader",),
    ("pod",),
    ("redisCluster",),
)
"""Mappings below spec that may hold the server's image and resources, the most special first."""

_SETTINGS: Final = (
    ("redis", "customConfig"),
    ("redis", "config"),
    ("customConfig",),
    ("config",),
    ("redisConfig", "customConfig"),
    ("redisConfig", "dynamicConfig"),
    ("valkeyConfig",),
    ("kvrocksConfig",),
    ("keydbExtraConfig",),
    ("additionalConfig",),
    ("configuration",),
)

_OTHER_FILES: Final = (
    ("ConfigMap", ("redisConfig", "additionalRedisConfig")),
    ("ConfigMap", ("redisLeader", "redisConfig", "additionalRedisConfig")),
    ("ConfigMap", ("externalConfig", "name")),
    ("Secret", ("configSecret", "name")),
)
"""Objects with more settings, which an operator's resource names."""

_STORAGES: Final = (
    ("redis", "storage"),
    ("storage",),
    ("persistent",),
    ("snapshot",),
    ("dataStorage",),
    ("persistence",),
)

_SPOTAHOME_SAVE: Final = (("900", "1"), ("300", "10"))
"""spotahome/redis-operator, operator/redisfailover/service/generator.go, redisConfigTemplate."""


@dataclass(frozen=True, slots=True)
class Role:
    """A container that the operator makes. `what`: word of checker.engines; the rest is for data servers."""

    what: str
    name: str
    pod: Mapping[str, Any]  # a pod spec with this one container
    path: tuple[str, ...]  # where in the resource its fields are
    directives: tuple[Directive, ...] = ()
    missing: tuple[Unread, ...] = ()
    cluster: bool = False
    replicas: bool | None = None  # are there replicas? None: the resource does not say
    replica: bool | None = None  # is this one a replica? None: the operator decides at run time
    storage_known: bool = True


def is_operated(value: Mapping[str, Any]) -> bool:
    """Is this a resource of which an operator makes servers (or sentinels) in pods?"""
    group = (text(value.get("apiVersion")) or "").rpartition("/")[0]
    return is_operated_kind(group, text(value.get("kind")) or "") and bool(mapping(value.get("spec")))


def is_operated_kind(group: str, kind: str) -> bool:
    """Is this a kind of such resources?"""
    return bool(group and _KIND.fullmatch(kind) and not _MANAGED.search(group))


def roles(document: Document, index: Index) -> Iterator[Role]:
    """The containers of one resource: the server first."""
    value = document.value
    spec = mapping(value.get("spec"))
    kind = text(value.get("kind")) or ""
    match = _KIND.fullmatch(kind)
    engine = match[1].lower() if match else "redis"
    if (said := text(spec.get("databaseEngine")) or "").lower() in ("valkey", "redis", "keydb"):
        engine = said.lower()
    image = next((found for place in _PLACES if (found := _image(at(spec, *place)))), None)
    if kind.endswith("Sentinel") or text(spec.get("type")) == "sentinel":
        yield Role("sentinel", "sentinel", {}, ("spec",))
    else:
        if image and engine == "redis" and "valkey" in image.lower():
            engine = "valkey"
        yield _server(document, index, spec, engine, image)
        if "sentinel" in spec or kind == "RedisFailover":
            yield Role("sentinel", "sentinel", {}, ("spec", "sentinel"))
    for place in ((), ("redis",), ("valkey",)):
        for key in mapping(at(spec, *place)):
            if str(key).lower().endswith("exporter"):
                yield Role("exporter", str(key), {}, ("spec", *place, str(key)))


def _image(value: Any) -> str | None:
    found = at(value, "image")
    if isinstance(found, Mapping):
        repository, tag = text(found.get("repository")), text(found.get("tag"))
        return f"{repository}:{tag}" if repository and tag else repository
    image, version = text(found), text(at(value, "version"))
    return f"{image}:{version}" if image and version and ":" not in image.rpartition("/")[2] else image


def _server(document: Document, index: Index, spec: Mapping[str, Any], engine: str, image: str | None) -> Role:
    kind = text(document.value.get("kind")) or ""
    place = next((place for place in _PLACES if mapping(at(spec, *place, "resources"))), ())
    resources = mapping(at(spec, *place, "resources")) or _flat_resources(spec)
    if "redisEnterpriseNodeResources" in spec:
        resources = mapping(spec.get("redisEnterpriseNodeResources"))
    volumes, known = _volumes(spec, kind)
    container = {
        "name": engine,
        "image": image or engine,
        "args": spec.get("args") if engine == "dragonfly" else None,
        "env": spec.get("env"),
        "resources": resources,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}] if volumes else [],
    }
    mode = " ".join(str(spec.get(key, "")) for key in ("arch", "mode", "type", "keydbMode")).lower()
    cluster = kind.endswith("Cluster") or "cluster" in mode
    if engine == "valkey" and kind == "Valkey" and isinstance(spec.get("nodes"), int) and "cluster" not in mode:
        cluster = spec["nodes"] > 1  # hyperspike: nodes are shards
    replicated = cluster or kind.endswith(("Replication", "Failover")) or "sentinel" in mode or "replica" in mode
    directives, missing = _settings(document, index, spec, resources, kind)
    if kind == "RedisEnterpriseCluster":
        missing.append(Unread(kind, "its databases are resources of their own", "ask the cluster"))
        known = False
    return Role(
        what=engine,
        name=engine,
        pod={"containers": [container], "volumes": volumes},
        path=("spec", *place),
        directives=tuple(directives),
        missing=tuple(missing),
        cluster=cluster and kind != "RedisEnterpriseCluster",
        replicas=replicated or None,
        replica=True if "bootstrapNode" in spec else None if replicated or engine == "dragonfly" else False,
        storage_known=known,
    )


def _flat_resources(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """`keydbResourceLimitsMemory: 1Gi` and its like."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in spec.items():
        match = re.fullmatch(r"\w*Resource(Limits|Requests)(Memory|Cpu)", str(key))
        if match:
            found.setdefault(match[1].lower(), {})[match[2].lower()] = value
    return found


def _volumes(spec: Mapping[str, Any], kind: str) -> tuple[list[Mapping[str, Any]], bool]:
    """(the data volume, whether the resource says it): operators call it storage, persistent, data…"""
    for path in (
        ("redis", "storage"),
        ("storage",),
        ("persistent",),
        ("snapshot",),
        ("dataStorage",),
        ("persistence",),
    ):
        value = at(spec, *path)
        if "emptyDir" in mapping(value):
            return [{"name": "data", "emptyDir": mapping(value)["emptyDir"]}], True
        if value and value is not True:
            claim = path != ("snapshot",) or "persistentVolumeClaimSpec" in mapping(value)
            if claim:
                return [{"name": "data", "persistentVolumeClaim": {}}], True
    if any(re.search(r"(?i)pvc|persistentSize", str(key)) for key in spec):
        return [{"name": "data", "persistentVolumeClaim": {}}], True
    if kind == "RedisFailover":
        return [{"name": "data", "emptyDir": {}}], True
    return [], kind in ("Dragonfly", "Redis", "RedisReplication", "Valkey", "Keydb")


def _settings(
    document: Document, index: Index, spec: Mapping[str, Any], resources: Mapping[str, Any], kind: str
) -> tuple[list[Directive], list[Unread]]:
    directives: list[Directive] = []
    missing: list[Unread] = []
    if kind == "RedisFailover":
        directives += [Directive("save", pair, f"{DEFAULT}the operator") for pair in _SPOTAHOME_SAVE]
    for of, where in _OTHER_FILES:
        name = text(at(spec, *where))
        if name is None:
            continue
        found = index.find(of, name, document)
        if isinstance(found, Unread):
            missing.append(found)
        else:
            for key, content in entries(found).items():
                directives += redis_conf.parse(content, f"{of} {name} key {key}")[0]
    own: list[Directive] = []
    for path in _SETTINGS:
        value = at(spec, *path)
        source = ".".join(("spec", *path))
        own += redis_conf.parse("\n".join(_setting_lines(value)), source)[0] if value else []
    if any(directive.name == "save" for directive in own):
        directives = [directive for directive in directives if not directive.source.startswith(DEFAULT)]
    command = [text(word) or "" for word in sequence(at(spec, "redis", "command"))]
    own += redis_conf.parse_arguments(command[1:], "spec.redis.command").directives
    for path in (("maxMemory",), ("redis", "maxMemory")):
        if (size := text(at(spec, *path))) is not None:
            own.append(Directive("maxmemory", (size,), ".".join(("spec", *path))))
    return directives + own + _percent_of_limit(spec, resources), missing


def _setting_lines(value: Any) -> Iterator[str]:
    """Lines of redis.conf from a block of text, a list of lines, a mapping, or a list of mappings."""
    if isinstance(value, str):
        yield from value.split("\n")
    elif isinstance(value, list):
        for item in value:
            yield from _setting_lines(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            said = text(item)
            if said is None:
                continue
            words = said.split()
            if key == "save" and len(words) > 2:  # one pair a line is what every version reads
                yield from (f"save {' '.join(words[start : start + 2])}" for start in range(0, len(words), 2))
            else:
                yield f"{key} {said or chr(34) * 2}"


def _percent_of_limit(spec: Mapping[str, Any], resources: Mapping[str, Any]) -> list[Directive]:
    """`maxMemoryPercentOfLimit`, of OT-CONTAINER-KIT: rounded down, as the operator does."""
    percent = text(at(spec, "redisConfig", "maxMemoryPercentOfLimit"))
    limit = text(at(resources, "limits", "memory"))
    if percent is None or limit is None or not percent.isdigit():
        return []
    try:
        value = parse_quantity(limit) * int(percent) // 100
    except UnitError:
        return []
    return [Directive("maxmemory", (str(value),), "spec.redisConfig.maxMemoryPercentOfLimit")]


def apply(role: Role, config: Config) -> Config:
    """What the resource's kind says of the topology, on top of the settings."""
    changes: dict[str, Any] = {}
    sources = dict(config.sources)
    if role.cluster:
        changes["cluster_enabled"] = True
    if role.replicas or role.cluster:
        changes["replicas_possible"] = True
        sources["replicas_possible"] = "the resource's kind"
    if role.replica is None:
        changes["replicaof"] = Unread(
            "replicaof", "the operator decides at run time who is the master", "ask the server"
        )
    elif role.replica:
        changes["replicaof"], sources["replicaof"] = True, "spec.bootstrapNode"
    return replace(config, **changes, sources=sources)
