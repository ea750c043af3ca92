"""Monitors, rules and dashboard: one copy of each, in `deploy/prometheus` and `deploy/grafana`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.deploy.rendering import KUSTOMIZE, ROOT, Object, helm, kustomize, named

MONITORING = """
monitoring:
  podMonitor: {enabled: true}
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true}
"""
RULES = KUSTOMIZE / "components/monitoring/prometheusrules.yaml"


def rules(component: str) -> Object:
    return dict(yaml.safe_load((ROOT / f"deploy/prometheus/{component}-rules.yaml").read_text()))


def resource(component: str) -> str:
    """A PrometheusRule with the rules of the file: Kustomize cannot read what is outside of its folder."""
    labels = {"name": "bgsafe", "part-of": "bgsafe", "component": component}
    head = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": f"bgsafe-{component}",
            "namespace": "bgsafe",
            "labels": {f"app.kubernetes.io/{key}": value for key, value in labels.items()},
        },
    }
    text = (ROOT / f"deploy/prometheus/{component}-rules.yaml").read_text()
    indented = "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    return f"{yaml.safe_dump(head, sort_keys=False)}spec:\n{indented}"


def test_the_kustomize_component_has_the_rules_of_the_files(request: pytest.FixtureRequest) -> None:
    expected = "---\n".join(resource(component) for component in ("agent", "webhook"))
    if request.config.getoption("--update-golden"):
        RULES.write_text(expected)
    assert RULES.read_text() == expected, "pytest tests/deploy --update-golden writes it"


@pytest.mark.parametrize("component", ["agent", "webhook"])
def test_the_chart_has_the_rules_of_the_files(component: str) -> None:
    assert named(helm(MONITORING), "PrometheusRule", f"bgsafe-{component}")["spec"] == rules(component)


def test_rules_of_what_is_not_installed_are_not_installed() -> None:
    """BgsafeAgentDown fires where no agent answers."""
    rendered = helm(MONITORING + "agent: {enabled: false}\n")
    kinds = {(value["kind"], value["metadata"]["name"]) for value in rendered}
    assert ("PrometheusRule", "bgsafe-webhook") in kinds
    assert not kinds & {("PrometheusRule", "bgsafe-agent"), ("PodMonitor", "bgsafe-agent")}


def test_the_dashboard_is_the_file_and_fits_a_config_map() -> None:
    text = (ROOT / "deploy/grafana/bgsafe.json").read_text()
    config_map = named(helm(MONITORING), "ConfigMap", "bgsafe-dashboard")
    assert config_map["data"] == {"bgsafe.json": text}
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert len(text) < 1_000_000  # of 1 MiB


def test_jobs_have_the_names_by_which_the_alerts_know_them() -> None:
    for rendered in (helm(MONITORING, release="x"), kustomize(("monitoring",))):
        monitors = {value["kind"]: value for value in rendered if value["kind"].endswith("Monitor")}
        (agent,) = monitors["PodMonitor"]["spec"]["podMetricsEndpoints"]
        (webhook,) = monitors["ServiceMonitor"]["spec"]["endpoints"]
        assert agent["honorLabels"] is True
        jobs = [each["relabelings"][0]["replacement"] for each in (agent, webhook)]
        assert jobs == ["bgsafe-agent", "bgsafe-webhook"]
        assert all(job in json.dumps(rules(job.removeprefix("bgsafe-"))) for job in jobs)


def test_the_monitors_ports_are_the_containers() -> None:
    for rendered in (helm(MONITORING), kustomize(("monitoring",))):
        ports = {
            port["name"]
            for value in rendered
            if value["kind"] in ("DaemonSet", "Deployment")
            for port in value["spec"]["template"]["spec"]["containers"][0]["ports"]
        }
        assert ports == {"metrics", "https"}


def test_the_charts_files_are_links() -> None:
    files = sorted((ROOT / "deploy/helm/bgsafe/files").iterdir())
    assert [path.name for path in files if not path.is_symlink()] == []
    assert {path.resolve().parent for path in files} == {
        Path(ROOT, "deploy", each) for each in ("prometheus", "grafana")
    }
