"""Where an agent publishes its node's facts: a ConfigMap that goes with the agent's own pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checker.cluster.api import ConflictError
from checker.cluster.light import Api


def write(
    api: Api,
    *,
    namespace: str,
    name: str,
    labels: Mapping[str, str],
    data: Mapping[str, str],
    pod_name: str | None,
    pod_uid: str | None,
) -> None:
    """Create the ConfigMap or bring it up to date. Raises ClusterError.

    Its owner is the pod, so that it is removed with it; the next agent of the node makes itself the owner.
    """
    what = f"ConfigMap {namespace}/{name}"
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels)}
    if pod_name and pod_uid:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": pod_uid}]
    body = {"metadata": metadata, "data": dict(data)}
    if api.patch(f"write {what}", f"{path}/{name}", body):
        return
    try:
        api.post(f"create {what}", path, {"apiVersion": "v1", "kind": "ConfigMap", **body})
    except ConflictError:
        api.patch(f"write {what}", f"{path}/{name}", body)
