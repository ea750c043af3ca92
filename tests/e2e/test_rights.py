"""What the webhook's service account may do, and that it is no more: every test here runs it with that account."""

from __future__ import annotations

import pytest

from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import Installed
from tests.e2e.manifests import ACCOUNT, CONFIGURATION, NAMESPACE, SECRET

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
