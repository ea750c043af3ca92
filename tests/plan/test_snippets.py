"""What is pasted is what was planned: bgsafe's own reading of the snippets gives the plan's verdict."""

from __future__ import annotations

import pytest
import yaml

from checker.lint import lint
from checker.manifests.files import Sources
from checker.plan import Wish, parse_engine, plan
from checker.policy import Assumptions, Policy
from checker.probes import redis_conf
from checker.report.planned import Plan
from checker.units import GIB, format_quantity, parse_quantity

POD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data:
  redis.conf: |
%s
---
apiVersion: v1
kind: Pod
metadata: {name: cache}
spec:
  volumes: [{name: config, configMap: {name: config}}]
  containers:
  - name: redis
    image: redis:7.2
    args: [/etc/redis/redis.conf]
    volumeMounts: [{name: config, mountPath: /etc/redis}]
%s
"""


def planned(engine: str, replicas: int, persistence: str) -> Plan:
    wish = Wish(limit=4 * GIB, engine=parse_engine(engine), replicas=replicas, persistence=persistence)
    return plan(wish, Assumptions(write_rate_per_second=3000.0), Policy())[0]


def indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


@pytest.mark.parametrize("persistence", ["rdb", "aof", "both"])
def test_lint_judges_the_pasted_manifest_as_the_plan(tmp_path, persistence):
    answer = planned("redis:7.2", 0, persistence)
    conf, container = answer.snippets[0].text, answer.snippets[1].text
    path = tmp_path / "pod.yaml"
    path.write_text(POD % (indented(conf, 4), indented(container, 4)), encoding="utf-8")
    stated = Assumptions(write_rate_per_second=3000.0)
    verdict = lint(Sources((str(path),), None).documents(), stated, Policy()).report.verdicts[0]
    assert verdict.grade == "risky"
    assert verdict.estimate is not None
    assert verdict.estimate.maxmemory_bytes == answer.maxmemory_bytes
    assert verdict.estimate.limit_bytes == answer.limit_bytes
    assert 3000 <= (verdict.estimate.write_budget_per_second or 0) < 3050


@pytest.mark.parametrize(
    ("engine", "replicas", "names"),
    [
        pytest.param("redis", 0, ["bitnami/redis"], id="one redis"),
        pytest.param("redis", 2, ["bitnami/redis", "dandydeveloper/redis-ha"], id="redis with replicas"),
        pytest.param("valkey", 0, ["bitnami/valkey", "valkey-io/valkey-helm"], id="one valkey"),
        pytest.param("valkey", 2, ["bitnami/valkey", "valkey-io/valkey-helm"], id="valkey with replicas"),
        pytest.param("keydb", 0, [], id="keydb has no common chart"),
    ],
)
def test_values_are_yaml_that_says_the_plan(engine, replicas, names):
    answer = planned(engine, replicas, "aof")
    charts = [snippet for snippet in answer.snippets if snippet.name.startswith("Helm")]
    assert [chart.name.removeprefix("Helm values, ") for chart in charts] == names
    for chart in charts:
        values = yaml.safe_load(chart.text)
        for name in ("master", "primary", "redis"):
            values = {**values, **values.get(name, {})}
        assert parse_quantity(values["resources"]["limits"]["memory"]) == answer.limit_bytes
        conf = values.get("commonConfiguration") or values.get("valkeyConfig")
        if conf is None:
            conf = "\n".join(f"{name} {value}" for name, value in values["config"].items())
        directives, problems = redis_conf.parse(conf, "chart", lambda _pattern: ())
        config = redis_conf.effective(directives, engine_name=engine, version=None, has_config=True)
        assert not problems
        assert config.maxmemory == answer.maxmemory_bytes
        assert (config.save, config.appendonly) == ((), True)


def test_an_engine_that_does_not_fork_gets_its_limit_alone():
    answer = planned("dragonfly", 0, "rdb")
    assert [snippet.name for snippet in answer.snippets] == ["container (Kubernetes)"]
    assert yaml.safe_load(answer.snippets[0].text)["resources"]["limits"]["memory"] == format_quantity(4 * GIB)
