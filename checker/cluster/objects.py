"""What reviews ask of a cluster: ConfigMaps, LimitRanges, namespaces, workloads, nodes and what agents publish of them.

Objects are JSON, as the API server sends them. Whatever fails raises ClusterError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from checker.cluster.api import TIMEOUT_SECONDS, ClusterError, Timeout, call
from checker.node_facts import LABEL, LABEL_VALUE

Object = Mapping[str, Any]

PAGE_OBJECTS: Final = 100
"""Of one list request: a node with its images is up to 30 KB, so that a page stays at a few MB."""

MOST_PAGES: Final = 200
"""Of one list: 20,000 objects; a list that never ends must not keep us."""


class Objects:
    """A cluster's objects, one call each; lists come in pages, and are never held whole."""

    def __init__(self, api_client: Any) -> None:
        from kubernetes import client

        self._core = client.CoreV1Api(api_client)
        self._apps = client.AppsV1Api(api_client)
        self._batch = client.BatchV1Api(api_client)
        self._version = client.VersionApi(api_client)

    def probe(self) -> None:
        """Ask for the version, which everybody may."""
        call("read the API server's version", self._version.get_code)

    def config_map(self, namespace: str, name: str, timeout: Timeout = TIMEOUT_SECONDS) -> Object | None:
        """The ConfigMap; None where there is none."""
        what = f"read ConfigMap {namespace}/{name}"
        found = call(what, self._core.read_namespaced_config_map, name, namespace, timeout=timeout)
        return None if found is None else {"apiVersion": "v1", "kind": "ConfigMap", **found}

    def labels(self, namespace: str, timeout: Timeout = TIMEOUT_SECONDS) -> Mapping[str, str] | None:
        """The namespace's labels; None where there is no such namespace."""
        found = call(f"read Namespace {namespace}", self._core.read_namespace, namespace, timeout=timeout)
        return None if found is None else found["metadata"].get("labels") or {}

    def limit_ranges(self, namespace: str, timeout: Timeout = TIMEOUT_SECONDS) -> list[Object]:
        """The namespace's LimitRanges."""
        function = self._core.list_namespaced_limit_range
        return list(_pages("LimitRange", function, namespace, timeout=timeout))

    def workloads(self, namespace: str, timeout: Timeout = TIMEOUT_SECONDS) -> Iterator[Object]:
        """What starts containers there, and is not itself made by another of them."""
        for kind, function in (
            ("StatefulSet", self._apps.list_namespaced_stateful_set),
            ("Deployment", self._apps.list_namespaced_deployment),
            ("DaemonSet", self._apps.list_namespaced_daemon_set),
            ("CronJob", self._batch.list_namespaced_cron_job),
            ("Pod", self._core.list_namespaced_pod),
        ):
            for found in _pages(kind, function, namespace, timeout=timeout):
                if not any(owner.get("controller") for owner in found["metadata"].get("ownerReferences") or ()):
                    yield found

    def nodes(self) -> Iterator[Object]:
        """All Nodes."""
        return _pages("Node", self._core.list_node)

    def node_facts(self, namespace: str) -> Iterator[Object]:
        """The ConfigMaps in which agents publish what they see."""
        selector = f"{LABEL}={LABEL_VALUE}"
        return _pages("ConfigMap", self._core.list_namespaced_config_map, namespace, label_selector=selector)


_API_VERSION: Final = {"StatefulSet": "apps/v1", "Deployment": "apps/v1", "DaemonSet": "apps/v1", "CronJob": "batch/v1"}


def _pages(kind: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[Object]:
    """The items of a list, each with its kind, which lists leave out. One that does not end raises, as in `Lists`."""
    token: str | None = None
    what = f"list {kind}s" + (f" of {arguments[0]}" if arguments else "")
    for _ in range(MOST_PAGES):
        more: dict[str, Any] = {"_continue": token} if token else {}
        page = call(what, function, *arguments, limit=PAGE_OBJECTS, **more, **options) or {}
        for item in page.get("items") or ():
            yield {"apiVersion": _API_VERSION.get(kind, "v1"), "kind": kind, **item}
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return
    raise ClusterError(f"{what}: more than {MOST_PAGES} pages")
