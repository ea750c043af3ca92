"""Every manifest, against Kubernetes' own schemas, strictly: an unknown field is an error."""

from __future__ import annotations

from collections.abc import Callable

import kubernetes_validate
import pytest

from tests.deploy.rendering import COMPONENTS, Object, helm, kustomize, kustomize_directory

OLDEST, NEWEST = "1.30", "1.37"
"""1.30: matchConditions are on for everybody. docs/install.md names both."""


WITHOUT_SCHEMA = ("cert-manager.io/v1", "monitoring.coreos.com/v1")
"""Resources of other projects."""

OPTIONAL = ("cert-manager", "monitoring", "dashboard")

VARIANTS = [
    pytest.param(kustomize, id="kustomize"),
    pytest.param(lambda: kustomize(()), id="kustomize without components"),
    pytest.param(
        lambda: kustomize((*COMPONENTS, "cert-manager", "monitoring", "dashboard")), id="kustomize with all components"
    ),
    pytest.param(lambda: kustomize_directory("nightly"), id="kustomize nightly"),
    pytest.param(helm, id="chart"),
    pytest.param(lambda: helm(EVERYTHING), id="chart with every value"),
]

EVERYTHING = """
image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
imagePullSecrets: [{name: registry}]
commonLabels: {team: storage}
policy: {mode: enforce, engines: [{image: "a/b*", engine: redis}]}
webhook:
  failurePolicy: Fail
  certificates: {mode: secret, secretName: mine, caBundle: bWluZQ==}
  priorityClassName: system-cluster-critical
  nodeSelector: {a: b}
  tolerations: [{operator: Exists}]
  affinity: {nodeAffinity: {}}
  podLabels: {a: b}
  podAnnotations: {a: b}
  extraArgs: [--drain-seconds=9]
agent:
  priorityClassName: system-node-critical
  affinity: {nodeAffinity: {}}
  seLinuxOptions: {type: spc_t}
  podLabels: {a: b}
  podAnnotations: {a: b}
  extraArgs: [--interval=9]
  extraVolumes: [{name: passwords, secret: {secretName: s}}]
  extraVolumeMounts: [{name: passwords, mountPath: /passwords}]
  extraEgress: [{ports: [{port: 6379, protocol: TCP}]}]
monitoring:
  labels: {release: prometheus}
  podMonitor: {enabled: true}
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true}
"""


def wrong(value: Object, version: str) -> str:
    """What the schema of this version says against the object; "" where it says nothing."""
    try:
        kubernetes_validate.validate(value, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{value['kind']} {value['metadata']['name']} at {'.'.join(map(str, error.path))}: {error.message}"
    return ""


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("rendered", VARIANTS)
def test_every_object_is_of_its_schema(rendered: Callable[[], tuple[Object, ...]], version: str) -> None:
    known = [value for value in rendered() if value["apiVersion"] not in WITHOUT_SCHEMA]
    assert [said for value in known if (said := wrong(value, version))] == []
    assert known


def test_the_schemas_do_refuse() -> None:
    deployment = next(value for value in kustomize() if value["kind"] == "Deployment")
    assert "replica" in wrong({**deployment, "spec": {**deployment["spec"], "replica": 2}}, NEWEST)
