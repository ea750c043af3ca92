"""Whole lists of a cluster's workloads, page by page: what `bgsafe cluster` goes through.

One request at a time, and never more than a page of objects in memory; JSON as it comes, since the client's models of
a pod take ten times the memory of its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from checker.cluster.api import ClusterError, Timeout, call

Object = Mapping[str, Any]

PAGE_OBJECTS: Final = 250
"""Of one request: a pod is 5 to 20 KB, so that a page stays at a few MB."""

PAGE_TIMEOUT: Final[Timeout] = (5.0, 30.0)
"""A judgement: a page of a busy API server takes a second."""

MOST_PAGES: Final = 4000
"""A million objects: a list that never ends must not keep us."""

TEMPLATES: Final = ("StatefulSet", "Deployment", "DaemonSet", "CronJob", "Job")
"""Kinds that hold a pod template, of which their pods are copies."""

_API_VERSION: Final = {
    "StatefulSet": "apps/v1",
    "Deployment": "apps/v1",
    "DaemonSet": "apps/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "Pod": "v1",
}


class Listing:
    """Lists of one cluster. Whatever fails raises ClusterError, ForbiddenError where a permission is missing."""

    def __init__(self, api_client: Any) -> None:
        from kubernetes import client

        core, apps, batch = client.CoreV1Api(api_client), client.AppsV1Api(api_client), client.BatchV1Api(api_client)
        self._everywhere: Mapping[str, Callable[..., Any]] = {
            "StatefulSet": apps.list_stateful_set_for_all_namespaces,
            "Deployment": apps.list_deployment_for_all_namespaces,
            "DaemonSet": apps.list_daemon_set_for_all_namespaces,
            "CronJob": batch.list_cron_job_for_all_namespaces,
            "Job": batch.list_job_for_all_namespaces,
            "Pod": core.list_pod_for_all_namespaces,
        }
        self._namespaced: Mapping[str, Callable[..., Any]] = {
            "StatefulSet": apps.list_namespaced_stateful_set,
            "Deployment": apps.list_namespaced_deployment,
            "DaemonSet": apps.list_namespaced_daemon_set,
            "CronJob": batch.list_namespaced_cron_job,
            "Job": batch.list_namespaced_job,
            "Pod": core.list_namespaced_pod,
        }

    def objects(self, kind: str, namespace: str | None, selector: str | None = None) -> Iterator[Object]:
        """All objects of a kind, in a namespace or (None) in all; each with its kind, which lists leave out."""
        function = self._everywhere[kind] if namespace is None else self._namespaced[kind]
        where = "in all namespaces" if namespace is None else f"in {namespace}"
        options: dict[str, Any] = {"limit": PAGE_OBJECTS, "timeout": PAGE_TIMEOUT}
        if selector:
            options["label_selector"] = selector
        for _ in range(MOST_PAGES):
            page = call(f"list {kind}s {where}", function, *([namespace] if namespace else []), **options) or {}
            for item in page.get("items") or ():
                yield {"apiVersion": _API_VERSION[kind], "kind": kind, **item}
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            options["_continue"] = token
        raise ClusterError(f"list {kind}s {where}: it does not end after {MOST_PAGES} pages")
