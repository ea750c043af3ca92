"""Reads a cluster: first what it takes to understand an object, then the objects, a few lists at a time.

A list that is refused is a problem in the report, and hides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Final

from checker.cluster.api import ClusterError, ForbiddenError
from checker.cluster.lists import Lists, Resource
from checker.cluster.objects import Objects
from checker.deadline import DeadlineError, within
from checker.facts import Maybe, Node, Unread
from checker.manifests import Document, operators, parsed
from checker.manifests.objects import at, name_of, namespace_of, text
from checker.manifests.placement import Fleet
from checker.node_facts import LABEL, LABEL_VALUE, fleet, published_facts
from checker.policy import EngineImage
from checker.survey.owners import PodSeen, Seen
from checker.survey.sightings import (
    CLUSTER,
    Key,
    Object,
    Surroundings,
    controller_of,
    key_of,
    may_start,
    sight,
    starts_servers,
)
from checker.units import MIB

WORKLOADS: Final = (
    Resource("StatefulSet", "statefulsets", "apps"),
    Resource("Deployment", "deployments", "apps"),
    Resource("DaemonSet", "daemonsets", "apps"),
    Resource("CronJob", "cronjobs", "batch"),
)
"""What is judged by its template. Jobs, ReplicaSets and makers of other groups are known by their pods."""

PODS: Final = Resource("Pod", "pods")
CONFIG_MAPS: Final = Resource("ConfigMap", "configmaps", page_objects=50)
"""A ConfigMap may have 1 MiB."""
LIMIT_RANGES: Final = Resource("LimitRange", "limitranges")
NODES: Final = Resource("Node", "nodes", page_objects=100)
"""A node with its images is up to 30 KB."""

LIVING: Final = "status.phase!=Succeeded,status.phase!=Failed"
"""Pods that ended fork no more."""

CONNECTIONS: Final = 3
"""Lists that are read at the same time: kubectl allows itself five requests at once."""

MOST_OBJECT_SECONDS: Final = 60.0
"""To understand one object, what is asked for it included: nobody who writes a script shall stop the scan with it."""

MOST_HELD: Final = 8 * MIB
"""Characters of ConfigMaps that are kept for the next object that asks for them."""

PERMISSION: Final = "give the account the role of deploy/kustomize/nightly, or name its namespaces: --namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be read."""

    namespaces: tuple[str, ...] = ()  # (): all
    selector: str | None = None  # labels of workloads, pods and operators' resources
    facts_namespace: str = "bgsafe"  # where agents publish facts of their nodes
    facts_required: bool = False  # is it a problem where that may not be read?
    engines: Sequence[EngineImage] = ()


@dataclass(slots=True)
class Reading:
    """What was read, and what was not."""

    seen: Seen = field(default_factory=Seen)
    operated: list[Key] = field(default_factory=list)
    problems: list[Unread] = field(default_factory=list)
    read: int = 0  # objects
    lists: int = 0  # that came to their end
    fleet: Fleet = ()  # the cluster's nodes, where agents tell of any
    facts: Mapping[str, Maybe[Node]] = field(default_factory=dict)  # node → what its agent published; {}: none did


Progress = Callable[[int], None]
"""Told how many objects were read by now."""


def read(lists: Lists, objects: Objects, wanted: Wanted, progress: Progress = lambda _: None) -> Reading:
    """Read what is wanted. A list that fails is among the problems."""
    return _Reader(lists, objects, wanted, progress).read()


