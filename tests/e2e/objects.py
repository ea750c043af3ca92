"""Objects as people write them; `tests.webhook.making` has them as the API server sends them."""

from __future__ import annotations

from typing import Any

from tests.webhook.making import RISKY, SAFE, UNSAFE, WORSE, container

__all__ = ["RISKY", "SAFE", "UNSAFE", "WORSE", "config_map", "container", "pod", "web", "workload"]

Object = dict[str, Any]

LABELS = {"app": "cache"}

API_VERSIONS = {
    "Pod": "v1",
    "PodTemplate": "v1",
    "ReplicationController": "v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
}


def web() -> Object:
    """A container that is no server."""
    return {"name": "web", "image": "nginx:1.27"}


def pod(*containers: Object, name: str = "cache", spec: Object | None = None, **metadata: Any) -> Object:
    """A Pod; of one unsafe server where no containers are given."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"containers": list(containers or [container()]), **(spec or {})},
    }


def workload(kind: str, *containers: Object, name: str = "cache", **spec: Any) -> Object:
    """An object of a kind that has Pods, with what that kind demands; `spec` goes into the Pod's."""
    if kind == "Pod":
        return pod(*containers, name=name, spec=spec)
    template: Object = {
        "metadata": {"labels": LABELS},
        "spec": {"containers": list(containers or [container()]), **spec},
    }
    value: Object = {"apiVersion": API_VERSIONS[kind], "kind": kind, "metadata": {"name": name}}
    if kind == "PodTemplate":
        return {**value, "template": template}
    if kind in ("Job", "CronJob"):
        template["spec"]["restartPolicy"] = "Never"
        job = {"template": template}
        return {**value, "spec": {"schedule": "@daily", "jobTemplate": {"spec": job}} if kind == "CronJob" else job}
    selector = LABELS if kind == "ReplicationController" else {"matchLabels": LABELS}
    more = {"serviceName": "cache"} if kind == "StatefulSet" else {}
    return {**value, "spec": {"selector": selector, "template": template, **more}}


def config_map(name: str, **files: str) -> Object:
    """A ConfigMap; `redis_conf` is the file redis.conf."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {file.replace("_", "."): text for file, text in files.items()},
    }
