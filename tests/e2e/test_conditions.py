"""What leaves the API server: pods without a server in them cost nothing, and no server is missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import API_VERSIONS, SAFE, Object, config_map, container, pod, web, workload
from tests.e2e.webhooks import Webhook

pytestmark = pytest.mark.live

TEMPLATE_OF = {
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


@pytest.fixture
def asked(webhook: Webhook, needs: Callable[[str], None]) -> Callable[[Callable[[], Any]], int]:
    """How many reviews something took."""
    needs("matchConditions")

    def count(do: Callable[[], Any]) -> int:
        before = webhook.reviews()
        do()
        return webhook.reviews() - before

    return count


Asked = Callable[[Callable[[], Any]], int]


@pytest.mark.parametrize("kind", API_VERSIONS)
def test_an_object_of_any_kind_without_a_server_never_leaves_the_api_server(
    kind: str, asked: Asked, shop: Kubectl
) -> None:
    value = workload(kind, web())

    assert asked(lambda: shop.create(value).ok()) == 0
    assert asked(lambda: shop.run("label", f"{kind}/cache", "team=shop").ok()) == 0
    assert asked(lambda: shop.run("delete", f"{kind}/cache", "--wait=false").ok()) == 0


@pytest.mark.parametrize("kind", API_VERSIONS)
def test_one_with_a_server_is_asked_about_when_it_is_made_and_when_it_changes(
    kind: str, asked: Asked, shop: Kubectl
) -> None:
    value = workload(kind, container(SAFE))

    assert asked(lambda: shop.create(value).ok()) == 1
    assert asked(lambda: shop.run("label", f"{kind}/cache", "team=shop").ok()) == 1
    assert asked(lambda: shop.run("delete", f"{kind}/cache", "--wait=false").ok()) == 0


@pytest.mark.parametrize("kind", [kind for kind in API_VERSIONS if kind != "Pod"])
def test_the_annotations_of_a_template_are_enough(kind: str, asked: Asked, shop: Kubectl) -> None:
    value = workload(kind, web())
    template = value
    for key in TEMPLATE_OF.get(kind, ("spec", "template")):
        template = template[key]
    template.setdefault("metadata", {})["annotations"] = {"bgsafe.io/engine": "redis"}

    assert asked(lambda: shop.create(value, "--dry-run=server")) == 1


def words(count: int, last: str) -> list[str]:
    return [*(f"--option-{number}" for number in range(count - 1)), last]


SERVERS = {
    "an image": {"image": "registry.example.org/bitnami/Redis:7.2"},
    "another engine": {"image": "valkey/valkey:8.1"},
    "a digest": {"image": f"docker.io/library/redis@sha256:{'0' * 64}"},
    "a command": {"image": "alpine", "command": ["/usr/bin/keydb-server"]},
    "an argument": {"image": "alpine", "command": ["sh", "-c"], "args": ["exec redis-server --maxmemory 100mb"]},
    "a long script": {"image": "alpine", "command": ["sh", "-c", "# a line of a script\n" * 900 + "redis-server"]},
    "the last of many words": {"image": "alpine", "args": words(190, "redis-server")},
    "too many words to search": {"image": "alpine", "args": words(400, "nothing")},
}


@pytest.mark.parametrize("changed", SERVERS.values(), ids=SERVERS)
def test_a_server_is_found_wherever_it_is_named(changed: Object, asked: Asked, shop: Kubectl) -> None:
    value = pod({"name": "cache", **changed})

    assert asked(lambda: shop.create(value, "--dry-run=server")) == 1


@pytest.mark.parametrize("count", [20, 31, 60])
def test_a_server_is_found_among_many_containers(count: int, asked: Asked, shop: Kubectl) -> None:
    """However much there is to search: what costs too much counts as no, and would hide a server."""
    others = [
        {"name": f"web-{number}", "image": f"registry.example.org/web/number-{number}", "args": words(150, "serve")}
        for number in range(count)
    ]

    assert asked(lambda: shop.create(pod(*others, container(SAFE)), "--dry-run=server").ok()) == 1


def test_a_server_among_the_init_containers_is_found(asked: Asked, shop: Kubectl) -> None:
    value = pod(web(), spec={"initContainers": [container(SAFE, restartPolicy="Always")]})

    assert asked(lambda: shop.create(value, "--dry-run=server")) == 1


def test_what_was_a_server_and_is_none_any_more_is_not_asked_about(asked: Asked, shop: Kubectl) -> None:
    shop.create(workload("Deployment", container(SAFE))).ok()

    assert asked(lambda: shop.run("set", "image", "deployment/cache", "redis=nginx:1.27").ok()) == 0


def test_scaling_and_status_are_not_asked_about(asked: Asked, shop: Kubectl) -> None:
    shop.create(workload("StatefulSet", container(SAFE))).ok()

    assert asked(lambda: shop.run("scale", "statefulset/cache", "--replicas=0").ok()) == 0
    status = {"status": {"replicas": 1}}
    assert asked(lambda: shop.patch("statefulset/cache", status, "--subresource=status").ok()) == 0


@pytest.mark.parametrize("name", ["bgsafe", "kube-system"])
def test_the_namespaces_that_the_cluster_needs_to_live_are_not_asked_about(
    name: str, asked: Asked, cluster: ControlPlane
) -> None:
    assert asked(lambda: cluster.admin.within(name).create(pod(), "--dry-run=server").ok()) == 0


def test_a_namespace_that_is_off_is_not_asked_about(asked: Asked, namespace: Callable[..., Kubectl]) -> None:
    off = namespace(**{"bgsafe.io_mode": "off"})

    assert asked(lambda: off.create(pod()).ok()) == 0


def test_what_starts_no_container_is_not_asked_about(asked: Asked, shop: Kubectl) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "redis"},
        "spec": {"ports": [{"port": 6379}], "selector": {"app": "redis"}},
    }

    assert asked(lambda: shop.create([service, config_map("other", app_conf="colour blue")]).ok()) == 0


def test_a_config_map_is_asked_about_where_its_content_changes(asked: Asked, shop: Kubectl) -> None:
    assert asked(lambda: shop.apply(config_map("redis-conf", redis_conf="maxmemory 100mb")).ok()) == 0
    assert asked(lambda: shop.run("label", "configmap/redis-conf", "team=shop").ok()) == 0
    assert asked(lambda: shop.apply(config_map("redis-conf", redis_conf="maxmemory 200mb")).ok()) == 1
    assert asked(lambda: shop.run("delete", "configmap/redis-conf").ok()) == 0
