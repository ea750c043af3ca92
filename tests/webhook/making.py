"""Reviews as an API server sends them, made from the few lines that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from checker.facts import Maybe, Unread
from checker.manifests import Document, parsed
from checker.manifests.objects import at, text
from checker.manifests.placement import Fleet
from checker.policy import Policy
from webhook.review import Memory, Reviewed, Unasked, parse, review

SAFE, RISKY, UNSAFE, WORSE = "100mb", "600mb", "900mb", "1000mb"
"""maxmemory of a server with a limit of 1 GiB, by the verdict that it gets."""

MAXMEMORY = {"safe": SAFE, "risky": RISKY, "unsafe": UNSAFE}

ENFORCE = Policy(mode="enforce")


def container(maxmemory: str | None = UNSAFE, **changed: Any) -> dict[str, Any]:
    """A Redis container with a limit of 1 GiB."""
    args = [] if maxmemory is None else ["--maxmemory", maxmemory]
    resources = {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"memory": "1Gi", "cpu": "1"}}
    return {"name": "redis", "image": "redis:7.2.5", "args": args, "resources": resources, **changed}


def unknown_container() -> dict[str, Any]:
    """One whose maxmemory is in a ConfigMap, which nobody read."""
    mount = [{"name": "config", "mountPath": "/etc/redis"}]
    return container(None, args=["/etc/redis/redis.conf"], volumeMounts=mount)


def pod_spec(*containers: dict[str, Any]) -> dict[str, Any]:
    """With the defaults that the API server writes into every one."""
    return {
        "containers": list(containers or [container()]),
        "volumes": [{"name": "config", "configMap": {"name": "redis-conf", "defaultMode": 420}}],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }


def pod(*containers: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A Pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cache", "namespace": "shop", "uid": "0a8c", **metadata},
        "spec": pod_spec(*containers),
        "status": {"phase": "Pending", "qosClass": "Guaranteed"},
    }


def of_verdict(verdict: str) -> dict[str, Any]:
    """A Pod that gets this verdict; `none` has no server."""
    if verdict == "none":
        return pod({"name": "web", "image": "nginx:1.27"})
    return pod(unknown_container() if verdict == "unknown" else container(MAXMEMORY[verdict]))


def workload(kind: str, *containers: dict[str, Any]) -> dict[str, Any]:
    """An object of one of Kubernetes' own kinds, with a pod template or a pod spec."""
    template = {"metadata": {"labels": {"app": "cache"}}, "spec": pod_spec(*containers)}
    group = {"Pod": "v1", "ReplicationController": "v1", "PodTemplate": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}
    value: dict[str, Any] = {"apiVersion": group.get(kind, "apps/v1"), "kind": kind, "metadata": {"name": "cache"}}
    if kind == "PodTemplate":
        return {**value, "template": template}
    if kind == "Pod":
        return {**value, "spec": template["spec"]}
    if kind == "CronJob":
        return {**value, "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}}
    return {**value, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "cache"}}, "template": template}}


def asked(value: dict[str, Any], operation: str = "CREATE", *, old: Any = None, **changed: Any) -> dict[str, Any]:
    """An AdmissionReview; an UPDATE without `old` changes nothing."""
    group, _, version = value["apiVersion"].rpartition("/")
    gone = operation in ("DELETE", "CONNECT")
    before = deepcopy(value) if old is None and operation != "CREATE" else old
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": group, "version": version, "kind": value["kind"]},
        "resource": {"group": group, "version": version, "resource": value["kind"].lower() + "s"},
        "requestKind": {"group": group, "version": version, "kind": value["kind"]},
        "name": text(at(value, "metadata", "name")) or "",
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": "jane", "uid": "1", "groups": ["system:authenticated"]},
        "object": None if gone else value,
        "oldObject": before,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": f"{operation.capitalize()}Options"},
        **changed,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@dataclass
class Held(Unasked):
    """A cluster in memory; what is an Unread is not read."""

    namespace_labels: Maybe[dict[str, str]] = field(default_factory=dict)
    config_maps: dict[str, Any] = field(default_factory=dict)  # name → redis.conf, or Unread
    ranges: Maybe[Sequence[Document]] = ()
    running: Maybe[Sequence[Mapping[str, Any]]] = ()
    nodes: Fleet = ()
    asked: list[str] = field(default_factory=list)

    def labels(self, namespace: str) -> Maybe[Mapping[str, str]]:
        assert namespace == "shop"
        return self.namespace_labels

    def config_map(self, namespace: str, name: str) -> Maybe[Document]:
        self.asked.append(name)
        held = self.config_maps.get(name, Unread(f"ConfigMap {name}", f"is not in namespace {namespace}", "create it"))
        return held if isinstance(held, Unread) else parsed(config_map(held, name), "the cluster")

    def limit_ranges(self, namespace: str) -> Maybe[Sequence[Document]]:
        self.asked.append("LimitRanges")
        return self.ranges

    def workloads(self, namespace: str, mentioning: str) -> Maybe[Sequence[Mapping[str, Any]]]:
        return self.running

    def fleet(self) -> Fleet:
        return self.nodes


def config_map(conf: str, name: str = "redis-conf") -> dict[str, Any]:
    """A ConfigMap with a redis.conf."""
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"redis.conf": conf}}


def answered(
    value: dict[str, Any],
    operation: str = "CREATE",
    *,
    policy: Policy = ENFORCE,
    labels: Maybe[dict[str, str]] | None = None,
    around: Held | None = None,
    memory: Memory | None = None,
    old: Any = None,
    **changed: Any,
) -> Reviewed:
    """What the webhook says; the cluster has nothing in it unless it is given."""
    around = around or Held(namespace_labels={} if labels is None else labels)
    return review(
        parse(asked(value, operation, old=old, **changed)), policy, around, Memory() if memory is None else memory
    )


def warnings(reviewed: Reviewed) -> list[str]:
    """Those of an answer."""
    found: list[str] = reviewed.answer["response"].get("warnings", [])
    return found


def denial(reviewed: Reviewed) -> str:
    """The message of an answer that denies."""
    found: str = reviewed.answer["response"]["status"]["message"]
    return found
