"""One control plane for all; a webhook for each module; a namespace for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.assets import WITHOUT, Assets
from tests.e2e.control_plane import ControlPlane, control_plane
from tests.e2e.installed import Installed, install
from tests.e2e.kubectl import Kubectl
from tests.e2e.webhooks import Webhook

ENFORCE = "apiVersion: bgsafe.io/v1\nkind: Policy\nmode: enforce\n"

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def assets() -> Assets:
    found = Assets.of(os.environ)
    if found is None:
        pytest.skip(WITHOUT)
    return found


@pytest.fixture(scope="session")
def needs(assets: Assets) -> Callable[[str], None]:
    """Skips the test where the API server is older than this feature."""

    def skip_without(feature: str) -> None:
        if reason := assets.lacks(feature):
            pytest.skip(reason)

    return skip_without


@pytest.fixture(scope="session")
def cluster(assets: Assets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(assets, tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture(scope="session")
def installed(cluster: ControlPlane) -> Installed:
    """deploy/kustomize, but for what a node would run and for the registration."""
    return install(cluster)


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text(ENFORCE)
    return file


@pytest.fixture(scope="module")
def webhook(installed: Installed, policy_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """As deploy/ runs it, with its own certificates and no more rights than its roles give; registered, and asked."""
    log = tmp_path_factory.mktemp("webhook") / "log"
    with installed.protected(log, policy_file) as running:
        yield running


@pytest.fixture
def namespace(cluster: ControlPlane) -> Callable[..., Kubectl]:
    """Makes a namespace, with these labels, and gives kubectl in it."""

    def make(**labels: str) -> Kubectl:
        name = f"shop-{next(_NUMBERS)}"
        labelled = {key.replace("_", "/"): value for key, value in labels.items()}
        cluster.admin.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labelled}}
        ).ok()
        return cluster.admin.within(name)

    return make


@pytest.fixture
def shop(namespace: Callable[..., Kubectl]) -> Kubectl:
    """kubectl in a new namespace."""
    return namespace()
