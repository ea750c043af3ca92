"""How fast a review is answered, without HTTP: `python -m benchmarks.admission`, in reviews a second on one core."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

from benchmarks.speed import milliseconds
from checker.manifests import extract, parsed
from checker.policy import Policy
from checker.rules import judge
from webhook.review import Memory, Unasked, parse, review

RUNS: Final = 300
REVIEW_BYTES: Final = 5_000
"""A Pod with what the API server and controllers write into it: defaults, tolerations, managedFields."""


def admission_review(image: str = "redis:7.2.5", operation: str = "CREATE") -> bytes:
    """A review of a Pod with one container, as the API server sends it, of some 5 KB."""
    container = {
        "name": "redis",
        "image": image,
        "args": ["--maxmemory", "900mb", "--appendonly", "yes"],
        "resources": {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"memory": "1Gi", "cpu": "1"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
    }
    pod: dict[str, Any] = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "cache-0", "namespace": "shop", "labels": {"app": "cache"}, "managedFields": []},
        "spec": {
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-cache-0"}}],
            "containers": [container],
            "restartPolicy": "Always",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "schedulerName": "default-scheduler",
        },
        "status": {"phase": "Pending"},
    }
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "requestKind": kind,
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "cache-0",
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
        "object": pod,
        "oldObject": pod if operation == "UPDATE" else None,
        "dryRun": False,
    }
    entry = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:containers": {"k:{}": {}}}}}
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    while len(json.dumps(body)) < REVIEW_BYTES:
        pod["metadata"]["managedFields"].append(entry)
    return json.dumps(body).encode()


def figures() -> list[tuple[str, float]]:
    """(what, milliseconds) of a review and of its parts."""
    enforce, off = Policy(mode="enforce"), Policy(mode="off")
    body, plain = admission_review(), admission_review("nginx:1.27")
    update = admission_review(operation="UPDATE")
    document = parsed(parse(json.loads(body)).value, "a benchmark")
    (server,) = extract([document]).servers

    def answered(body: bytes, policy: Policy) -> Callable[[], object]:
        return lambda: json.dumps(review(parse(json.loads(body)), policy, Unasked(), Memory()).answer)

    steps: list[tuple[str, Callable[[], object]]] = [
        ("CREATE of an unsafe Redis Pod, denied", answered(body, enforce)),
        ("the same UPDATE, judged before and after", answered(update, enforce)),
        ("a Pod without Redis", answered(plain, enforce)),
        ("mode off: JSON in and out", answered(body, off)),
        ("of that: extraction", lambda: extract([document])),
        ("of that: judgement", lambda: judge(server, None, None, enforce)),
    ]
    return [(what, milliseconds(action, RUNS)) for what, action in steps]


def main() -> None:
    """Print them."""
    for what, taken in figures():
        sys.stdout.write(f"{what:42} {taken:8.3f} ms {1000 / taken:10,.0f} /s\n")


if __name__ == "__main__":
    main()
