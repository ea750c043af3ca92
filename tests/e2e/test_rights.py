"""What the webhook's service account may do, what it does with it, and what is said without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import identities
from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import SECONDS, Installed, is_asked
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import ACCOUNT, CONFIGURATION, NAMESPACE, SECRET, by_url
from tests.e2e.objects import SAFE, container, pod, workload
from tests.e2e.webhooks import Webhook
from tests.e2e.webhooks import webhook as started
from tests.webhook.serving import free_port, until

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


def test_without_a_permission_it_says_what_it_could_not_read(
    installed: Installed, cluster: ControlPlane, policy_file: Path, tmp_path: Path, shop: Kubectl
) -> None:
    cluster.admin.within(NAMESPACE).run("create", "serviceaccount", "nobody").ok()
    authority, port = identities.authority("ours"), free_port()
    serving = identities.server(authority, "localhost", f"{ACCOUNT}.{NAMESPACE}.svc")
    (tmp_path / "tls.crt").write_bytes(serving.certificate_pem())
    (tmp_path / "tls.key").write_bytes(serving.key_pem())
    files = (f"--tls-cert={tmp_path / 'tls.crt'}", f"--tls-key={tmp_path / 'tls.key'}", f"--policy={policy_file}")
    asking = ("--resolve", f"--kubeconfig={installed.kubeconfig_of('nobody')}")
    with (
        started(tmp_path / "log", authority.certificate_pem, *files, *asking, port=port) as running,
        installed.configured(by_url(installed.configuration, port, authority.certificate_pem())),
    ):
        until(lambda: is_asked(cluster.admin), SECONDS)
        mounted = container(None, args=["/conf/redis.conf"], volumeMounts=[{"name": "conf", "mountPath": "/conf"}])
        volumes = [{"name": "conf", "configMap": {"name": "redis-conf"}}]

        said = shop.create(workload("StatefulSet", mounted, volumes=volumes)).ok()

        assert "container redis is unknown" in said.told
        assert "redis-conf" in said.told
        assert "the webhook may not read it" in said.told
        denied = shop.create(pod())
        assert denied.denied
        assert f"the policy's mode enforce holds: labels of namespace {shop.namespace}" in denied.stderr
        assert running.errors("lookup") > 0
