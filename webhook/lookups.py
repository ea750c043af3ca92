"""The cluster that reviews ask: cached, bounded in time and memory, and left alone while it does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

from cachetools import TLRUCache

from checker.cluster.api import ClusterError, ForbiddenError, Timeout
from checker.cluster.objects import Object, Objects
from checker.deadline import seconds_left
from checker.facts import Maybe, Unread
from checker.log import log
from checker.manifests import Document, parsed
from checker.manifests.placement import Fleet
from checker.node_facts import fleet, published_facts
from checker.units import MIB
from webhook.review.surroundings import Unasked

T = TypeVar("T")

FRESH_SECONDS: Final = 2.0
"""How long an answer holds: a judgement. The pods of one rollout come within it, and somebody who corrects a ConfigMap
and tries again does not."""

FORBIDDEN_SECONDS: Final = 60.0
"""How long a permission that is missing is believed to be."""

SILENT_SECONDS: Final = 5.0
"""How long an API server that failed is not asked again: reviews must not all wait for it."""

MOST_CALL_SECONDS: Final = 0.5
LEAST_CALL_SECONDS: Final = 0.02
"""Of one call: half of what the deadline leaves, within these. A healthy API server takes some milliseconds."""

MOST_CACHED_BYTES: Final = 8 * MIB
"""Characters of JSON that are kept; parsed, they take about twice as much again."""

MOST_WORKLOADS: Final = 100
"""Of those that use one ConfigMap: a judgement, to bound memory."""

LOOK_SECONDS: Final = 30.0
"""How often nodes and their facts are read, and the API server is asked whether it is there."""

LOST_SECONDS: Final = 3 * LOOK_SECONDS
"""A replica that has not reached the API server for so long is not ready: the other one is asked then."""


class Lookups(Unasked):
    """A cluster: with `resolve` it is asked for ConfigMaps, LimitRanges, workloads and labels, with the namespace of
    node facts for nodes. What it is not to be asked for is answered as by `Unasked`.
    """

    def __init__(
        self,
        connect: Callable[[], Objects],
        *,
        resolve: bool,
        facts_namespace: str | None,
        failed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`failed` is told of every call that came to nothing."""
        self._connect = connect
        self._objects: Objects | None = None
        self._resolve, self._facts_namespace = resolve, facts_namespace
        self._failed, self._clock = failed, clock
        self._lock = threading.Lock()
        self._cache: TLRUCache[tuple[str, ...], tuple[Any, float, int]] = TLRUCache(
            MOST_CACHED_BYTES, ttu=lambda _key, held, now: now + held[1], timer=clock, getsizeof=lambda held: held[2]
        )
        self._silent: tuple[float, str] = (float("-inf"), "")  # until when, and why
        self._reached: float | None = None
        self._fleet: Fleet = ()

    # --- what reviews ask --------------------------------------------------------------------------------------------

    def labels(self, namespace: str) -> Maybe[Mapping[str, str]]:
        """See `Surroundings`."""
        if not self._resolve:
            return super().labels(namespace)
        where = f"labels of namespace {namespace}"
        found = self._ask(where, ("labels", namespace), lambda api, timeout: api.labels(namespace, timeout))
        return Unread(where, "there is no such namespace", "create it first") if found is None else found

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        """See `Surroundings`."""
        if not self._resolve:
            return super().config_map(namespace, name)
        where = f"ConfigMap {name}"

        def read(api: Objects, timeout: Timeout) -> Document | None:
            found = api.config_map(namespace, name, timeout)
            return None if found is None else _document(found)

        found = self._ask(where, ("configmap", namespace, name), read)
        return Unread(where, f"is not in namespace {namespace} yet", "create it first") if found is None else found

    def limit_ranges(self, namespace: str) -> Maybe[Sequence[Document]]:
        """See `Surroundings`."""
        if not self._resolve:
            return super().limit_ranges(namespace)

        def read(api: Objects, timeout: Timeout) -> Sequence[Document]:
            return [_document(found) for found in api.limit_ranges(namespace, timeout)]

        return self._ask(f"LimitRanges of {namespace}", ("limitranges", namespace), read)

    def workloads(self, namespace: str, mentioning: str) -> Maybe[Sequence[Object]]:
        """See `Surroundings`."""
        if not self._resolve:
            return super().workloads(namespace, mentioning)
        where = f"workloads of {namespace} that use {mentioning}"

        def read(api: Objects, timeout: Timeout) -> Sequence[Object]:
            found: list[Object] = []
            for workload in api.workloads(namespace, timeout):
                if seconds_left() < LEAST_CALL_SECONDS or len(found) >= MOST_WORKLOADS:
                    raise ClusterError(f"{where}: too many to read in time")
                if f'"{mentioning}"' in _document(workload).origin.text:
                    found.append(workload)
            return found

        return self._ask(where, None, read)

    def fleet(self) -> Fleet:
        """See `Surroundings`."""
        return self._fleet

    # --- how it is asked ---------------------------------------------------------------------------------------------

    def _ask(self, where: str, key: tuple[str, ...] | None, read: Callable[[Objects, Timeout], T]) -> Maybe[T]:
        """The answer, from the cache where it holds; None is not kept, since what is missing is made next."""
        with self._lock:
            held = self._cache.get(key) if key else None
            silent_until, why = self._silent
        if held is not None:
            return cast(Maybe[T], held[0])
        if self._clock() < silent_until or self._objects is None:
            return Unread(where, why or "the API server was not reached yet", "see whether the API server answers")
        seconds = min(seconds_left() / 2, MOST_CALL_SECONDS)
        if seconds < LEAST_CALL_SECONDS:
            return Unread(where, "no time was left to read it", "raise timeoutSeconds of the webhook configuration")
        try:
            found = read(self._objects, (seconds, seconds))
        except ForbiddenError:
            self._failed()
            refused = Unread(where, "the webhook may not read it", "give its service account that permission")
            self._keep(key, refused, FORBIDDEN_SECONDS)
            return refused
        except ClusterError as error:
            self._failed()
            log("lookup_failed", level="warning", reason=str(error))
            with self._lock:
                self._silent = (self._clock() + SILENT_SECONDS, str(error))
            return Unread(where, str(error), "see whether the API server answers")
        if found is not None:
            self._keep(key, found, FRESH_SECONDS)
        return found

    def _keep(self, key: tuple[str, ...] | None, value: Any, seconds: float) -> None:
        if key is None:
            return
        parts = value if isinstance(value, list) else [value]
        size = sum(len(part.origin.text) if isinstance(part, Document) else len(str(part)) for part in parts)
        with self._lock:
            if size < MOST_CACHED_BYTES:
                self._cache[key] = (value, seconds, size + 1)

    # --- what is followed --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look once, then from a thread for as long as the process lives."""
        self.look()
        threading.Thread(target=self._run, name="lookups", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Reach the API server, and read the nodes where that is wanted; what fails is logged, and the old stays."""
        try:
            self._objects = self._objects or self._connect()
            self._objects.probe()
            self._reached = self._clock()
            if self._facts_namespace is not None:
                self._fleet = read_fleet(self._objects, self._facts_namespace, datetime.now(UTC))
        except ClusterError as error:
            self._failed()
            log("cluster_not_read", level="error", reason=str(error))

    def not_ready(self) -> str | None:
        """Why it cannot be asked; None where it can."""
        if self._reached is None:
            return "the API server has not been reached yet"
        lost = self._clock() - self._reached
        return None if lost < LOST_SECONDS else f"the API server has not been reached for {lost:.0f} s"


def read_fleet(objects: Objects, namespace: str, now: datetime) -> Fleet:
    """The nodes, each with what its agent published."""
    told, rejected = published_facts(objects.node_facts(namespace))
    for name, why in rejected:
        log("node_facts_rejected", level="warning", name=name, reason=str(why))
    return fleet(objects.nodes(), told, now)


def _document(found: Object) -> Document:
    """Without its history, which is often the larger half."""
    metadata = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    return parsed({**found, "metadata": metadata, "status": None}, "the cluster")
