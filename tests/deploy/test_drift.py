"""The chart and the plain manifests are the same deployment, object by object and field by field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from tests.deploy.rendering import COMPONENTS, Object, helm, kustomize

OF_HELM = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
}
"""Labels that every chart is expected to have, and that only a release can know."""

PAIRS = [
    pytest.param(COMPONENTS, "{}", id="as it is"),
    pytest.param(
        (),
        "{nodeFacts: false, webhook: {resolve: false}, agent: {podNames: false}}",
        id="without components",
    ),
    pytest.param(
        ("resolve",),
        "{nodeFacts: false, agent: {podNames: false}}",
        id="resolve",
    ),
    pytest.param(
        ("node-facts",),
        "{webhook: {resolve: false}, agent: {podNames: false}}",
        id="node-facts",
    ),
    pytest.param(
        ("pod-names",),
        "{nodeFacts: false, webhook: {resolve: false}}",
        id="pod-names",
    ),
    pytest.param((*COMPONENTS, "cert-manager"), "{webhook: {certificates: {mode: cert-manager}}}", id="cert-manager"),
    pytest.param(
        (*COMPONENTS, "monitoring"),
        "{monitoring: {podMonitor: {enabled: true}, serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}}",
        id="monitoring",
    ),
    pytest.param((*COMPONENTS, "dashboard"), "{monitoring: {dashboard: {enabled: true}}}", id="dashboard"),
]


def comparable(rendered: Iterable[Object]) -> dict[tuple[str, str], Object]:
    """By kind and name: without the namespace, which Helm makes itself, without hooks, and without Helm's labels."""
    found: dict[tuple[str, str], Object] = {}
    for value in rendered:
        hook = "helm.sh/hook" in value["metadata"].get("annotations", {})
        if value["kind"] != "Namespace" and not hook:
            key = (value["kind"], value["metadata"]["name"])
            assert key not in found
            found[key] = plain(value)
    return found


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: yaml.safe_load(item) if key == "policy.yaml" else plain(item)
            for key, item in value.items()
            if key not in OF_HELM
        }
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("components", "values"), PAIRS)
def test_chart_and_kustomize_render_the_same(components: tuple[str, ...], values: str) -> None:
    charted, plain_ones = comparable(helm(values)), comparable(kustomize(components))
    assert charted.keys() == plain_ones.keys()
    for key, value in plain_ones.items():
        assert charted[key] == value, key


def test_the_kustomization_has_the_components_that_it_is_compared_with() -> None:
    assert kustomize() == kustomize(COMPONENTS)
