"""Objects as an API server stores them: with defaults, owners, status and history."""

from __future__ import annotations

from typing import Any

from tests.e2e.objects import API_VERSIONS
from tests.webhook.making import UNSAFE, container, pod_spec

Object = dict[str, Any]


def stored(kind: str, name: str, *, namespace: str = "shop", **rest: Any) -> Object:
    """An object with the metadata that it has in a cluster."""
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"{kind}-{name}", "resourceVersion": "7"}
    metadata["managedFields"] = [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:redis": {}}}}]
    metadata["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": '{"image":"redis:7"}'}
    for key in ("labels", "ownerReferences"):
        if key in rest:
            metadata[key] = rest.pop(key)
    metadata["annotations"] |= rest.pop("annotations", {})
    return {"apiVersion": API_VERSIONS.get(kind, "v1"), "kind": kind, "metadata": metadata, **rest}


def workload(kind: str, name: str, *containers: Object, **metadata: Any) -> Object:
    """With a pod template."""
    template = {"metadata": {"labels": {"app": name}}, "spec": pod_spec(*(containers or (container(),)))}
    spec: Object = {"replicas": 3, "selector": {"matchLabels": {"app": name}}, "template": template}
    if kind == "CronJob":
        spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}
    return stored(kind, name, spec=spec, status={"replicas": 3}, **metadata)


def pod(name: str, *containers: Object, node: str = "node-1", **metadata: Any) -> Object:
    """A running one."""
    spec = {**pod_spec(*(containers or (container(),))), "nodeName": node}
    status = {"phase": "Running", "containerStatuses": [{"name": "redis", "ready": True}]}
    return stored("Pod", name, spec=spec, status=status, **metadata)


def made_by(kind: str, name: str) -> list[Object]:
    """ownerReferences."""
    return [{"apiVersion": API_VERSIONS.get(kind, "v1"), "kind": kind, "name": name, "uid": "1", "controller": True}]


def web(name: str) -> Object:
    """A pod of something else."""
    return pod(name, {"name": "web", "image": "nginx:1.27", "env": [{"name": "REDIS_URL", "value": "redis://cache"}]})


def unlimited(maxmemory: str = UNSAFE) -> Object:
    """A container without limits."""
    return container(maxmemory, resources={})
