"""What the webhook's certificates need of the Kubernetes API: their Secret, and who is told of the CA."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from checker.cluster.api import ClusterError, ConflictError, call


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret's data, decoded, at one version."""

    data: Mapping[str, bytes]
    resource_version: str

    def __repr__(self) -> str:
        """The names only."""
        return f"Secret({sorted(self.data)}, {self.resource_version})"


@dataclass(frozen=True, slots=True)
class WebhookConfiguration:
    """The caBundle (PEM) of each webhook of a ValidatingWebhookConfiguration, at one version; b"" where none is set."""

    ca_bundles: Mapping[str, bytes]
    resource_version: str


class Store(Protocol):
    """Where the certificates are kept, and made known."""

    def read_secret(self, namespace: str, name: str) -> Secret | None:
        """The Secret; None where there is none."""

    def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """Create it; ConflictError where there is one."""

    def update_secret(self, namespace: str, name: str, data: Mapping[str, bytes], resource_version: str) -> None:
        """Replace its data; ConflictError where it is not at this version any more."""

    def read_webhook_configuration(self, name: str) -> WebhookConfiguration | None:
        """The ValidatingWebhookConfiguration; None where there is none."""

    def set_ca_bundle(self, name: str, configuration: WebhookConfiguration, ca_bundle: bytes) -> None:
        """Set it for all webhooks; ConflictError where the configuration is not at this version any more."""


class ClusterStore:
    """A `Store` in a cluster."""

    def __init__(self, api_client: Any) -> None:
        from kubernetes import client

        self._core = client.CoreV1Api(api_client)
        self._admission = client.AdmissionregistrationV1Api(api_client)

    def read_secret(self, namespace: str, name: str) -> Secret | None:
        """See `Store`."""
        found = call(f"read Secret {namespace}/{name}", self._core.read_namespaced_secret, name, namespace)
        if found is None:
            return None
        data = {key: _decoded(value, f"{key} of Secret {name}") for key, value in (found.get("data") or {}).items()}
        return Secret(data, found["metadata"]["resourceVersion"])

    def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """See `Store`."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "bgsafe"}},
            "data": _encoded(data),
        }
        created = call(f"create Secret {namespace}/{name}", self._core.create_namespaced_secret, namespace, body)
        if created is None:
            raise ClusterError(f"create Secret {namespace}/{name}: there is no namespace {namespace}")

    def update_secret(self, namespace: str, name: str, data: Mapping[str, bytes], resource_version: str) -> None:
        """See `Store`."""
        body = {"metadata": {"resourceVersion": resource_version}, "data": _encoded(data)}
        self._patch(f"update Secret {namespace}/{name}", self._core.patch_namespaced_secret, name, namespace, body)

    def read_webhook_configuration(self, name: str) -> WebhookConfiguration | None:
        """See `Store`."""
        what = f"read ValidatingWebhookConfiguration {name}"
        found = call(what, self._admission.read_validating_webhook_configuration, name)
        if found is None:
            return None
        bundles = {
            webhook["name"]: _decoded(webhook["clientConfig"].get("caBundle") or "", f"caBundle of {name}")
            for webhook in found.get("webhooks") or ()
        }
        return WebhookConfiguration(bundles, found["metadata"]["resourceVersion"])

    def set_ca_bundle(self, name: str, configuration: WebhookConfiguration, ca_bundle: bytes) -> None:
        """See `Store`."""
        encoded = base64.b64encode(ca_bundle).decode()
        # Webhooks are merged by name (patchMergeKey), so this touches nothing but their caBundle.
        body = {
            "metadata": {"resourceVersion": configuration.resource_version},
            "webhooks": [{"name": each, "clientConfig": {"caBundle": encoded}} for each in configuration.ca_bundles],
        }
        what = f"patch caBundle of ValidatingWebhookConfiguration {name}"
        self._patch(what, self._admission.patch_validating_webhook_configuration, name, body)

    def delete_webhook_configuration(self, name: str) -> bool:
        """Delete it; False where there was none."""
        what = f"delete ValidatingWebhookConfiguration {name}"
        return call(what, self._admission.delete_validating_webhook_configuration, name) is not None

    def _patch(self, what: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Patch, with the resourceVersion in the body as the condition: the API server answers 409 where it differs."""
        content_type = "application/strategic-merge-patch+json"
        if call(what, function, *arguments, _content_type=content_type) is None:
            raise ConflictError(f"{what}: it was deleted meanwhile")


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ClusterError(f"{where} is not base64: {error}") from error
