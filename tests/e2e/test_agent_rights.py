"""The agent's service account: what the agent asks the API server for, it may, and no more."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from checker.cluster.api import ForbiddenError
from checker.cluster.light import Api, in_cluster
from checker.cluster.node_maps import write
from checker.cluster.pods import NodePods
from tests.e2e.installed import Installed
from tests.e2e.manifests import NAMESPACE
from tests.e2e.objects import pod

pytestmark = pytest.mark.live

ACCOUNT = "bgsafe-agent"


@pytest.fixture
def api(installed: Installed, tmp_path: Path) -> Api:
    """As the agent has it: from the pod's environment, and the files of its service account."""
    cluster = installed.cluster
    token = cluster.admin.within(NAMESPACE).run("create", "token", ACCOUNT).ok().stdout.strip()
    (tmp_path / "token").write_text(token)
    (tmp_path / "ca.crt").write_bytes(cluster.authority)
    at = urlsplit(cluster.url)
    environment = {"KUBERNETES_SERVICE_HOST": str(at.hostname), "KUBERNETES_SERVICE_PORT": str(at.port)}
    return in_cluster(environment, tmp_path)


def test_it_publishes_its_node_and_does_so_again(api: Api, installed: Installed) -> None:
    for value in ("1", "2"):
        write(
            api,
            namespace=NAMESPACE,
            name="bgsafe-node-one",
            labels={"bgsafe.io/node-facts": "v1"},
            data={"facts.json": value},
            pod_name="agent",
            pod_uid="0a8c4c1e-1111-4222-8333-444455556666",
        )
    admin = installed.cluster.admin.within(NAMESPACE)
    assert admin.read("configmap", "bgsafe-node-one")["data"] == {"facts.json": "2"}
    admin.run("delete", "configmap", "bgsafe-node-one").ok()


def test_it_knows_the_pods_of_its_node(api: Api, installed: Installed) -> None:
    admin = installed.cluster.admin.within("default")
    found = pod(name="on-one")
    found["spec"]["nodeName"] = "one"
    admin.create(found).ok()
    try:
        pods = NodePods(api, "one", trouble=lambda error: pytest.fail(str(error)))
        assert pods.list() != "0"
        uid = admin.read("pod", "on-one")["metadata"]["uid"]
        known = pods.pod(uid)
        assert known is not None
        assert (known.namespace, known.name) == ("default", "on-one")
    finally:
        admin.run("delete", "pod", "on-one", "--wait=false", "--force").ok()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api/v1/nodes", id="nodes"),
        pytest.param("/api/v1/secrets", id="Secrets"),
        pytest.param("/api/v1/configmaps", id="ConfigMaps of all namespaces"),
        pytest.param(f"/api/v1/namespaces/{NAMESPACE}/configmaps", id="what other agents publish"),
        pytest.param(f"/api/v1/namespaces/{NAMESPACE}/secrets/bgsafe-webhook-tls", id="the webhook's key"),
    ],
)
def test_it_may_not_read_anything_else(api: Api, path: str) -> None:
    with pytest.raises(ForbiddenError):
        api.get("read", path)


def test_it_may_not_write_elsewhere(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    with pytest.raises(ForbiddenError):
        api.post("create", "/api/v1/namespaces/default/configmaps", body)
