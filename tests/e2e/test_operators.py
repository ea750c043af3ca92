"""Resources of operators, whose kinds the cluster learned from a CustomResourceDefinition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import SECONDS
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import SAFE, UNSAFE, Object
from tests.e2e.webhooks import Webhook
from tests.webhook.serving import until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("webhook")]

RESOURCES = {"limits": {"memory": "1Gi", "cpu": "1"}, "requests": {"memory": "1Gi", "cpu": "1"}}


def failover(maxmemory: str) -> Object:
    return {
        "apiVersion": "databases.spotahome.com/v1",
        "kind": "RedisFailover",
        "metadata": {"name": "cache"},
        "spec": {
            "sentinel": {"replicas": 3},
            "redis": {"replicas": 3, "resources": RESOURCES, "customConfig": [f"maxmemory {maxmemory}"]},
        },
    }


def definition(value: Object, plural: str) -> Object:
    """A CustomResourceDefinition that takes any such object."""
    group, _, version = value["apiVersion"].partition("/")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": value["kind"], "plural": plural},
            "scope": "Namespaced",
            "versions": [{**served, "subresources": {"status": {}}}],
        },
    }


@pytest.fixture(scope="module")
def known(cluster: ControlPlane) -> Iterator[None]:
    """The cluster knows RedisFailovers, and something that is no server, for as long as these tests run."""
    other: Object = {"apiVersion": "example.org/v1", "kind": "Shop"}
    definitions = [definition(failover(SAFE), "redisfailovers"), definition(other, "shops")]
    cluster.admin.create(definitions).ok()
    until(lambda: cluster.admin.run("get", "redisfailovers,shops").code == 0, SECONDS)
    yield
    cluster.admin.run("delete", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": definitions}).ok()


@pytest.fixture
def shop(known: None, namespace: Callable[..., Kubectl]) -> Kubectl:
    return namespace()


def created(kubectl: Kubectl, value: Object) -> Any:
    """The API server knows a new kind a moment before it can make one."""
    made = [kubectl.create(value)]

    def possible() -> bool:
        if "the server could not find the requested resource" in made[-1].stderr:
            made.append(kubectl.create(value))
            return False
        return True

    until(possible, SECONDS)
    return made[-1]


def test_an_unsafe_one_is_denied(shop: Kubectl) -> None:
    said = created(shop, failover(UNSAFE))

    assert said.denied, said
    assert 'admission webhook "operators.bgsafe.io" denied the request' in said.stderr
    assert f"bgsafe: RedisFailover cache in {shop.namespace} is unsafe" in said.stderr
    assert not shop.exists("redisfailover/cache")


def test_one_that_gets_worse_is_denied_and_may_be_deleted(shop: Kubectl) -> None:
    created(shop, failover(SAFE)).ok()

    assert shop.apply(failover(UNSAFE)).denied
    assert shop.patch("redisfailover/cache", {"status": {"phase": "ready"}}, "--subresource=status").code == 0
    assert shop.run("delete", "redisfailover/cache").ok().warnings == []


def test_a_resource_that_makes_no_server_is_not_asked_about(shop: Kubectl, webhook: Webhook) -> None:
    before = webhook.reviews()

    value = {"apiVersion": "example.org/v1", "kind": "Shop", "metadata": {"name": "one"}, "spec": {"image": "redis:7"}}
    created(shop, value).ok()

    assert webhook.reviews() == before
