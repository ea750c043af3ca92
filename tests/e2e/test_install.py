"""What a cluster says to the manifests and to the chart, and what of them is left in the end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.rendering import CHART, Object, helm, tool
from tests.deploy.test_schemas import VARIANTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.kubectl import Kubectl
from webhook.uninstall import main as uninstall

pytestmark = pytest.mark.live

NAMESPACE, RELEASE = "bgsafe-chart", "chart"
CONFIGURATION = f"validatingwebhookconfiguration/{RELEASE}-bgsafe"


@pytest.fixture
def admin(cluster: ControlPlane) -> Kubectl:
    return cluster.admin


def served(admin: Kubectl) -> set[tuple[str, str]]:
    """(apiVersion, kind) of what this API server knows."""
    lines = admin.run("api-resources", "--no-headers").ok().stdout.splitlines()
    return {(words[-3], words[-1]) for words in map(str.split, lines)}


@pytest.mark.parametrize("rendered", VARIANTS)
def test_every_object_is_accepted(
    rendered: Callable[[], tuple[Object, ...]], admin: Kubectl, needs: Callable[[str], None]
) -> None:
    needs("matchConditions")
    for name in ("bgsafe", NAMESPACE):
        if not admin.exists(f"namespace/{name}"):
            admin.run("create", "namespace", name).ok()
    kinds = served(admin)
    known = [value for value in rendered() if (value["apiVersion"], value["kind"]) in kinds]
    assert {"Deployment", "DaemonSet", "ValidatingWebhookConfiguration", "CronJob"} & {each["kind"] for each in known}
    for value in known:
        admin.apply(value, "--dry-run=server", "--validate=strict").ok()


def run_helm(admin: Kubectl, home: Path, *arguments: str) -> None:
    folders = {name: str(home) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    # Without HOME, its cache of what the API server knows would be a folder of the working directory.
    own = {"HOME": str(home), "KUBECONFIG": str(admin.kubeconfig), "PATH": os.environ.get("PATH", "")}
    command = [tool("helm"), *arguments, "--namespace", NAMESPACE, "--no-hooks"]
    done = subprocess.run(command, env={**folders, **own}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def left(admin: Kubectl) -> list[str]:
    """Names of everything of the release."""
    kinds = "deployment,daemonset,service,configmap,secret,role,rolebinding,clusterrole,clusterrolebinding"
    kinds += ",validatingwebhookconfiguration"
    listed = admin.within(NAMESPACE).run("get", kinds, "--output=name").ok().stdout.split()
    return [name for name in listed if RELEASE in name]


def test_an_upgrade_keeps_the_authority_and_uninstalling_leaves_nothing(
    admin: Kubectl, tmp_path: Path, needs: Callable[[str], None]
) -> None:
    needs("matchConditions")
    absent = [] if ("networking.k8s.io/v1", "NetworkPolicy") in served(admin) else ["--set=networkPolicy.enabled=false"]
    run_helm(admin, tmp_path, "install", RELEASE, str(CHART), "--create-namespace", *absent)
    names = [webhook["name"] for webhook in admin.read(CONFIGURATION)["webhooks"]]
    # As the webhook publishes its authority.
    bundles = [{"name": name, "clientConfig": {"caBundle": "bWluZQ=="}} for name in names]
    admin.run("patch", CONFIGURATION, "--type=strategic", f"--patch={json.dumps({'webhooks': bundles})}").ok()

    run_helm(admin, tmp_path, "upgrade", RELEASE, str(CHART), "--set=webhook.timeoutSeconds=5", *absent)
    webhooks: list[dict[str, Any]] = admin.read(CONFIGURATION)["webhooks"]
    assert [webhook["clientConfig"]["caBundle"] for webhook in webhooks] == ["bWluZQ=="] * len(names)
    assert [webhook["timeoutSeconds"] for webhook in webhooks] == [5] * len(names)

    run_helm(admin, tmp_path, "uninstall", RELEASE)
    assert left(admin) == []


def test_the_hook_deletes_the_configuration_and_may_delete_no_other(cluster: ControlPlane, admin: Kubectl) -> None:
    if not admin.exists(f"namespace/{NAMESPACE}"):
        admin.run("create", "namespace", NAMESPACE).ok()
    account = f"{RELEASE}-bgsafe-uninstall"
    rights = [value for value in helm(release=RELEASE, namespace=NAMESPACE) if value["metadata"]["name"] == account]
    admin.apply([value for value in rights if value["kind"] != "Job"]).ok()
    empty = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "webhooks": []}
    for name in (f"{RELEASE}-bgsafe", "another"):
        admin.apply({**empty, "metadata": {"name": name}}).ok()
    try:
        token = admin.within(NAMESPACE).run("create", "token", account).ok().stdout.strip()
        kubeconfig = cluster.kubeconfig(account, token)

        assert uninstall(f"{RELEASE}-bgsafe", kubeconfig) == 0
        assert not admin.exists(CONFIGURATION)
        assert uninstall("another", kubeconfig) == 1
        assert admin.exists("validatingwebhookconfiguration/another")
    finally:
        admin.run("delete", "validatingwebhookconfiguration", "another", "--ignore-not-found").ok()
