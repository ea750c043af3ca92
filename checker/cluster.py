"""The Kubernetes API: the only module that imports `kubernetes`, and only once somebody connects.

Every call has a timeout and is tried once: who calls decides what a failure means. Answers are read as JSON and not
into the client's models, which would lose fields that are newer than the client.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

TIMEOUT_SECONDS: Final = (2.0, 5.0)
"""To connect, and to wait for the answer: a judgement; an API server that is well answers in milliseconds."""


class ClusterError(Exception):
    """The API server did not do what was asked; the message says what, why and what would help."""


class ConflictError(ClusterError):
    """Somebody else was faster: read again."""


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


class Cluster(Protocol):
    """What the webhook's certificates need of the API."""

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


def connect() -> Cluster:
    """The API server of the cluster that this process runs in; ClusterError where it runs in none."""
    from kubernetes import client, config

    configuration = client.Configuration()
    configuration.retries = False
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise ClusterError(f"not in a cluster: {error}; run it in a pod with a service account") from error
    return Kubernetes(client.ApiClient(configuration))


class Kubernetes:
    """The API through the official client."""

    def __init__(self, api_client: Any) -> None:
        from kubernetes import client

        self._core = client.CoreV1Api(api_client)
        self._admission = client.AdmissionregistrationV1Api(api_client)

    def read_secret(self, namespace: str, name: str) -> Secret | None:
        """See `Cluster`."""
        found = _call(f"read Secret {namespace}/{name}", self._core.read_namespaced_secret, name, namespace)
        if found is None:
            return None
        data = {key: _decoded(value, f"{key} of Secret {name}") for key, value in (found.get("data") or {}).items()}
        return Secret(data, found["metadata"]["resourceVersion"])

    def create_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """See `Cluster`."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "bgsafe"}},
            "data": _encoded(data),
        }
        created = _call(f"create Secret {namespace}/{name}", self._core.create_namespaced_secret, namespace, body)
        if created is None:
            raise ClusterError(f"create Secret {namespace}/{name}: there is no namespace {namespace}")

    def update_secret(self, namespace: str, name: str, data: Mapping[str, bytes], resource_version: str) -> None:
        """See `Cluster`."""
        body = {"metadata": {"resourceVersion": resource_version}, "data": _encoded(data)}
        self._patch(f"update Secret {namespace}/{name}", self._core.patch_namespaced_secret, name, namespace, body)

    def read_webhook_configuration(self, name: str) -> WebhookConfiguration | None:
        """See `Cluster`."""
        what = f"read ValidatingWebhookConfiguration {name}"
        found = _call(what, self._admission.read_validating_webhook_configuration, name)
        if found is None:
            return None
        bundles = {
            webhook["name"]: _decoded(webhook["clientConfig"].get("caBundle") or "", f"caBundle of {name}")
            for webhook in found.get("webhooks") or ()
        }
        return WebhookConfiguration(bundles, found["metadata"]["resourceVersion"])

    def set_ca_bundle(self, name: str, configuration: WebhookConfiguration, ca_bundle: bytes) -> None:
        """See `Cluster`."""
        encoded = base64.b64encode(ca_bundle).decode()
        # Webhooks are merged by name (patchMergeKey), so this touches nothing but their caBundle.
        body = {
            "metadata": {"resourceVersion": configuration.resource_version},
            "webhooks": [{"name": each, "clientConfig": {"caBundle": encoded}} for each in configuration.ca_bundles],
        }
        what = f"patch caBundle of ValidatingWebhookConfiguration {name}"
        self._patch(what, self._admission.patch_validating_webhook_configuration, name, body)

    def _patch(self, what: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Patch, with the resourceVersion in the body as the condition: the API server answers 409 where it differs."""
        content_type = "application/strategic-merge-patch+json"
        if _call(what, function, *arguments, _content_type=content_type) is None:
            raise ConflictError(f"{what}: it was deleted meanwhile")


def _call(what: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any] | None:
    """The object that the API server answers; None where there is none of that name."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        response = function(*arguments, **options, _preload_content=False, _request_timeout=TIMEOUT_SECONDS)
        found: dict[str, Any] = json.loads(response.data)
    except ApiException as error:
        if error.status == 404:
            return None
        if error.status == 409:
            raise ConflictError(f"{what}: somebody else was faster") from error
        remedy = "; give the service account this permission" if error.status in (401, 403) else ""
        raise ClusterError(f"{what}: HTTP {error.status} {error.reason}{remedy}") from error
    except (HTTPError, OSError, ValueError) as error:
        raise ClusterError(f"{what}: {type(error).__name__}: {error}") from error
    return found


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ClusterError(f"{where} is not base64: {error}") from error