class _Reader:
    def __init__(self, lists: Lists, objects: Objects, wanted: Wanted, progress: Progress) -> None:
        self._lists, self._objects, self._wanted = lists, objects, wanted
        self._progress = progress
        self._result = Reading()
        self._lock = Lock()
        self._stopped = False

    def read(self) -> Reading:
        with ThreadPoolExecutor(CONNECTIONS, "list") as pool, self._stopping(pool):
            starting = pool.submit(self._starting)
            ranges = pool.submit(self._limit_ranges)
            nodes = pool.submit(self._fleet)
            operated = pool.submit(self._operated_resources)
            held, ranges_unread = ranges.result()
            around = Surroundings(
                engines=self._wanted.engines,
                starting=starting.result(),
                elsewhere=_Elsewhere(self._lists, self._objects, held),
                ranges_unread=ranges_unread,
            )
            own = operated.result()
            self._result.fleet = nodes.result()
            parts: list[Future[Seen]] = [
                pool.submit(self._sift, resource, namespace, around)
                for resource in (PODS, *WORKLOADS, *own)
                for namespace in self._namespaces()
            ]
            for part in parts:
                self._result.seen.add(part.result())
        kinds = {resource.kind for resource in own}
        self._result.operated += [key for key in self._result.seen.sightings if key.kind in kinds]
        self._result.problems.sort(key=lambda problem: (problem.where, problem.why))
        return self._result

    @contextmanager
    def _stopping(self, pool: ThreadPoolExecutor) -> Iterator[None]:
        """Who interrupts it does not wait for the lists: they end with the page that they are at."""
        try:
            yield
        except BaseException:
            self._stopped = True
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    def _namespaces(self) -> tuple[str | None, ...]:
        return self._wanted.namespaces or (None,)

    # --- what it takes to understand objects -------------------------------------------------------------------------

    def _starting(self) -> set[tuple[str, str]]:
        """ConfigMaps with a script that starts a server."""
        found = set()
        for namespace in self._namespaces():
            for each in self._objects_of(CONFIG_MAPS, namespace):
                if starts_servers(each):
                    key = key_of(each)
                    found.add((key.namespace, key.name))
        return found

    def _limit_ranges(self) -> tuple[dict[str, list[Document]], dict[str | None, Unread]]:
        """(namespace → its LimitRanges, namespace → why they are unread)."""
        held: dict[str, list[Document]] = {}
        unread: dict[str | None, Unread] = {}
        for namespace in self._namespaces():
            failed: list[Unread] = []
            for each in self._objects_of(LIMIT_RANGES, namespace, failed=failed.append):
                held.setdefault(key_of(each).namespace, []).append(_document(each))
            if failed:
                unread[namespace] = failed[0]
                self._problem(failed[0])
        return held, unread

    def _fleet(self) -> Fleet:
        """Nodes and what agents say of them; nobody is asked for nodes where no agent says anything."""
        where, label = self._wanted.facts_namespace, f"{LABEL}={LABEL_VALUE}"
        failed = self._problem if self._wanted.facts_required else _nobody
        published = self._objects_of(CONFIG_MAPS, where, labels=label, failed=failed)
        told, rejected = published_facts(published)
        for name, why in rejected:
            self._problem(Unread(f"ConfigMap {where}/{name}", f"{why.where} {why.why}", why.remedy))
        now = datetime.now(UTC)
        self._result.facts = {name: facts.fresh(now) for name, facts in told.items()}
        return fleet(self._objects_of(NODES, None), told, now) if told else ()

    def _operated_resources(self) -> list[Resource]:
        """Kinds of operators' resources that the cluster has."""
        try:
            return [
                resource
                for group, version in self._lists.groups()
                if "." in group and not group.endswith(".k8s.io")
                for resource in self._lists.resources(group, version)
                if operators.is_operated_kind(group, resource.kind)
            ]
        except ClusterError as error:
            self._problem(_unread("kinds of operators' resources", error))
            return []

    # --- objects -----------------------------------------------------------------------------------------------------

    def _sift(self, resource: Resource, namespace: str | None, around: Surroundings) -> Seen:
        """Of one list, what has servers in it."""
        found = Seen()
        fields = LIVING if resource is PODS else None
        keep = take_pod if resource is PODS else take
        for each in self._objects_of(resource, namespace, labels=self._wanted.selector, fields=fields):
            try:
                with within(MOST_OBJECT_SECONDS):
                    if may_start(each, around):
                        keep(each, found, around)
            except (DeadlineError, RecursionError) as error:
                why = "takes too long to follow" if isinstance(error, DeadlineError) else "is nested too deeply"
                where = f"{resource.kind} {namespace_of(each) or '(no namespace)'}/{name_of(each)}"
                self._problem(Unread(where, why, "it was left out: `bgsafe lint` its manifest"))
        return found

    def _objects_of(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        failed: Callable[[Unread], None] | None = None,
    ) -> Iterator[Object]:
        """The objects of a list, page by page, up to where it fails."""
        try:
            for page in self._lists.pages(resource, namespace, labels=labels, fields=fields):
                count = len(page)
                yield from page
                page.clear()  # before the next one comes
                if self._stopped:
                    return
                with self._lock:
                    self._result.read += count
                    self._progress(self._result.read)
        except ClusterError as error:
            where = resource.plural + (f".{resource.group}" if resource.group else "")
            unread = _unread(f"{where} of {f'namespace {namespace}' if namespace else 'the cluster'}", error)
            (failed or self._problem)(unread)
        else:
            with self._lock:
                self._result.lists += 1

    def _problem(self, problem: Unread) -> None:
        with self._lock:
            self._result.problems.append(problem)


