"""What the webhook's service account may do, and what it does with it."""

from __future__ import annotations

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import Installed
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import ACCOUNT, CONFIGURATION, NAMESPACE, SECRET
from tests.e2e.objects import SAFE, container, workload
from tests.e2e.webhooks import Webhook

pytestmark = pytest.mark.live

MAY = [
    pytest.param("get", f"secrets/{SECRET}", NAMESPACE, id="read its Secret"),
    pytest.param("patch", f"secrets/{SECRET}", NAMESPACE, id="renew its Secret"),
    pytest.param("create", "secrets", NAMESPACE, id="make its Secret"),
    pytest.param("get", f"validatingwebhookconfigurations/{CONFIGURATION}", "", id="read its registration"),
    pytest.param("patch", f"validatingwebhookconfigurations/{CONFIGURATION}", "", id="publish its authority"),
]

MAY_NOT = [
    pytest.param("get", "secrets/another", NAMESPACE, id="read another Secret"),
    pytest.param("list", "secrets", NAMESPACE, id="list Secrets"),
    pytest.param("delete", f"secrets/{SECRET}", NAMESPACE, id="delete its Secret"),
    pytest.param("get", f"secrets/{SECRET}", "default", id="read a Secret of another namespace"),
    pytest.param("create", "secrets", "default", id="make a Secret in another namespace"),
    pytest.param("patch", "validatingwebhookconfigurations/another", "", id="change another registration"),
    pytest.param("delete", f"validatingwebhookconfigurations/{CONFIGURATION}", "", id="delete its registration"),
    pytest.param("create", "validatingwebhookconfigurations", "", id="register something"),
    pytest.param("patch", "nodes/one", "", id="change a node"),
    pytest.param("create", "pods", "default", id="make a pod"),
    pytest.param("create", "pods/exec", "default", id="run a program in a pod"),
    pytest.param("patch", "configmaps/redis-conf", "default", id="change a ConfigMap"),
    pytest.param("delete", "statefulsets/cache", "default", id="delete a workload"),
    pytest.param("patch", "statefulsets/cache", "default", id="change a workload"),
]


def allowed(cluster: ControlPlane, verb: str, what: str, namespace: str) -> bool:
    account = f"--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    said = cluster.admin.within(namespace).run("auth", "can-i", verb, what, account)
    answer = said.stdout.split()[0]  # a reason may follow
    assert answer in ("yes", "no"), said
    return answer == "yes"


@pytest.mark.parametrize(("verb", "what", "namespace"), MAY)
def test_it_may(verb: str, what: str, namespace: str, installed: Installed) -> None:
    assert allowed(installed.cluster, verb, what, namespace)


@pytest.mark.parametrize(("verb", "what", "namespace"), MAY_NOT)
def test_it_may_not(verb: str, what: str, namespace: str, installed: Installed) -> None:
    assert not allowed(installed.cluster, verb, what, namespace)


def test_it_reads_no_secret_but_its_own_and_writes_nothing_else(
    cluster: ControlPlane, webhook: Webhook, shop: Kubectl
) -> None:
    """By the audit log, for what every test so far had it do."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"redis": "x"}}
    reference = {"secretKeyRef": {"name": "password", "key": "redis"}}
    server = container(
        SAFE, env=[{"name": "PASSWORD", "valueFrom": reference}], envFrom=[{"secretRef": {"name": "password"}}]
    )
    shop.create([secret, workload("StatefulSet", server)]).ok()

    account = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    did = [(event["verb"], event["objectRef"]) for event in cluster.audited() if event["user"]["username"] == account]

    assert did
    assert {at.get("name", SECRET) for _, at in did if at["resource"] == "secrets"} == {SECRET}
    changed = {at["resource"] for verb, at in did if verb not in ("get", "list")}
    assert changed <= {"secrets", "validatingwebhookconfigurations"}
