"""YAML and JSON → the Redis-like servers that they would start. `extract` is pure; `files` does the reading."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from checker.deadline import check_deadline
from checker.engines import DATA_SERVERS, FORKING
from checker.facts import Server, Subject, Unread, Volume
from checker.manifests import declarations, operators, tuning
from checker.manifests.documents import Document, Places, Text, load, parsed, split
from checker.manifests.images import Image, classify, named_by
from checker.manifests.limits import quantity, with_doubled_limits
from checker.manifests.objects import Index, at, mapping, name_of, namespace_of, readable, sequence, text
from checker.manifests.pods import ENGINE_NAMES, Container, Pod, names_one_of
from checker.manifests.servers import Found, identify, server
from checker.policy import EngineImage
from checker.probes import redis_conf

__all__ = ["Document", "Extraction", "Index", "Other", "Place", "Text", "extract", "parsed", "split"]

Path: TypeAlias = tuple[str | int, ...]
"""Steps from an object to one of its fields: keys and numbers of items."""

_HELD: Final = frozenset({"ConfigMap", "Secret", "LimitRange"})


_MAY_MATTER: Final = (
    *("configmap", "secretname", "overcommit_memory", "transparent_hugepage", "bgsafe.io"),
    *ENGINE_NAMES,
)
"""What a workload must name, in lower case, to be worth keeping until all is read: an engine, or another object that
may name one."""


_FOLLOWS: Final = re.compile(r"limits\.memory|OfLimit")
"""How a manifest names the limit where it computes with it: resourceFieldRef, and an operator's percentage."""


@dataclass(frozen=True, slots=True)
class Other:
    """A container of the Redis world that is no data server, or one that tunes the kernel."""

    subject: Subject
    what: str  # word of checker.engines: sentinel, client, exporter, proxy, operator, other, none
    tunes: tuple[str, ...] = ()  # "vm.overcommit_memory=1", "transparent_hugepage=never"


@dataclass(frozen=True, slots=True)
class Place:
    """A container in its document."""

    document: Document
    path: Path

    def __str__(self) -> str:
        return f"{self.document.origin.file} {name_of(self.document.value)}"


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an input holds."""

    servers: tuple[Server, ...]  # in the input's order
    memory_requests: tuple[int | Unread | None, ...]  # of the servers, resources.requests.memory; None: not written
    others: tuple[Other, ...]
    skipped: Mapping[str, int]  # kind → how many objects of it were not looked into
    documents: int
    problems: tuple[Unread, ...]
    places: tuple[Place, ...] = ()  # of the servers
    index: Index = field(default_factory=Index)  # what else may be edited: ConfigMaps

    @property
    def not_servers(self) -> int:
        """Containers of the Redis world that are no data server."""
        return sum(other.what not in ("other", "none") for other in self.others)


@dataclass(slots=True)
class _Collected:
    servers: list[Server] = field(default_factory=list)
    requests: list[int | Unread | None] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    others: list[Other] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[Unread] = field(default_factory=list)


def extract(
    texts: Iterable[Text | Document | Unread], engines: Sequence[EngineImage] = (), index: Index | None = None
) -> Extraction:
    """Find every server in the documents; `engines` are the policy's image patterns, `index` what else is there.

    What could not be read on the way (files, documents) is among the problems, and hides nothing else.
    Raises DeadlineError where the caller has set a deadline (`checker.deadline.within`) and it passes.
    """
    index, collected = index or Index(), _Collected()
    workloads: list[Document] = []
    documents = 0
    for origin in texts:
        loaded = [origin] if isinstance(origin, Document) else origin if isinstance(origin, Unread) else load(origin)
        if isinstance(loaded, Unread):
            collected.problems.append(loaded)
            continue
        documents += len(loaded)
        for document in loaded:
            kind = text(document.value.get("kind"))
            if kind in _HELD:
                index.add(document)
            elif pod_spec(document.value) is not None:
                if engines or names_one_of(_MAY_MATTER, document.origin.text):
                    workloads.append(document)
            elif operators.is_operated(document.value):
                workloads.append(document)
            else:
                collected.skipped[kind or "(no kind)"] += 1
    for document in workloads:
        first = len(collected.servers)
        _look_into(document, index, engines, collected)
        collected.servers[first:] = _following(collected.servers[first:], document, index, engines)
    return Extraction(
        servers=tuple(with_neighbours(collected.servers, collected.others)),
        memory_requests=tuple(collected.requests),
        others=tuple(collected.others),
        skipped=dict(collected.skipped),
        documents=documents,
        problems=tuple(collected.problems),
        places=tuple(collected.places),
        index=index,
    )


def _look_into(document: Document, index: Index, engines: Sequence[EngineImage], collected: _Collected) -> None:
    if pod_spec(document.value) is not None:
        _workload(document, index, engines, collected)
    else:
        _operated(document, index, engines, collected)


def _following(
    servers: list[Server], document: Document, index: Index, engines: Sequence[EngineImage]
) -> Iterator[Server]:
    """Mark those whose maxmemory is computed from the limit: with every limit doubled, it is another one."""
    if not servers or not _FOLLOWS.search(document.origin.text):
        yield from servers
        return
    again = _Collected()
    _look_into(replace(document, value=with_doubled_limits(document.value)), index, engines, again)
    for one, other in zip(servers, again.servers, strict=True):
        follows = one.config.maxmemory != other.config.maxmemory
        yield replace(one, config=replace(one.config, maxmemory_follows_limit=follows)) if follows else one


def pod_spec(value: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]] | None:
    """(pod spec, where it is) of a Pod or of anything that has a pod template, whatever its kind."""
    for path in (
        ("spec", "jobTemplate", "spec", "template", "spec"),
        ("spec", "template", "spec"),
        ("template", "spec"),
        ("spec",),
    ):
        spec = mapping(at(value, *path))
        if isinstance(spec.get("containers"), list) and (path != ("spec",) or value.get("kind") == "Pod"):
            return spec, path
    return None


def _workload(document: Document, index: Index, engines: Sequence[EngineImage], collected: _Collected) -> None:
    found = pod_spec(document.value)
    if found is None:
        return
    spec, path = found
    claims = tuple(
        text(at(claim, "metadata", "name")) or ""
        for claim in sequence(at(document.value, "spec", "volumeClaimTemplates"))
    )
    batch = document.value.get("kind") in ("Job", "CronJob")
    pod = Pod(document, spec, path, index, batch, claims)
    places = Places(document)
    said = declarations.read(document.value, at(document.value, *path[:-1]))
    servers = len(collected.servers)
    named = any(named_by(container.image or "", engines) for container in pod.containers)
    looked_at = pod.speaks_of_redis() or named or "engine" in said
    for container in pod.containers:
        check_deadline()
        own = said if declarations.concerns(said, container.name) else {}
        image = _image(container, own, engines)
        environment = pod.environment(container)
        what = identify(pod, container, image, environment) if looked_at else Found("other")
        if what.what in DATA_SERVERS and own.get("engine") != "none":
            collected.servers.append(server(pod, container, image, environment=environment, found=what, places=places))
            collected.places.append(Place(document, container.path))
            collected.requests.append(
                quantity(at(container.value, "resources", "requests", "memory"), "resources.requests.memory")
            )
            continue
        tunes = tuning.settings(container, environment)
        if what.what not in ("other", "none") or tunes:
            subject = _subject(document, container.name, places.line(*container.path))
            collected.others.append(Other(subject, "none" if what.what in DATA_SERVERS else what.what, tunes))
    if len(collected.servers) > servers:
        collected.problems += places.duplicate_keys()


def _image(container: Container, said: Mapping[str, str], engines: Sequence[EngineImage]) -> Image:
    """The container's image; an engine that the owner declares goes before what its name says."""
    image = classify(container.image or "", engines)
    declared = said.get("engine")
    if declared in DATA_SERVERS:
        return replace(image, engine=declared, version=None)
    return image


