"""deploy/kustomize in the API server, and the webhook that runs with the rights that it gives."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.assets import SINCE
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import (
    ACCOUNT,
    CONFIGURATION,
    NAMESPACE,
    RIGHTS,
    SECRET,
    Manifest,
    by_service,
    of_kind,
    rendered,
    service_on_loopback,
)
from tests.e2e.objects import pod
from tests.e2e.webhooks import Webhook, webhook
from tests.webhook.serving import free_port, until

SECONDS = 30.0
"""For the API server to see what it was just told: its caches follow within one, on a machine that is not busy."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What is there: namespace, service account, roles, and the Service's name."""

    cluster: ControlPlane
    manifests: list[Manifest]

    def kubeconfig_of(self, account: str) -> Path:
        """One for a service account, with a token as a pod of it gets."""
        admin = self.cluster.admin.within(NAMESPACE)
        token = admin.run("create", "token", account, "--duration=1h").ok().stdout.strip()
        return self.cluster.kubeconfig(account, token)

    @property
    def kubeconfig(self) -> Path:
        """Of the webhook's service account."""
        return self.kubeconfig_of(ACCOUNT)

    @property
    def configuration(self) -> Manifest:
        """The ValidatingWebhookConfiguration as it is deployed."""
        return of_kind(self.manifests, "ValidatingWebhookConfiguration")[0]

    def published(self) -> bytes:
        """The authorities that the API server was given for the webhook."""
        found = self.cluster.admin.read("validatingwebhookconfiguration", CONFIGURATION)
        return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", ""))

    @contextmanager
    def webhook(self, log: Path, policy: Path, *, port: int | None = None) -> Iterator[Webhook]:
        """Run it with the arguments that deploy/ gives it, and its service account; the policy is another file."""
        (deployment,) = of_kind(self.manifests, "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        given = [each for each in container["args"][1:] if not each.startswith(("--policy=", "--listen="))]
        # What a pod has in files that are mounted.
        own = (f"--kubeconfig={self.kubeconfig}", f"--namespace={NAMESPACE}", f"--policy={policy}")
        with webhook(log, self.authority, *given, *own, port=port) as running:
            yield running

    def authority(self) -> bytes:
        """Who signs the certificates that it makes."""
        secret = self.cluster.admin.within(NAMESPACE).read("secret", SECRET)
        return base64.b64decode(secret["data"]["ca.crt"])

    @contextmanager
    def protected(self, log: Path, policy: Path) -> Iterator[Webhook]:
        """Register it, run it, and have the API server ask it, by the Service's name."""
        port = free_port()
        with self.configured(by_service(self.configuration, port)), self.webhook(log, policy, port=port) as running:
            until(lambda: is_asked(self.cluster.admin), SECONDS)
            yield running

    @contextmanager
    def configured(self, configuration: Manifest) -> Iterator[None]:
        """Have this ValidatingWebhookConfiguration, and forget it again."""
        admin = self.cluster.admin
        apply(self.cluster, configuration)
        try:
            yield
        finally:
            admin.run("delete", "validatingwebhookconfiguration", CONFIGURATION, "--ignore-not-found").ok()
            until(lambda: not is_asked(admin), SECONDS)


def is_asked(kubectl: Kubectl) -> bool:
    """Does the webhook have a word about an unsafe Pod?"""
    return "bgsafe" in kubectl.create(pod(name="asked"), "--dry-run=server").stderr


def install(cluster: ControlPlane) -> Installed:
    manifests = rendered(cluster.admin)
    apply(cluster, *of_kind(manifests, "Namespace"))
    apply(cluster, *of_kind(manifests, *RIGHTS), service_on_loopback())
    return Installed(cluster, manifests)


def apply(cluster: ControlPlane, *manifests: Manifest) -> None:
    """As a user does; strictly, so that a field that the API server does not know is an error."""
    cluster.admin.apply(list(manifests), validation(cluster)).ok()


def validation(cluster: ControlPlane) -> str:
    """kubectl's option; an old API server does not know matchConditions, and drops them."""
    return "--validate=strict" if cluster.version >= SINCE["matchConditions"] else "--validate=ignore"
