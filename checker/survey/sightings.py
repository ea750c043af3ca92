"""An object of a cluster → the servers that it starts; most objects start none, and that is told without looking twice.

Of a page of objects nothing is kept but what is said here: 20,000 pods must fit where one page does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from checker.engines import DATA_SERVERS, EXECUTABLES
from checker.facts import UNLIMITED, Maybe, Server, Sourced, Unread
from checker.manifests import Document, Index, Other, declarations, extract, operators, parsed, pod_spec
from checker.manifests.images import named_by
from checker.manifests.objects import Elsewhere, at, mapping, sequence, text
from checker.manifests.pods import ENGINE_NAMES, names_one_of
from checker.policy import EngineImage

Object = Mapping[str, Any]

CLUSTER: Final = "the cluster"
"""Where everything is from, in place of a file."""

NOT_READ: Final = ("is not in the cluster, or of a kind that is not read", "see whether it is there")
"""Why an object is unread that nobody was asked for: Secrets, as they hold passwords."""

STARTERS: Final = tuple(name for name, what in EXECUTABLES.items() if what in DATA_SERVERS)
"""Programs that a script in a ConfigMap may start."""

_PLACING: Final = ("nodeName", "nodeSelector", "affinity", "tolerations")
"""What `placement.may_land` looks at."""

_INSTANCE_LABELS: Final = ("app.kubernetes.io/instance", "release", "app.kubernetes.io/name", "app")
"""By which charts and operators mark what belongs together, the most telling first."""


class Key(NamedTuple):
    """The name of an object in its cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An object that starts servers, or other programs of the Redis world."""

    key: Key
    servers: tuple[Server, ...]
    others: tuple[Other, ...]
    controller: Key | None  # who made it, where somebody did
    instance: str  # objects of one instance are neighbours; "": nothing says which it belongs to
    constraints: Mapping[str, Any] | None = None  # fields of its pod spec by which the scheduler chooses nodes
    daemon: bool = False  # a DaemonSet, or made by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What it takes to understand an object."""

    engines: Sequence[EngineImage] = ()
    starting: Collection[tuple[str, str]] = ()  # (namespace, name) of ConfigMaps that start a server
    elsewhere: Elsewhere | None = None
    ranges_unread: Mapping[str | None, Unread] = field(default_factory=dict)  # namespace (None: all) → why


def key_of(value: Object) -> Key:
    """An object's own name."""
    kind, name = text(value.get("kind")) or "", text(at(value, "metadata", "name")) or ""
    return Key(kind, text(at(value, "metadata", "namespace")) or "", name)


def controller_of(value: Object) -> Key | None:
    """Who made it. A static pod's Node is no maker: the file that it is from is on that node."""
    for owner in sequence(at(value, "metadata", "ownerReferences")):
        if at(owner, "controller") is True and at(owner, "kind") != "Node":
            namespace = text(at(value, "metadata", "namespace")) or ""
            return Key(text(at(owner, "kind")) or "", namespace, text(at(owner, "name")) or "")
    return None


def starts_servers(config_map: Object) -> bool:
    """May a script in this ConfigMap start a server?"""
    return any(names_one_of(STARTERS, text(value) or "") for value in mapping(config_map.get("data")).values())


def may_start(value: Object, around: Surroundings) -> bool:
    """Is the object worth a closer look? By its images, commands and mounted scripts, as `bgsafe lint` has it."""
    found = pod_spec(value)
    if found is None:
        return operators.is_operated(value)
    spec, path = found
    if any(_names_engine(container, around.engines) for container in _containers(spec)):
        return True
    if "engine" in declarations.read(value, at(value, *path[:-1])):
        return True
    namespace = text(at(value, "metadata", "namespace")) or ""
    return bool(around.starting) and any((namespace, name) in around.starting for name in _mounted(spec))


def sight(value: Object, around: Surroundings) -> Sighting:
    """What the object starts."""
    found, key, elsewhere = pod_spec(value), key_of(value), around.elsewhere
    if elsewhere is not None and key.kind == "Pod":
        elsewhere = _Defaulted(elsewhere)
    index = Index(absent=NOT_READ, elsewhere=elsewhere)
    extraction = extract([parsed(_bare(value), CLUSTER)], around.engines, index)
    return Sighting(
        key=key,
        servers=tuple(_of_cluster(server, key, around) for server in extraction.servers),
        others=extraction.others,
        controller=controller_of(value),
        instance=_instance(value),
        constraints={name: found[0][name] for name in _PLACING if name in found[0]} if found else None,
        daemon=(controller_of(value) or key).kind == "DaemonSet",
    )


@dataclass(frozen=True, slots=True)
class _Defaulted:
    """The same place for what LimitRanges have had their say on: the API server writes their defaults into pods."""

    stored: Elsewhere

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """See `Elsewhere`."""
        return self.stored.config_map(namespace, name)

    def limit_ranges(self, namespace: str) -> Sequence[Document]:  # noqa: ARG002
        """See `Elsewhere`."""
        return ()


def _of_cluster(server: Server, key: Key, around: Surroundings) -> Server:
    subject = replace(server.subject, source="cluster", file=None, line=None)
    unread = around.ranges_unread.get(key.namespace) or around.ranges_unread.get(None)
    limit = server.limit
    if unread is not None and limit.value is UNLIMITED and key.kind != "Pod":
        limit = Sourced(unread, "")  # a default of theirs may be what binds it; in a Pod it would be written
    return replace(server, subject=subject, limit=limit, lines={})


def _bare(value: Object) -> Object:
    """Without status, history, and annotations of others, which are often the larger half."""
    metadata = mapping(value.get("metadata"))
    kept = {name: metadata[name] for name in ("name", "namespace") if name in metadata}
    ours = {
        name: said
        for name, said in mapping(metadata.get("annotations")).items()
        if str(name).startswith(declarations.PREFIX)
    }
    return {**value, "metadata": {**kept, "annotations": ours}, "status": None}


def _containers(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("initContainers", "containers"):
        yield from (mapping(container) for container in sequence(spec.get(key)))


def _names_engine(container: Mapping[str, Any], engines: Sequence[EngineImage]) -> bool:
    image = text(container.get("image")) or ""
    words = (image, *map(text, sequence(container.get("command"))), *map(text, sequence(container.get("args"))))
    return any(word and names_one_of(ENGINE_NAMES, word) for word in words) or bool(
        engines and named_by(image, engines)
    )


def _mounted(spec: Mapping[str, Any]) -> Iterator[str]:
    """Names of ConfigMaps that are volumes of the pod."""
    for volume in sequence(spec.get("volumes")):
        sources = [volume, *sequence(at(volume, "projected", "sources"))]
        yield from (name for source in sources if (name := text(at(source, "configMap", "name"))))


def _instance(value: Object) -> str:
    labels = mapping(at(value, "metadata", "labels"))
    return next((said for name in _INSTANCE_LABELS if (said := text(labels.get(name)))), "")
