"""Objects that were unsafe before the webhook came: everything that makes nothing worse goes through."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.e2e.installed import SECONDS
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import RISKY, UNSAFE, WORSE, container, pod, workload
from tests.webhook.serving import until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("webhook")]

SIZE = r"[\d.]+ [KMG]iB"
FINALIZER = "example.org/backup"

RESTARTED = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
"""Without it, memory limits could not be lowered before Kubernetes 1.34."""


@pytest.fixture
def old(namespace: Callable[..., Kubectl]) -> Kubectl:
    """kubectl in a namespace with objects from before: unsafe a StatefulSet, a Deployment and a Pod."""
    kubectl = namespace(**{"bgsafe.io_mode": "off"})
    kubectl.create([workload("StatefulSet"), workload("Deployment"), pod(finalizers=[FINALIZER])]).ok()
    kubectl.run("label", "namespace", kubectl.namespace, "bgsafe.io/mode-").ok()
    until(lambda: kubectl.create(pod(name="asked"), "--dry-run=server").denied, SECONDS)
    return kubectl


def test_scaling_passes_in_silence(old: Kubectl) -> None:
    for what in ("statefulset/cache", "deployment/cache"):
        said = old.run("scale", what, "--replicas=0").ok()
        assert said.warnings == []
        assert old.read(what)["spec"]["replicas"] == 0


def test_a_label_is_set_with_a_warning(old: Kubectl) -> None:
    said = old.run("label", "statefulset/cache", "team=shop").ok()

    assert "admitted, since it was unsafe before this update" in said.told
    assert old.read("statefulset/cache")["metadata"]["labels"]["team"] == "shop"


def test_a_restart_passes_with_a_warning(old: Kubectl) -> None:
    said = old.run("rollout", "restart", "statefulset/cache").ok()

    assert "admitted, since it was unsafe before this update" in said.told


def test_replicas_in_the_spec_are_changed_with_a_warning(old: Kubectl) -> None:
    said = old.patch("deployment/cache", {"spec": {"replicas": 3}}).ok()

    assert "admitted, since it was unsafe before this update" in said.told
    assert old.read("deployment/cache")["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    "maxmemory",
    [pytest.param("850mb", id="half a repair"), pytest.param(WORSE, id="the same verdict with worse numbers")],
)
def test_what_stays_unsafe_passes_and_says_how_far_it_moved(maxmemory: str, old: Kubectl) -> None:
    value = workload("StatefulSet", container(maxmemory))

    said = old.apply(value).ok()

    assert re.search(rf"the expected peak was {SIZE} over the limit, and is {SIZE} over it now", said.told), said
    assert old.read("statefulset/cache")["spec"]["template"]["spec"]["containers"][0]["args"][1] == maxmemory


def test_what_gets_worse_is_denied_and_stays_as_it_was(old: Kubectl) -> None:
    old.create(workload("StatefulSet", container(RISKY), name="risky")).ok()

    said = old.apply(workload("StatefulSet", container(UNSAFE), name="risky"))

    assert said.denied
    assert f"bgsafe: StatefulSet risky in {old.namespace} is unsafe" in said.stderr
    assert old.read("statefulset/risky")["spec"]["template"]["spec"]["containers"][0]["args"][1] == RISKY


def test_a_finalizer_is_removed_and_the_object_goes_at_last(old: Kubectl) -> None:
    deleted = old.run("delete", "pod/cache", "--wait=false").ok()
    assert deleted.warnings == []
    assert old.read("pod/cache")["metadata"]["deletionTimestamp"]

    said = old.patch("pod/cache", {"metadata": {"finalizers": None}}).ok()

    assert said.warnings == []
    until(lambda: not old.exists("pod/cache"))


def test_a_finalizer_of_a_living_object_is_removed_with_a_warning(old: Kubectl) -> None:
    said = old.patch("pod/cache", {"metadata": {"finalizers": None}}).ok()

    assert "admitted, since it was unsafe before this update" in said.told


def test_everything_is_deleted_in_silence(old: Kubectl) -> None:
    old.patch("pod/cache", {"metadata": {"finalizers": None}}).ok()
    for what in ("statefulset/cache", "deployment/cache", "pod/cache"):
        assert old.run("delete", what, "--wait=false").ok().warnings == []
    until(lambda: not old.exists("statefulset/cache") and not old.exists("pod/cache"))


def test_a_status_passes_in_silence(old: Kubectl) -> None:
    said = old.patch("statefulset/cache", {"status": {"replicas": 1}}, "--subresource=status").ok()

    assert said.warnings == []


# --- resize ---


def resized(kubectl: Kubectl, name: str, memory: str) -> bool:
    """Ask for other memory of a Pod; was it denied?"""
    amount = {"memory": memory, "cpu": "1"}
    patch = {"spec": {"containers": [{"name": "redis", "resources": {"limits": amount, "requests": amount}}]}}
    said = kubectl.run("patch", f"pod/{name}", "--subresource=resize", "--patch", json.dumps(patch))
    assert said.denied or said.code == 0, said
    return said.denied


@pytest.fixture
def resizing(needs: Callable[[str], None], old: Kubectl) -> Kubectl:
    """kubectl in a namespace of `old`, of an API server that resizes; there is a risky Pod too."""
    needs("pods/resize")
    old.create(pod(container(RISKY, resizePolicy=RESTARTED), name="risky")).ok()
    return old


def test_a_resize_that_makes_a_pod_unsafe_is_denied(resizing: Kubectl) -> None:
    assert resized(resizing, "risky", "700Mi")
    limits = resizing.read("pod/risky")["spec"]["containers"][0]["resources"]["limits"]
    assert limits["memory"] == "1Gi"


def test_a_resize_that_makes_a_pod_safe_passes(resizing: Kubectl) -> None:
    assert not resized(resizing, "risky", "2Gi")
    limits = resizing.read("pod/risky")["spec"]["containers"][0]["resources"]["limits"]
    assert limits["memory"] == "2Gi"


def test_a_resize_of_an_unsafe_pod_that_stays_unsafe_passes(resizing: Kubectl) -> None:
    assert not resized(resizing, "cache", "1030Mi")
