"""deploy/kustomize, as an API server takes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.installed import Installed
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import KUSTOMIZATION, of_kind

pytestmark = pytest.mark.live


def test_every_manifest_is_taken_without_a_warning(installed: Installed, needs: Callable[[str], None]) -> None:
    needs("matchConditions")

    said = installed.cluster.admin.run("apply", "-k", str(KUSTOMIZATION), "--dry-run=server", "--validate=strict").ok()

    assert said.warnings == []
    assert len(said.stdout.splitlines()) == len(installed.manifests)


def test_the_webhooks_pod_is_taken_where_pods_are_restricted(
    installed: Installed, namespace: Callable[..., Kubectl]
) -> None:
    """The Pod Security Standard `restricted`, which API servers enforce since 1.25."""
    restricted = namespace(**{"pod-security.kubernetes.io_enforce": "restricted"})
    (deployment,) = of_kind(installed.manifests, "Deployment")
    pod = {**deployment["spec"]["template"], "apiVersion": "v1", "kind": "Pod"}
    pod["metadata"] = {**pod["metadata"], "name": "webhook"}

    assert restricted.create(pod, "--dry-run=server").ok().warnings == []
