"""Without the webhook, or without what it needs: what failurePolicy promises, and that nobody is locked out."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from tests.e2e import identities
from tests.e2e.assets import Assets
from tests.e2e.conftest import ENFORCE
from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import SECONDS, Installed, apply, is_asked
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import NAMESPACE, Manifest, by_service, by_url
from tests.e2e.objects import SAFE, container, pod, web, workload
from tests.e2e.webhooks import HOST
from tests.e2e.webhooks import webhook as started
from tests.webhook.serving import free_port, until

pytestmark = pytest.mark.live


def failing(configuration: Manifest) -> Manifest:
    """With failurePolicy Fail for workloads."""
    changed = deepcopy(configuration)
    changed["webhooks"][0]["failurePolicy"] = "Fail"
    return changed


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(ENFORCE)
    return file


def denied(kubectl: Kubectl) -> bool:
    return kubectl.create(pod(name="asked"), "--dry-run=server").denied


def test_a_webhook_that_is_gone_lets_everything_through_and_comes_back(
    installed: Installed, tmp_path: Path, policy: Path, shop: Kubectl
) -> None:
    port = free_port()
    with installed.configured(by_service(installed.configuration, port)):
        with installed.webhook(tmp_path / "first", policy, port=port):
            until(lambda: denied(shop), SECONDS)

        gone = shop.create(pod(name="meanwhile")).ok()
        assert gone.warnings == []

        with installed.webhook(tmp_path / "second", policy, port=port):
            until(lambda: denied(shop), SECONDS)
            assert shop.run("label", "pod/meanwhile", "team=shop").code == 0, "unsafe already, so not denied"


def test_with_failure_policy_fail_only_servers_wait_for_it(
    assets: Assets, installed: Installed, tmp_path: Path, policy: Path, shop: Kubectl
) -> None:
    port = free_port()
    with installed.configured(by_service(installed.configuration, port)):
        with installed.webhook(tmp_path / "log", policy, port=port):
            until(lambda: denied(shop), SECONDS)
            shop.create(workload("StatefulSet", container(SAFE))).ok()
            apply(installed.cluster, failing(by_service(installed.configuration, port)))
        until(lambda: shop.create(pod(name="asked"), "--dry-run=server").code != 0, SECONDS)

        said = shop.create(pod(container(SAFE)))

        assert said.code == 1
        assert 'failed calling webhook "workloads.bgsafe.io"' in said.stderr
        assert shop.run("scale", "statefulset/cache", "--replicas=0").code == 0
        assert shop.run("delete", "statefulset/cache", "--wait=false").code == 0
        if not assets.lacks("matchConditions"):
            assert shop.create(pod(web(), name="web")).code == 0


def test_a_policy_that_changes_holds_without_a_restart(installed: Installed, tmp_path: Path, shop: Kubectl) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(ENFORCE)
    with installed.protected(tmp_path / "log", file) as running:
        assert denied(shop)

        file.write_text(ENFORCE.replace("enforce", "warn"))
        until(lambda: not denied(shop), SECONDS)
        assert "is unsafe" in shop.create(pod()).ok().told

        file.write_text("mode: nonsense\n")

        def rejected() -> bool:
            assert "is unsafe" in shop.create(pod(name="asked"), "--dry-run=server").ok().told
            return bool(running.events("policy_rejected"))

        until(rejected, SECONDS)
        assert "is unsafe" in shop.create(pod(name="still")).ok().told


def test_without_a_permission_it_says_what_it_could_not_read(
    installed: Installed, cluster: ControlPlane, policy: Path, tmp_path: Path, shop: Kubectl
) -> None:
    cluster.admin.within(NAMESPACE).run("create", "serviceaccount", "nobody").ok()
    authority, port = identities.authority("ours"), free_port()
    serving = identities.server(authority, HOST)
    (tmp_path / "tls.crt").write_bytes(serving.certificate_pem())
    (tmp_path / "tls.key").write_bytes(serving.key_pem())
    files = (f"--tls-cert={tmp_path / 'tls.crt'}", f"--tls-key={tmp_path / 'tls.key'}", f"--policy={policy}")
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
