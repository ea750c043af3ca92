"""The real client against the API's wire format, on loopback."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checker.cluster.api import ClusterError, ConflictError, connect
from checker.cluster.certificates import ClusterStore
from tests.webhook.clusters import api_server, kubeconfig
from webhook.certs import Place, keep
from webhook.issuing import Pair

SECRET = "/api/v1/namespaces/ops/secrets/tls"
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/bgsafe"
PLACE = Place(namespace="ops", secret="tls", configuration="bgsafe", names=("bgsafe.ops.svc",))


class World:
    """A client, and what the API server it talks to holds and was asked."""

    def __init__(self, url: str, objects: dict[str, dict[str, Any]], log: list[tuple[str, str, str]]) -> None:
        from kubernetes import client

        configuration = client.Configuration()
        configuration.host, configuration.retries = url, False
        self.store = ClusterStore(client.ApiClient(configuration))
        self.objects, self.log = objects, log


@pytest.fixture
def world() -> Iterator[World]:
    webhooks = [
        {"name": name, "clientConfig": {"service": {"name": "bgsafe"}}, "newField": 1} for name in ("a.io", "b.io")
    ]
    objects = {CONFIGURATION: {"metadata": {"name": "bgsafe", "resourceVersion": "7"}, "webhooks": webhooks}}
    log: list[tuple[str, str, str]] = []
    with api_server(objects, log) as url:
        yield World(url, objects, log)


def test_a_secret_is_created_once_and_updated_only_at_its_version(world: World) -> None:
    assert world.store.read_secret("ops", "tls") is None
    world.store.create_secret("ops", "tls", {"tls.crt": b"one"})
    with pytest.raises(ConflictError):
        world.store.create_secret("ops", "tls", {"tls.crt": b"two"})
    first = world.store.read_secret("ops", "tls")
    assert first is not None
    assert first.data == {"tls.crt": b"one"}
    world.store.update_secret("ops", "tls", {"tls.crt": b"three"}, first.resource_version)
    with pytest.raises(ConflictError):
        world.store.update_secret("ops", "tls", {"tls.crt": b"four"}, first.resource_version)
    assert base64.b64decode(world.objects[SECRET]["data"]["tls.crt"]) == b"three"
    assert world.objects[SECRET]["type"] == "kubernetes.io/tls"


def test_a_patch_of_the_bundle_touches_nothing_else(world: World) -> None:
    found = world.store.read_webhook_configuration("bgsafe")
    assert found is not None
    assert found.ca_bundles == {"a.io": b"", "b.io": b""}
    world.store.set_ca_bundle("bgsafe", found, b"CA")
    assert world.objects[CONFIGURATION]["webhooks"][1] == {
        "name": "b.io",
        "clientConfig": {"service": {"name": "bgsafe"}, "caBundle": base64.b64encode(b"CA").decode()},
        "newField": 1,
    }
    with pytest.raises(ConflictError):
        world.store.set_ca_bundle("bgsafe", replace(found, resource_version="7"), b"CA")
    assert ("PATCH", CONFIGURATION, "application/strategic-merge-patch+json") in world.log


def test_what_is_not_there_is_none_to_read_and_a_conflict_to_patch(world: World) -> None:
    found = world.store.read_webhook_configuration("bgsafe")
    assert found is not None
    assert world.store.read_webhook_configuration("other") is None
    with pytest.raises(ConflictError, match="deleted meanwhile"):
        world.store.set_ca_bundle("other", found, b"CA")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param({"refuse": 403}, "HTTP 403 .*give the service account this permission", id="forbidden"),
        pytest.param({"refuse": 500}, "HTTP 500", id="broken"),
        pytest.param({"metadata": {"resourceVersion": "1"}, "data": {"a": "%"}}, "not base64", id="no base64"),
    ],
)
def test_a_refusal_says_what_and_why(world: World, answer: dict[str, Any], message: str) -> None:
    world.objects[SECRET] = answer
    with pytest.raises(ClusterError, match=message):
        world.store.read_secret("ops", "tls")


def test_an_api_server_that_is_gone_is_an_error_with_a_reason() -> None:
    with api_server({}, []) as url:
        gone = World(url, {}, [])
    with pytest.raises(ClusterError, match="read Secret ops/tls"):
        gone.store.read_secret("ops", "tls")


def test_outside_of_a_cluster_there_is_none_to_connect_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterError, match="not in a cluster"):
        connect()


def test_a_kubeconfig_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"none: .*name a kubeconfig"):
        connect(tmp_path / "none")


def test_a_kubeconfig_leads_to_its_cluster(tmp_path: Path) -> None:
    with api_server({SECRET: {"metadata": {"resourceVersion": "1"}, "data": {}}}, []) as url:
        found = ClusterStore(connect(kubeconfig(tmp_path, url))).read_secret("ops", "tls")
    assert found is not None


def test_certificates_are_kept_over_the_wire(world: World) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    pair = keep(world.store, PLACE, now)
    assert isinstance(pair, Pair)
    assert keep(world.store, PLACE, now) == pair
    bundle = base64.b64decode(world.objects[CONFIGURATION]["webhooks"][0]["clientConfig"]["caBundle"])
    assert bundle == base64.b64decode(world.objects[SECRET]["data"]["ca.crt"])


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a kubeconfig, outside of any cluster."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_whoever_is_nowhere_is_told_both_ways_in(nowhere: Path) -> None:
    with pytest.raises(ClusterError, match=r"no kubeconfig, and not in a cluster: .*; name a kubeconfig, or run it in"):
        connect(anywhere=True)


def test_the_usual_kubeconfig_is_found_as_kubectl_finds_it(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / ".kube").mkdir()
    kubeconfig(nowhere, "http://127.0.0.1:1").rename(nowhere / ".kube" / "config")
    assert connect(anywhere=True).configuration.host == "http://127.0.0.1:1"
    with pytest.raises(ClusterError, match="not in a cluster"):
        connect()  # the webhook has none, whatever its image's home holds

    other = kubeconfig(nowhere, "http://127.0.0.1:2")
    monkeypatch.setenv("KUBECONFIG", f"{nowhere / 'missing'}:{other}")
    assert connect(anywhere=True).configuration.host == "http://127.0.0.1:2"
