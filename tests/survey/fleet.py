"""A cluster over real HTTP: objects by URL path, as `tests.webhook.clusters.api_server` serves them."""

from __future__ import annotations

from typing import Any

Objects = dict[str, dict[str, Any]]


def owned(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": "x/v1", "kind": kind, "name": name, "controller": True}]}


def spec(limit: str | None = "4Gi", *arguments: str, config_map: str | None = None, **changed: Any) -> dict[str, Any]:
    """A pod with one Redis."""
    container: dict[str, Any] = {"name": "redis", "image": "redis:7.2", "args": list(arguments)}
    if limit is not None:
        container["resources"] = {"limits": {"memory": limit}}
    volumes = []
    if config_map is not None:
        container["args"] = ["/etc/redis/redis.conf"]
        container["volumeMounts"] = [{"name": "config", "mountPath": "/etc/redis"}]
        volumes = [{"name": "config", "configMap": {"name": config_map}}]
    return {"containers": [container], "volumes": volumes, **changed}


def workload(kind: str, namespace: str, name: str, pod: dict[str, Any], **metadata: Any) -> Objects:
    """A workload and the place where it is listed."""
    plural = f"{kind.lower()}s"
    group = "batch" if kind in ("CronJob", "Job") else "apps"
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    body = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    value = {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": body}
    return {
        f"/apis/{group}/v1/{plural}/{namespace}-{name}": value,
        f"/apis/{group}/v1/namespaces/{namespace}/{plural}/{name}": value,
    }


def pod(namespace: str, name: str, contents: dict[str, Any], **metadata: Any) -> Objects:
    """A pod."""
    value = {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": contents}
    return {f"/api/v1/pods/{namespace}-{name}": value, f"/api/v1/namespaces/{namespace}/pods/{name}": value}


def config_map(namespace: str, name: str, **data: str) -> Objects:
    """A ConfigMap."""
    value = {"metadata": {"name": name, "namespace": namespace}, "data": data}
    return {f"/api/v1/namespaces/{namespace}/configmaps/{name}": value}


def limit_range(namespace: str, memory: str) -> Objects:
    """A LimitRange with a default limit."""
    item = {"type": "Container", "default": {"memory": memory}}
    value = {"metadata": {"name": "limits", "namespace": namespace}, "spec": {"limits": [item]}}
    return {
        f"/api/v1/limitranges/{namespace}-limits": value,
        f"/api/v1/namespaces/{namespace}/limitranges/limits": value,
    }


def refused(*paths: str) -> Objects:
    """Lists that may not be read."""
    return {path: {"refuse": 403} for path in paths}


VERSION: Objects = {"/version": {"gitVersion": "v1.35.0"}}


def a_cluster() -> Objects:
    """Two namespaces: a StatefulSet of three, a Deployment, a stray pod, one that an operator made, and much else."""
    objects = {**VERSION}
    objects |= workload("StatefulSet", "shop", "cache", spec("4Gi", config_map="cache"))
    objects |= config_map("shop", "cache", **{"redis.conf": "maxmemory 3gb\n"})
    for number in range(3):
        running = spec("4Gi", config_map="cache", nodeName=f"node-{number}")
        objects |= pod("shop", f"cache-{number}", running, **owned("StatefulSet", "cache"))
    objects |= workload("Deployment", "ads", "rank", spec("1Gi", "--maxmemory", "900mb"))
    objects |= pod(
        *("ads", "rank-6f9c-x", spec("1Gi", "--maxmemory", "900mb")),
        **owned("ReplicaSet", "rank-6f9c"),
        labels={"pod-template-hash": "6f9c"},
    )
    objects |= pod("ads", "stray", spec("2Gi", "--maxmemory", "512mb"))
    for number in range(2):
        objects |= pod("ads", f"odd-{number}", spec("8Gi", "--maxmemory", "1gb"), **owned("RedisThing", "odd"))
    web = {"containers": [{"name": "web", "image": "nginx:1"}]}
    objects |= workload("Deployment", "shop", "web", web)
    objects |= pod("shop", "web-1", web, **owned("ReplicaSet", "web-1"), labels={"pod-template-hash": "1"})
    cron = {"containers": [{"name": "c", "image": "redis:7.2", "args": ["redis-cli", "bgsave"]}]}
    objects |= workload("CronJob", "shop", "backup", cron)
    return objects
