"""Admission reviews as the API server sends them, for the benchmarks: a Pod with one container, of some 5 KB."""

from __future__ import annotations

import json
from typing import Any, Final

REVIEW_BYTES: Final = 5_000
"""A Pod with what the API server and controllers write into it: defaults, tolerations, managedFields."""


def admission_review(image: str = "redis:7.2.5", operation: str = "CREATE", number: int = 0) -> bytes:
    """Reviews of another `number` are of another object, with another maxmemory, so that nothing of one serves two."""
    what = image.partition(":")[0]
    redis_arguments = ["--maxmemory", f"{900_000_000 + number}", "--appendonly", "yes"]
    name = f"cache-{number}"
    container = {
        "name": what,
        "image": image,
        "args": redis_arguments if what == "redis" else ["-g", f"worker_connections {number};"],
        "resources": {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"memory": "1Gi", "cpu": "1"}},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
        ],
        "readinessProbe": {"tcpSocket": {"port": 6379}, "timeoutSeconds": 1, "periodSeconds": 10},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    token = {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    pod: dict[str, Any] = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "cache"}, "managedFields": []},
        "spec": {
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}},
                {"name": "kube-api-access", "projected": {"sources": [token], "defaultMode": 420}},
            ],
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "serviceAccountName": "default",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
                for key in ("not-ready", "unreachable")
            ],
        },
        "status": {"phase": "Pending", "qosClass": "Guaranteed"},
    }
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "requestKind": kind,
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": name,
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
        "object": pod,
        "oldObject": pod if operation == "UPDATE" else None,
        "dryRun": False,
    }
    entry = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:containers": {"k:{}": {}}}}}
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    missing = REVIEW_BYTES - len(json.dumps(body))
    pod["metadata"]["managedFields"] += [entry] * max(0, missing // len(json.dumps(entry)))
    return json.dumps(body).encode()
