"""`bgsafe cluster` against a real API server: by the account of deploy/kustomize/nightly, by one with less, by none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import KUSTOMIZATION
from tests.e2e.objects import RISKY, SAFE, UNSAFE, Object, config_map, container, pod, web, workload
from tests.report.policy_report_schema import definition
from tests.webhook.serving import until

pytestmark = pytest.mark.live

NIGHTLY = KUSTOMIZATION / "nightly"

SECONDS = 120.0

KIND, GROUP = "RedisFailover", "databases.spotahome.com"

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"redisfailovers.{GROUP}"},
    "spec": {
        "group": GROUP,
        "names": {"kind": KIND, "listKind": f"{KIND}List", "plural": "redisfailovers", "singular": "redisfailover"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="module", autouse=True)
def _new_enough(needs: Callable[[str], None]) -> None:
    """The nightly job is a CronJob."""
    needs("CronJob")


@dataclass(frozen=True)
class Said:
    """What the command printed, and how it ended."""

    code: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output)
        return found

    def verdicts(self, *namespaces: str) -> dict[str, str]:
        """Kind/name → verdict."""
        return {
            f"{each['subject']['kind']}/{each['subject']['name']}": each["verdict"]
            for each in self.report["subjects"]
            if each["subject"]["namespace"] in namespaces
        }

    @property
    def problems(self) -> list[str]:
        return [each["where"] for each in self.report["problems"]]


def scan(kubeconfig: Path, *options: str) -> Said:
    how = options if any(option.startswith("--format") for option in options) else (*options, "--format=json")
    command = [sys.executable, "-m", "checker.cli", "cluster", f"--kubeconfig={kubeconfig}", *how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    return Said(done.returncode, done.stdout, done.stderr)


def account(cluster: ControlPlane, namespace: str, name: str) -> Path:
    """A kubeconfig for a service account."""
    token = cluster.admin.within(namespace).run("create", "token", name, "--duration=1h").ok().stdout.strip()
    return cluster.kubeconfig(name, token)


@pytest.fixture(scope="module")
def nightly(cluster: ControlPlane) -> Path:
    """A kubeconfig for the account of the CronJob."""
    cluster.admin.run("apply", "-k", str(NIGHTLY), "--validate=strict").ok()
    return account(cluster, "bgsafe", "bgsafe-nightly")


def owned(value: Object, owner: Any) -> Object:
    """Made by another object, as its controller would."""
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    return {**value, "metadata": {**value["metadata"], "ownerReferences": [reference]}}


@pytest.fixture(scope="module")
def shop(cluster: ControlPlane) -> Iterator[Kubectl]:
    """A namespace with one of everything; there is no controller, so what one would make is made here."""
    cluster.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "surveyed"}}).ok()
    shop = cluster.admin.within("surveyed")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    shop.run("create", "-f", "-", given=account)  # the controller that makes it does not run either
    mount = {"volumeMounts": [{"name": "config", "mountPath": "/etc/redis"}], "args": ["/etc/redis/redis.conf"]}
    volumes = [{"name": "config", "configMap": {"name": "redis-conf"}}]
    shop.create(
        [
            config_map("redis-conf", redis_conf=f"maxmemory {RISKY}\nsave 900 1\n"),
            workload("StatefulSet", container(UNSAFE), name="orders"),
            workload("StatefulSet", container(None, **mount), name="sessions", volumes=volumes),
            workload("Deployment", container(SAFE), name="local"),
            workload("Deployment", web(), name="web"),
            pod(container(SAFE), name="solo"),
        ]
    ).ok()
    orders = shop.read("statefulset", "orders")
    shop.create([owned(pod(container(UNSAFE), name=f"orders-{n}"), orders) for n in range(3)]).ok()
    yield shop
    cluster.admin.run("delete", "namespace", "surveyed", "--wait=false").ok()


def test_each_workload_is_judged_once_by_an_account_that_may_only_list(nightly: Path, shop: Kubectl) -> None:
    said = scan(nightly)
    assert said.code == 1, said.errors
    assert said.verdicts("surveyed") == {
        "StatefulSet/orders": "unsafe",
        "StatefulSet/sessions": "risky",
        "Deployment/local": "safe",
        "Pod/solo": "safe",
    }
    assert said.problems == []


def test_what_it_reads_is_what_its_role_says_and_no_secret(nightly: Path, shop: Kubectl, cluster: ControlPlane) -> None:
    def may(verb: str, what: str) -> bool:
        who = "--as=system:serviceaccount:bgsafe:bgsafe-nightly"
        return shop.run("auth", "can-i", verb, what, who).stdout.split()[0] == "yes"

    assert may("list", "pods")
    assert may("get", "configmaps/redis-conf")
    assert not may("get", "secrets/any")
    assert not may("list", "secrets")
    assert not any(may(verb, what) for verb in ("create", "patch", "delete") for what in ("pods", "configmaps"))


def test_an_operators_resource_and_what_was_made_of_it_are_one(nightly: Path, shop: Kubectl) -> None:
    shop.create(CRD).ok()
    shop.run("wait", "--for=condition=Established", f"crd/redisfailovers.{GROUP}", "--timeout=30s").ok()
    spec = {"redis": {"customConfig": [f"maxmemory {SAFE}"], "resources": {"limits": {"memory": "8Gi"}}}}
    value = {"apiVersion": f"{GROUP}/v1", "kind": KIND, "metadata": {"name": "carts"}, "spec": spec}
    try:
        shop.create(value).ok()
        until(lambda: f'"{GROUP}"' in shop.raw("/apis/"))  # a moment after it is established
        assert scan(nightly).verdicts("surveyed")["RedisFailover/carts"] == "safe"

        made = workload("StatefulSet", container(None), name="rfr-carts")
        shop.create(owned(made, shop.read("redisfailover", "carts"))).ok()
        said = scan(nightly)
        verdicts = said.verdicts("surveyed")
        assert "RedisFailover/carts" not in verdicts
        (subject,) = [each for each in said.report["subjects"] if each["subject"]["name"] == "rfr-carts"]
        assert (subject["estimate"]["limit_bytes"], subject["estimate"]["maxmemory_bytes"]) == (1 << 30, 100 << 20)
    finally:
        shop.run("delete", "statefulset", "rfr-carts", "--ignore-not-found").ok()
        shop.run("delete", "redisfailover", "--all").ok()
        shop.run("delete", "crd", f"redisfailovers.{GROUP}").ok()


def test_an_account_of_one_namespace_is_told_what_it_did_not_see(cluster: ControlPlane, shop: Kubectl) -> None:
    shop.run("create", "serviceaccount", "developer").ok()
    role = ["--verb=list,get", "--resource=statefulsets.apps,deployments.apps,daemonsets.apps,cronjobs.batch"]
    shop.run("create", "role", "developer", *role).ok()
    shop.run("create", "role", "developer-core", "--verb=list,get", "--resource=pods,configmaps,limitranges").ok()
    for name in ("developer", "developer-core"):
        shop.run("create", "rolebinding", name, f"--role={name}", "--serviceaccount=surveyed:developer").ok()
    developer = account(cluster, "surveyed", "developer")

    within = scan(developer, "--namespace=surveyed")
    assert (within.code, within.problems) == (1, [])
    assert len(within.verdicts("surveyed")) == 4

    everywhere = scan(developer)
    assert everywhere.code == 3
    assert "pods of the cluster" in everywhere.problems
    assert "statefulsets.apps of the cluster" in everywhere.problems


def test_an_account_without_any_right_checks_nothing(cluster: ControlPlane, shop: Kubectl) -> None:
    shop.run("create", "serviceaccount", "nobody").ok()
    said = scan(account(cluster, "surveyed", "nobody"), "--allow-none")
    assert said.code == 3
    assert said.verdicts("surveyed") == {}


def test_a_token_that_is_none_is_said_to_be_refused(cluster: ControlPlane) -> None:
    said = scan(cluster.kubeconfig("forged", "no-token"))
    assert said.code == 3
    assert all("HTTP 401" in each["why"] for each in said.report["problems"])


def test_lists_longer_than_a_page_are_read_to_their_end(
    nightly: Path, shop: Kubectl, namespace: Callable[..., Kubectl]
) -> None:
    many = namespace()
    many.create([pod(container(SAFE), name=f"pod-{n}") for n in range(12)]).ok()
    command = (
        "import sys, checker.survey.reading as reading; from dataclasses import replace; from checker.cli import main\n"
        "reading.PODS = replace(reading.PODS, page_objects=5)\nmain()"
    )
    options = ["cluster", f"--kubeconfig={nightly}", f"--namespace={many.namespace}", "--format=json"]
    done = subprocess.run([sys.executable, "-c", command, *options], capture_output=True, text=True, timeout=SECONDS)
    assert len(json.loads(done.stdout)["subjects"]) == 12, done.stderr


def test_policy_reports_are_taken_as_they_are(nightly: Path, shop: Kubectl) -> None:
    shop.create(definition("PolicyReport", "Namespaced")).ok()
    shop.run("wait", "--for=condition=Established", "crd/policyreports.wgpolicyk8s.io", "--timeout=30s").ok()
    try:
        said = scan(nightly, "--namespace=surveyed", "--format=policy-report")
        for _ in range(2):  # the next night's go over them
            shop.apply(json.loads(said.output)["items"], "--validate=strict").ok()
        stored = shop.read("policyreports")["items"]
        assert {each["metadata"]["name"]: each["summary"]["fail"] for each in stored} == {
            "bgsafe-deployment-local": 0,
            "bgsafe-pod-solo": 0,
            "bgsafe-statefulset-orders": 1,
            "bgsafe-statefulset-sessions": 0,
        }
    finally:
        shop.run("delete", "crd", "policyreports.wgpolicyk8s.io").ok()