def _nobody(_: Unread) -> None:
    """Who has no agents misses nothing where their facts may not be read."""


def take(value: Object, found: Seen, around: Surroundings) -> None:
    """Look into a workload, or an operator's resource."""
    sighting = sight(value, around)
    if sighting.servers or sighting.others:
        found.sightings[sighting.key] = sighting


def take_pod(value: Object, found: Seen, around: Surroundings) -> None:
    """Of the pods of one controller, the first one is looked into."""
    key, by = key_of(value), controller_of(value)
    if (by or key) not in found.samples:
        found.samples[by or key] = sight(value, around)
    if found.samples[by or key].servers or found.samples[by or key].others:
        node = text(at(value, "spec", "nodeName")) or ""
        template_hash = text(at(value, "metadata", "labels", "pod-template-hash")) or ""
        uid = text(at(value, "metadata", "uid")) or ""
        found.pods[key] = PodSeen(key.namespace, key.name, uid, node, by, template_hash)


def _unread(where: str, error: ClusterError) -> Unread:
    remedy = PERMISSION if isinstance(error, ForbiddenError) else "see whether the API server is well, and try again"
    return Unread(where, str(error).partition(";")[0], remedy)


def _document(found: Object) -> Document:
    metadata = {key: at(found, "metadata", key) for key in ("name", "namespace")}
    return parsed({**found, "metadata": metadata}, CLUSTER)


class _Elsewhere:
    """ConfigMaps, asked for one by one: few of a cluster's are a server's. Threads share it."""

    def __init__(self, lists: Lists, objects: Objects, ranges: Mapping[str, Sequence[Document]]) -> None:
        self._lists, self._objects, self._ranges = lists, objects, ranges
        self._held: dict[tuple[str, str], Maybe[Document]] = {}
        self._refused: dict[str, Unread] = {}  # namespace → why none of its ConfigMaps is to be had
        self._size = 0
        self._lock = Lock()

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """See `Elsewhere`."""
        key = (namespace, name)
        with self._lock:
            held = self._refused.get(namespace) or self._held.get(key)
        if held is not None:
            return held
        found = self._asked(namespace, name)
        size = len(found.origin.text) if isinstance(found, Document) else len(str(found))
        with self._lock:
            if self._size + size > MOST_HELD:
                self._held.clear()
                self._size = 0
            self._held[key] = found
            self._size += size
        return found

    def limit_ranges(self, namespace: str) -> Sequence[Document]:
        """See `Elsewhere`."""
        return self._ranges.get(namespace, ())

    def _asked(self, namespace: str, name: str) -> Maybe[Document]:
        try:
            found = self._lists.patiently(partial(self._objects.config_map, namespace, name))
        except ForbiddenError as error:
            refused = self._refused[namespace] = _unread(f"ConfigMaps of namespace {namespace}", error)
            return refused
        except ClusterError as error:
            return _unread(f"ConfigMap {name}", error)
        if found is None:
            return Unread(f"ConfigMap {name}", f"is not in namespace {namespace}", "create it, or correct its name")
        return _document(found)
