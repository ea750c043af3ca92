"""What the webhook asks the cluster for: modes of namespaces, ConfigMaps, LimitRanges, and who uses what changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import SECONDS
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import RISKY, SAFE, UNSAFE, WORSE, Object, config_map, container, pod, workload
from tests.e2e.webhooks import Webhook
from tests.webhook.serving import until

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def nothing_was_refused(webhook: Webhook) -> Any:
    """The roles of deploy/ are enough for all of it."""
    yield
    assert webhook.errors("lookup") == 0
    assert webhook.events("lookup_failed") == []


# --- modes ---


def test_a_namespace_that_warns_stores_what_is_unsafe(namespace: Callable[..., Kubectl]) -> None:
    shop = namespace(**{"bgsafe.io_mode": "warn"})

    said = shop.create(pod()).ok()

    assert "container redis is unsafe" in said.told


def test_a_namespace_that_audits_says_it_to_the_audit_log_alone(
    namespace: Callable[..., Kubectl], cluster: ControlPlane
) -> None:
    shop = namespace(**{"bgsafe.io_mode": "audit"})

    assert shop.create(pod()).ok().warnings == []

    def verdicts() -> list[str | None]:
        events = cluster.audited_in(shop.namespace)
        return [event["annotations"].get("workloads.bgsafe.io/verdict") for event in events]

    until(lambda: verdicts() == ["unsafe"])


def test_a_namespace_that_enforces_says_no_word_of_doubt(namespace: Callable[..., Kubectl]) -> None:
    said = namespace(**{"bgsafe.io_mode": "enforce"}).create(pod())

    assert said.denied
    assert "policy's mode" not in said.stderr


def test_a_mode_that_is_none_is_told_and_the_policy_holds(namespace: Callable[..., Kubectl]) -> None:
    said = namespace(**{"bgsafe.io_mode": "loud"}).create(pod())

    assert said.denied
    assert "the policy's mode enforce holds: namespace label bgsafe.io/mode is 'loud'" in said.stderr


def test_a_mode_that_changes_holds_within_seconds(shop: Kubectl) -> None:
    assert shop.create(pod()).denied

    shop.run("label", "namespace", shop.namespace, "bgsafe.io/mode=warn").ok()

    until(lambda: shop.create(pod(), "--dry-run=server").code == 0, SECONDS)


# --- ConfigMaps ---

MOUNTED = {
    "args": ["/etc/redis/redis.conf"],
    "volumeMounts": [{"name": "config", "mountPath": "/etc/redis"}],
}
VOLUMES = [{"name": "config", "configMap": {"name": "redis-conf"}}]


def configured(kind: str = "StatefulSet", name: str = "cache") -> Object:
    """A workload whose maxmemory is in the ConfigMap redis-conf."""
    return workload(kind, container(None, **MOUNTED), name=name, volumes=VOLUMES)


def redis_conf(maxmemory: str) -> Object:
    return config_map("redis-conf", redis_conf=f"save 900 1\nmaxmemory {maxmemory}\n")


def stored(shop: Kubectl) -> str:
    """The maxmemory that the ConfigMap has."""
    found = re.search(r"maxmemory (\S+)", shop.read("configmap/redis-conf")["data"]["redis.conf"])
    assert found is not None
    return found[1]


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "StatefulSet", "DaemonSet"])
def test_the_maxmemory_of_a_config_map_decides(kind: str, shop: Kubectl) -> None:
    shop.create(redis_conf(UNSAFE)).ok()

    said = shop.create(configured(kind))

    assert said.denied, said
    assert "(expected-peak-over-limit)" in said.stderr


def test_a_config_map_with_little_is_safe_in_silence(shop: Kubectl) -> None:
    shop.create(redis_conf(SAFE)).ok()

    assert shop.create(configured()).ok().warnings == []


def test_a_config_map_that_comes_later_decides_from_then_on(shop: Kubectl) -> None:
    said = shop.create(configured()).ok()
    assert "redis-conf" in said.told
    assert f"is not in namespace {shop.namespace} yet" in said.told

    shop.create(redis_conf(UNSAFE)).ok()

    assert shop.create(configured(name="second")).denied


def test_a_config_map_that_is_mended_is_believed_within_seconds(shop: Kubectl) -> None:
    shop.create(redis_conf(UNSAFE)).ok()
    assert shop.create(configured()).denied

    shop.apply(redis_conf(SAFE)).ok()

    until(lambda: shop.create(configured(), "--dry-run=server").code == 0, SECONDS)


# --- a ConfigMap that changes under a server ---


@pytest.fixture
def running(shop: Kubectl) -> Kubectl:
    """kubectl in a namespace with a safe server whose maxmemory is in a ConfigMap."""
    shop.apply(redis_conf(SAFE)).ok()
    shop.create(configured()).ok()
    return shop


def test_a_config_map_that_makes_a_server_unsafe_is_denied(running: Kubectl) -> None:
    said = running.apply(redis_conf(UNSAFE))

    assert said.denied, said
    assert 'admission webhook "configmaps.bgsafe.io" denied the request' in said.stderr
    assert f"bgsafe: ConfigMap redis-conf in {running.namespace} makes servers unsafe" in said.stderr
    assert "StatefulSet" in said.stderr
    assert "cache" in said.stderr
    assert stored(running) == SAFE


def test_a_config_map_that_makes_a_server_risky_is_warned_of(running: Kubectl) -> None:
    said = running.apply(redis_conf(RISKY)).ok()

    assert "is risky" in said.told
    assert stored(running) == RISKY


def test_a_config_map_that_keeps_a_server_safe_changes_in_silence(running: Kubectl) -> None:
    assert running.apply(redis_conf("110mb")).ok().warnings == []
    assert stored(running) == "110mb"


def test_a_config_map_that_nobody_uses_changes_in_silence(shop: Kubectl) -> None:
    shop.create(workload("StatefulSet", container(SAFE))).ok()
    shop.apply(redis_conf(SAFE)).ok()

    assert shop.apply(redis_conf(UNSAFE)).ok().warnings == []


def test_a_config_map_is_labelled_and_deleted_in_silence(running: Kubectl) -> None:
    assert running.run("label", "configmap/redis-conf", "team=shop").ok().warnings == []
    assert running.run("delete", "configmap/redis-conf").ok().warnings == []


def test_a_config_map_of_an_unsafe_server_may_stay_unsafe(namespace: Callable[..., Kubectl]) -> None:
    shop = namespace(**{"bgsafe.io_mode": "off"})
    shop.apply(redis_conf(UNSAFE)).ok()
    shop.create(configured()).ok()
    shop.run("label", "namespace", shop.namespace, "bgsafe.io/mode-").ok()
    until(lambda: shop.create(pod(name="asked"), "--dry-run=server").denied, SECONDS)

    said = shop.apply(redis_conf(WORSE)).ok()

    assert "admitted, since it was unsafe before this update" in said.told
    assert stored(shop) == WORSE


# --- LimitRanges ---

LIMIT_RANGE = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "defaults"},
    "spec": {"limits": [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"memory": "1Gi"}}]},
}


@pytest.mark.parametrize("kind", ["Pod", "StatefulSet", "CronJob"])
def test_the_default_limit_of_a_namespace_decides_where_there_is_no_other(
    kind: str, shop: Kubectl, needs: Callable[[str], None]
) -> None:
    needs(kind)
    without_limit = container(UNSAFE, resources={})
    free = shop.create(workload(kind, without_limit, name="free")).ok()
    assert "limit" in free.told, "no limit is risky"

    shop.create(LIMIT_RANGE).ok()

    until(lambda: shop.create(workload(kind, without_limit), "--dry-run=server").denied, SECONDS)
    said = shop.create(workload(kind, without_limit))
    assert "over the limit of 1.00 GiB" in said.stderr