def _subject(document: Document, container: str, line: int) -> Subject:
    return Subject(
        source="manifest",
        name=name_of(document.value),
        namespace=namespace_of(document.value),
        kind=readable(document.value.get("kind")),
        container=container,
        file=document.origin.file,
        line=line,
    )


def _operated(document: Document, index: Index, engines: Sequence[EngineImage], collected: _Collected) -> None:
    if declarations.read(document.value, None).get("engine") == "none":
        return
    places = Places(document)
    for role in operators.roles(document, index):
        if role.what not in DATA_SERVERS:
            collected.others.append(Other(_subject(document, role.name, places.line(*role.path)), role.what))
            continue
        pod = Pod(document, role.pod, role.path, index, False, ())
        container = replace(pod.containers[0], path=role.path)
        image = replace(classify(container.image or "", engines), engine=role.what, family="official", replica=None)
        environment = pod.environment(container)
        found = identify(pod, container, image, environment)
        made = server(pod, container, image, environment=environment, found=found, places=places)
        if role.what in FORKING:
            config = redis_conf.effective(
                role.directives, engine_name=role.what, version=image.version, has_config=False, missing=role.missing
            )
            made = replace(made, config=config)
        made = replace(made, config=operators.apply(role, made.config))
        if not role.storage_known:
            unread = Unread("storage", "the resource does not say it", "see what the operator makes")
            made = replace(made, volume=Volume(filesystem=unread, in_memory=unread, files_bytes=unread))
        collected.servers.append(made)
        collected.places.append(Place(document, container.path))
        collected.requests.append(
            quantity(at(container.value, "resources", "requests", "memory"), "resources.requests.memory")
        )


def with_neighbours(servers: Sequence[Server], others: Sequence[Other]) -> Iterator[Server]:
    """A master learns from the same file that it has replicas: a replica or a sentinel of its namespace is there."""
    replicas: dict[tuple[str | None, str | None, str], str] = {}
    for sentinel in others:
        if sentinel.what == "sentinel":
            for engine in ("redis", "valkey"):
                why = f"{sentinel.subject.kind} {sentinel.subject.name} is a sentinel"
                replicas.setdefault((sentinel.subject.file, sentinel.subject.namespace, engine), why)
    for one in servers:
        if one.config.replicaof is True:
            why = f"{one.subject.kind} {one.subject.name} is a replica"
            replicas.setdefault((one.subject.file, one.subject.namespace, one.engine.name), why)
    for one in servers:
        said = replicas.get((one.subject.file, one.subject.namespace, one.engine.name))
        if said is None or one.config.replicas_possible is True or one.engine.name not in FORKING:
            yield one
        else:
            sources = {**one.config.sources, "replicas_possible": said}
            yield replace(one, config=replace(one.config, replicas_possible=True, sources=sources))
