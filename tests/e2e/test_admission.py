"""What a user of kubectl sees: warnings, denials and silence, in an enforcing cluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import API_VERSIONS, RISKY, SAFE, UNSAFE, container, pod, web, workload
from tests.webhook.serving import until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("webhook")]

CONFIG = [{"name": "config", "mountPath": "/etc/redis"}]
UNKNOWN = container(None, args=["/etc/redis/redis.conf"], volumeMounts=CONFIG)
VOLUMES = [{"name": "config", "configMap": {"name": "redis-conf"}}]

SIZE = r"[\d.]+ [KMG]iB"


@pytest.mark.parametrize("kind", API_VERSIONS)
def test_an_unsafe_object_of_every_kind_is_denied_and_not_stored(
    kind: str, shop: Kubectl, needs: Callable[[str], None]
) -> None:
    needs(kind)
    said = shop.create(workload(kind))

    assert said.code == 1
    assert said.stderr.startswith('Error from server (Forbidden): error when creating "STDIN": '), said
    denied = f'admission webhook "workloads.bgsafe.io" denied the request: bgsafe: {kind} cache in {shop.namespace} '
    assert f"{denied}is unsafe\n" in said.stderr
    assert not shop.exists(f"{kind}/cache")


def test_a_denial_has_numbers_the_remedy_and_where_to_read_on(shop: Kubectl) -> None:
    said = shop.create(pod())

    assert re.search(
        rf"peaks at {SIZE}, {SIZE} over the limit of 1.00 GiB: the kernel kills \(expected-peak", said.stderr
    )
    assert re.search(r"to do: raise resources.limits.memory to \d+Mi, or lower maxmemory to \d+mb", said.stderr)
    assert "see https://bgsafe.io/docs/rules#expected-peak-over-limit" in said.stderr


def test_the_remedy_of_a_denial_is_admitted(shop: Kubectl) -> None:
    denied = shop.create(pod()).stderr
    limit = re.search(r"resources\.limits\.memory to (\d+Mi)", denied)
    maxmemory = re.search(r"maxmemory to (\d+mb)", denied)
    assert limit is not None
    assert maxmemory is not None

    raised = container(resources={"limits": {"memory": limit[1], "cpu": "1"}})
    assert shop.create(pod(raised, name="raised")).code == 0
    assert shop.create(pod(container(maxmemory[1]), name="lowered")).code == 0


@pytest.mark.parametrize("kind", API_VERSIONS)
def test_a_safe_object_of_every_kind_is_stored_in_silence(
    kind: str, shop: Kubectl, needs: Callable[[str], None]
) -> None:
    needs(kind)
    said = shop.create(workload(kind, container(SAFE)))

    assert said.code == 0
    assert said.warnings == []
    assert shop.exists(f"{kind}/cache")


def test_a_risky_object_is_stored_with_warnings_that_nothing_cuts(shop: Kubectl) -> None:
    said = shop.create(pod(container(RISKY)))

    assert said.code == 0
    assert shop.exists("pod/cache")
    assert re.match(r"bgsafe: container redis is risky: it holds up to [\d,]+ writes/s: the worst case ", said.told)
    assert "(worst-peak-over-limit)" in said.told
    assert max(map(len, said.warnings)) <= 120


def test_a_setting_that_nobody_could_read_is_warned_of_by_name(shop: Kubectl) -> None:
    said = shop.create(workload("StatefulSet", UNKNOWN, volumes=VOLUMES))

    assert said.code == 0
    assert "container redis is unknown" in said.told
    assert "redis-conf" in said.told


def test_the_worst_container_comes_first(shop: Kubectl) -> None:
    said = shop.create(pod(container(RISKY, name="second"), web(), container(UNSAFE, name="worst")))

    assert said.denied
    assert said.stderr.index("container worst is unsafe") < said.stderr.index("container second is risky")


@pytest.mark.parametrize("dry_run", ["--dry-run=server", "--dry-run=none"])
def test_a_dry_run_gets_the_same_answer_and_stores_nothing(dry_run: str, shop: Kubectl) -> None:
    denied = shop.create(pod(), dry_run)
    warned = shop.create(pod(container(RISKY), name="risky"), dry_run)

    assert denied.denied
    assert "is risky" in warned.told
    assert not shop.exists("pod/cache")
    assert shop.exists("pod/risky") == (dry_run == "--dry-run=none")


def test_a_generated_name_is_told(shop: Kubectl) -> None:
    value = pod(generateName="cache-")
    del value["metadata"]["name"]

    said = shop.create(value)

    # Some versions make the rest of the name before they ask, some after.
    assert re.search(rf"bgsafe: Pod cache-\w* in {shop.namespace} is unsafe", said.stderr), said


def test_an_apply_on_the_server_is_reviewed(shop: Kubectl) -> None:
    said = shop.apply(workload("Deployment"), "--server-side")

    assert said.denied, said
    assert not shop.exists("deployment/cache")


def test_an_apply_of_what_is_there_and_safe_is_silent(shop: Kubectl) -> None:
    value = workload("Deployment", container(SAFE))
    assert shop.apply(value).ok().warnings == []
    assert shop.apply(value).ok().warnings == []


def test_one_object_of_many_is_denied_alone(shop: Kubectl) -> None:
    said = shop.create([pod(name="bad"), pod(container(SAFE), name="good"), pod(web(), name="web")])

    assert said.code == 1
    assert not shop.exists("pod/bad")
    assert shop.exists("pod/good")
    assert shop.exists("pod/web")


def test_an_annotation_says_what_the_webhook_cannot_see(shop: Kubectl) -> None:
    said = shop.create(pod(container(), annotations={"bgsafe.io/write-rate": "100"}))

    assert said.code == 0
    assert "is risky" in said.told


def test_an_ignored_rule_needs_a_reason(shop: Kubectl) -> None:
    rule = "bgsafe.io/ignore.expected-peak-over-limit"

    assert shop.create(pod(annotations={rule: "it is rebuilt from the database"})).code == 0
    assert shop.create(pod(name="why", annotations={rule: ""})).denied


@pytest.mark.parametrize(
    ("owner", "denied"),
    [
        pytest.param({"apiVersion": "apps/v1", "kind": "StatefulSet", "controller": True}, False, id="reviewed itself"),
        pytest.param({"apiVersion": "apps/v1", "kind": "StatefulSet"}, True, id="no controller"),
        pytest.param({"apiVersion": "example.org/v1", "kind": "Cache", "controller": True}, True, id="not known"),
    ],
)
def test_what_a_reviewed_controller_makes_is_warned_of_and_not_denied(
    owner: dict[str, Any], denied: bool, shop: Kubectl
) -> None:
    owned = pod(ownerReferences=[{"name": "cache", "uid": "8b1c9d6e-3c2c-4b70-8f59-0d1a8c1f7e11", **owner}])

    said = shop.create(owned)

    assert said.denied == denied, said
    if not denied:
        assert "admitted, since StatefulSet cache made it: change that" in said.told


def test_the_audit_log_has_the_verdict_and_the_numbers(cluster: ControlPlane, shop: Kubectl) -> None:
    shop.create(pod())

    until(lambda: len(cluster.audited_in(shop.namespace)) > 0)
    (event,) = cluster.audited_in(shop.namespace)
    prefix = "workloads.bgsafe.io/"
    said = {key.removeprefix(prefix): value for key, value in event["annotations"].items() if key.startswith(prefix)}
    assert said["verdict"] == "unsafe"
    assert said["mode"] == "enforce"
    assert said["container"] == "redis"
    assert said["rules"] == "expected-peak-over-limit"
    assert said["limit-bytes"] == str(2**30)
    assert int(said["peak-expected-bytes"]) > 2**30
