"""A table of reviews in the shapes that an API server sends, and what is answered to each: one golden file, read as a
diff."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from checker.manifests.placement import Machine
from checker.policy import Exemption, Policy
from checker.units import GIB
from tests.build import a_node
from tests.webhook.making import (
    ENFORCE,
    RISKY,
    SAFE,
    UNSAFE,
    WORSE,
    Held,
    answered,
    config_map,
    container,
    of_verdict,
    pod,
    unknown_container,
    workload,
)

WARN = Policy(mode="warn")

TOKEN = {
    "name": "kube-api-access-7x2lp",
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    "readOnly": True,
}


def stored(maxmemory: str = UNSAFE, **metadata: Any) -> dict[str, Any]:
    """A Pod with all that the API server and admission plugins write into one."""
    made = pod(
        container(
            maxmemory,
            ports=[{"containerPort": 6379, "protocol": "TCP"}],
            volumeMounts=[{"name": "data", "mountPath": "/data"}, TOKEN],
            terminationMessagePath="/dev/termination-log",
            terminationMessagePolicy="File",
            imagePullPolicy="IfNotPresent",
        ),
        **metadata,
    )
    projected = {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}], "defaultMode": 420}
    made["spec"] |= {
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-cache-0"}},
            {"name": TOKEN["name"], "projected": projected},
        ],
        "tolerations": [
            {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for what in ("not-ready", "unreachable")
        ],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    return made


def owned(kind: str) -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": "cache", "uid": "1", "controller": True}
    return {"ownerReferences": [reference]}


def operators() -> dict[str, Any]:
    return {
        "apiVersion": "redis.redis.opstreelabs.in/v1beta2",
        "kind": "RedisReplication",
        "metadata": {"name": "cache"},
        "spec": {
            "clusterSize": 3,
            "kubernetesConfig": {"image": "redis:7.2", "resources": {"limits": {"memory": "1Gi"}}},
            "redisConfig": {"dynamicConfig": ["maxmemory 900mb"]},
        },
    }


@dataclass(frozen=True)
class Case:
    value: dict[str, Any]
    operation: str = "CREATE"
    policy: Policy = ENFORCE
    old: dict[str, Any] | None = None
    around: Held | None = None
    request: dict[str, Any] | None = None  # fields of the request that are not the usual ones


NODES = [
    (Machine("node-1", {}), a_node()),
    (Machine("node-2", {}), a_node(overcommit_memory=2, commit_limit=GIB // 8)),
]

USER = workload("StatefulSet", unknown_container())

CASES = {
    "a Pod that is unsafe, enforce": Case(stored()),
    "a Pod that is unsafe, warn": Case(stored(), policy=WARN),
    "a Pod that is unsafe, audit": Case(stored(), policy=Policy(mode="audit")),
    "a Pod that is unsafe, off": Case(stored(), policy=Policy(mode="off")),
    "a Pod that is unsafe, enforce by policy and warn by label": Case(
        stored(), around=Held(namespace_labels={"bgsafe.io/mode": "warn"})
    ),
    "a Pod that is unsafe, dry run": Case(stored(), request={"dryRun": True}),
    "a Pod that is risky": Case(stored(RISKY)),
    "a Pod that is risky, denyOn risky": Case(stored(RISKY), policy=replace(ENFORCE, deny_on="risky")),
    "a Pod that is safe": Case(stored(SAFE)),
    "a Pod that is unknown": Case(pod(unknown_container())),
    "a Pod that is unknown, unknown deny": Case(pod(unknown_container()), policy=replace(ENFORCE, unknown="deny")),
    "a Pod whose ConfigMap was read": Case(
        pod(unknown_container()), around=Held(config_maps={"redis-conf": f"maxmemory {UNSAFE}\n"})
    ),
    "a Pod without a server": Case(of_verdict("none")),
    "a Pod with a generated name": Case(stored(generateName="cache-", name=None), request={"name": ""}),
    "a Pod that a StatefulSet makes": Case(stored(**owned("StatefulSet"))),
    "a Pod that somebody's controller makes": Case(stored(**owned("RedisThing"))),
    "a Pod that an exemption names": Case(
        stored(), policy=replace(ENFORCE, exempt=(Exemption("shop", "cac*", "rebuilt from the database"),))
    ),
    "a Pod whose owner ignores the rule": Case(
        stored(annotations={"bgsafe.io/ignore.expected-peak-over-limit": "rebuilt from the database"})
    ),
    "a Pod with a wrong annotation": Case(stored(SAFE, annotations={"bgsafe.io/write-rate": "many"})),
    "an UPDATE that labels an unsafe Pod": Case(stored(labels={"team": "a"}), "UPDATE", old=stored()),
    "an UPDATE that makes an unsafe Pod no better": Case(stored(WORSE), "UPDATE", old=stored()),
    "an UPDATE from risky to unsafe": Case(stored(), "UPDATE", old=stored(RISKY)),
    "an UPDATE that removes the last finalizer": Case(
        stored(deletionTimestamp="2026-03-01T12:00:00Z"),
        "UPDATE",
        old=stored(deletionTimestamp="2026-03-01T12:00:00Z", finalizers=["a.example/b"]),
    ),
    "a resize to less than it needs": Case(stored(), "UPDATE", old=stored(SAFE), request={"subResource": "resize"}),
    "a status update": Case(stored(), "UPDATE", request={"subResource": "status"}),
    "an ephemeral container": Case(stored(), "UPDATE", request={"subResource": "ephemeralcontainers"}),
    "a DELETE": Case(stored(), "DELETE"),
    "a CONNECT": Case(stored(), "CONNECT", request={"subResource": "exec"}),
    "a StatefulSet that is unsafe": Case(workload("StatefulSet")),
    "a StatefulSet with two servers": Case(workload("StatefulSet", container(RISKY), container(UNSAFE, name="second"))),
    "a CronJob that is unsafe": Case(workload("CronJob")),
    "an operator's resource": Case(operators()),
    "a ConfigMap that makes its user unsafe": Case(
        config_map(f"maxmemory {UNSAFE}\n"),
        "UPDATE",
        old=config_map(f"maxmemory {SAFE}\n"),
        around=Held(running=[{**USER, "metadata": {"name": "cache", "namespace": "shop"}}]),
    ),
    "nodes of which one would refuse": Case(stored(SAFE), around=Held(nodes=NODES)),
    "nodes that would all refuse": Case(stored(SAFE), around=Held(nodes=NODES[1:])),
    "a kind that nobody knows": Case({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}}),
}


def test_every_review_has_its_answer(golden: Callable[[str, str], None]) -> None:
    answers = {}
    for name, case in CASES.items():
        said = answered(
            case.value, case.operation, policy=case.policy, old=case.old, around=case.around, **(case.request or {})
        )
        answers[name] = {"counted as": said.conclusion, "mode": said.mode, "error": said.error, **said.answer}
    golden("admission_answers.json", json.dumps(answers, indent=2, ensure_ascii=False) + "\n")
