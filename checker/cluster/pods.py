"""The pods of one node, followed: a list in pages, then a watch from there on, which is resumed where it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from checker.cluster.api import ClusterError, ForbiddenError
from checker.cluster.light import Api, GoneError

PAGE: Final = 50
"""Pods in one answer: a judgement, below 1 MB of JSON."""

WATCH_SECONDS: Final = 300
"""How long the API server is asked to keep a watch open."""

IDLE_SECONDS: Final = WATCH_SECONDS + 30.0
"""Bookmarks come about once a minute; a watch that is silent for longer than it may last is dead."""

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
REFUSED_PAUSE_SECONDS: Final = 300.0
"""Until a role is given."""

WHAT: Final = "pods of this node"
CONFIG_HASH: Final = "kubernetes.io/config.hash"
"""A static pod's UID as the kubelet has it, and so its cgroup; the UID in the API is its mirror's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What is kept of a pod."""

    namespace: str
    name: str
    uids: frozenset[str]  # in the API, and in the cgroup where that differs
    ip: str | None
    labels: Mapping[str, str]
    containers: Mapping[str, str]  # container id → name


def parse(item: Mapping[str, Any]) -> Pod:
    """Take what is needed from a Pod's JSON."""
    meta, status = item.get("metadata") or {}, item.get("status") or {}
    uids = {meta.get("uid"), (meta.get("annotations") or {}).get(CONFIG_HASH)}
    states = [
        state
        for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        for state in status.get(kind) or ()
    ]
    ids = {str(state.get("containerID") or "").rpartition("/")[2]: str(state.get("name", "")) for state in states}
    return Pod(
        namespace=str(meta.get("namespace", "")),
        name=str(meta.get("name", "")),
        uids=frozenset(uid for uid in uids if isinstance(uid, str)),
        ip=status.get("podIP"),
        labels=dict(meta.get("labels") or {}),
        containers={identity: name for identity, name in ids.items() if identity},
    )


@dataclass(slots=True)
class NodePods:
    """The pods of one node, as far as they are known."""

    api: Api
    node_name: str
    trouble: Callable[[ClusterError], None]
    _pods: dict[str, Pod] = field(default_factory=dict)  # by namespace/name
    _by_uid: Mapping[str, Pod] = field(default_factory=dict)

    def pod(self, uid: str | None) -> Pod | None:
        """The pod with this UID."""
        return None if uid is None else self._by_uid.get(uid)

    def run(self, stop: threading.Event) -> None:
        """Follow them until told to stop."""
        pause, version = FIRST_PAUSE_SECONDS, None
        while not stop.is_set():
            try:
                version = self.list() if version is None else version
                version = self.follow(version)
                pause = FIRST_PAUSE_SECONDS
            except GoneError:
                version = None
            except ClusterError as error:
                self.trouble(error)
                wait = REFUSED_PAUSE_SECONDS if isinstance(error, ForbiddenError) else pause
                stop.wait(wait)
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)

    def list(self) -> str:
        """Read all, and return the version to watch from."""
        query = {"fieldSelector": f"spec.nodeName={self.node_name}", "limit": str(PAGE)}
        found: dict[str, Pod] = {}
        while True:
            page = self.api.get(WHAT, "/api/v1/pods", query) or {}
            for item in page.get("items") or ():
                pod = parse(item)
                found[f"{pod.namespace}/{pod.name}"] = pod
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                self._replace(found)
                return str(meta.get("resourceVersion", "0"))
            query["continue"] = meta["continue"]

    def follow(self, version: str) -> str:
        """Take in changes until the watch ends; return the version to go on from."""
        query = {
            "fieldSelector": f"spec.nodeName={self.node_name}",
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        for event in self.api.watch(WHAT, "/api/v1/pods", query, IDLE_SECONDS):
            item = event.get("object") or {}
            version = str((item.get("metadata") or {}).get("resourceVersion", version))
            if event.get("type") == "BOOKMARK":
                continue
            pod = parse(item)
            pods = dict(self._pods)
            if event.get("type") == "DELETED":
                pods.pop(f"{pod.namespace}/{pod.name}", None)
            else:
                pods[f"{pod.namespace}/{pod.name}"] = pod
            self._replace(pods)
        return version

    def _replace(self, pods: dict[str, Pod]) -> None:
        self._pods = pods
        self._by_uid = {uid: pod for pod in pods.values() for uid in pod.uids}
