"""What `kubectl apply -k deploy/kustomize` would send, made to reach a webhook on loopback.

Two ways lead there. By the Service, as in a cluster: one of type ExternalName makes the API server dial loopback, and
it still asks for the certificate of the Service's name. By URL, as envtest has it.
"""

from __future__ import annotations

import base64
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.kubectl import Kubectl

KUSTOMIZATION = Path(__file__).parents[2] / "deploy" / "kustomize"

NAMESPACE, SERVICE = "bgsafe", "bgsafe-webhook"
ACCOUNT, AGENT = "bgsafe-webhook", "bgsafe-agent"
SECRET, CONFIGURATION = "bgsafe-webhook-tls", "bgsafe"

Manifest = dict[str, Any]

RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
"""Kinds that say what a program may do."""


def rendered(kubectl: Kubectl, directory: Path = KUSTOMIZATION) -> list[Manifest]:
    """All objects of the kustomization."""
    text = kubectl.run("kustomize", str(directory)).ok().stdout
    return [value for value in yaml.safe_load_all(text) if value]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [value for value in manifests if value["kind"] in kinds]


def by_service(configuration: Manifest, port: int) -> Manifest:
    """The ValidatingWebhookConfiguration with the port that the webhook listens on, and nothing else changed."""
    changed = deepcopy(configuration)
    for webhook in changed["webhooks"]:
        webhook["clientConfig"]["service"]["port"] = port
    return changed


def service_on_loopback() -> Manifest:
    """The Service by whose name the API server calls."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }


def by_url(configuration: Manifest, port: int, authority: bytes) -> Manifest:
    """The ValidatingWebhookConfiguration with URLs on loopback in the place of Services."""
    changed = deepcopy(configuration)
    for webhook in changed["webhooks"]:
        path = webhook["clientConfig"]["service"].get("path", "")
        webhook["clientConfig"] = {
            "url": f"https://127.0.0.1:{port}{path}",
            "caBundle": base64.b64encode(authority).decode(),
        }
    return changed
