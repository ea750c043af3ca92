"""`bgsafe cluster` against an API server over HTTP: what it finds, what it is refused, and what it says then."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from checker.cli import cli
from checker.node_facts import LABEL, LABEL_VALUE, NodeFacts, config_map_name, content
from checker.units import GIB, MIB
from tests.build import a_node
from tests.survey.fleet import (
    VERSION,
    Objects,
    a_cluster,
    config_map,
    limit_range,
    owned,
    pod,
    refused,
    spec,
    workload,
)
from tests.webhook.clusters import api_server, kubeconfig

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/v1.json").read_text(encoding="utf-8"))

Run = Callable[..., Result]


@pytest.fixture
def log() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def run(tmp_path: Path, log: list[tuple[str, str, str]]) -> Iterator[Run]:
    """The command on a cluster that holds these objects."""
    with ExitStack() as stack:

        def go(objects: Objects, *arguments: str) -> Result:
            url = stack.enter_context(api_server(objects, log))
            named = ["cluster", "--kubeconfig", str(kubeconfig(tmp_path, url)), *arguments]
            return CliRunner().invoke(cli, named, prog_name="bgsafe")

        yield go


def subjects(result: Result) -> list[dict[str, Any]]:
    document = json.loads(result.output)
    Draft202012Validator(SCHEMA).validate(document)
    found: list[dict[str, Any]] = document["subjects"]
    return found


def names(found: list[dict[str, Any]]) -> list[str]:
    return [
        "/".join((each["subject"]["kind"], each["subject"]["namespace"], each["subject"]["name"])) for each in found
    ]


def test_each_owner_is_judged_once_the_worst_first(run):
    result = run(a_cluster(), "--format", "json")
    found = subjects(result)
    assert names(found) == [
        "Deployment/ads/rank",
        "StatefulSet/shop/cache",
        "Pod/ads/stray",
        "RedisThing/ads/odd",
    ]
    assert [each["verdict"] for each in found] == ["unsafe", "risky", "safe", "safe"]
    assert {each["subject"]["source"] for each in found} == {"cluster"}
    assert result.exit_code == 1
    assert json.loads(result.output)["summary"]["not_redis"] == 1  # the CronJob's redis-cli


def test_a_config_map_says_what_the_workload_does_not(run):
    cache = subjects(run(a_cluster(), "--format", "json"))[1]
    assert cache["estimate"]["maxmemory_bytes"] == 3 * GIB
    assert "ConfigMap cache" in cache["estimate"]["sources"]["resident_bytes"]


def test_a_config_map_that_may_not_be_read_leaves_its_server_unknown(run):
    objects = a_cluster() | refused("/api/v1/namespaces/shop/configmaps/cache")
    cache = subjects(run(objects, "--format", "json", "--namespace", "shop"))[0]
    assert cache["verdict"] == "unknown"
    assert "HTTP 403" in json.dumps(cache["findings"])


def test_a_limit_range_limits_what_has_no_limit_of_its_own(run):
    objects = {**VERSION, **workload("StatefulSet", "a", "x", spec(None, "--maxmemory", "600mb"))}
    objects |= limit_range("a", "700Mi")
    found = subjects(run(objects, "--format", "json"))[0]
    assert found["estimate"]["limit_bytes"] == 700 * MIB
    assert "LimitRange limits" in found["estimate"]["sources"]["limit_bytes"]


def test_a_pod_has_the_limit_that_it_was_started_with(run):
    objects = {**VERSION, **pod("a", "x", spec(None, "--maxmemory", "600mb")), **limit_range("a", "700Mi")}
    assert subjects(run(objects, "--format", "json"))[0]["estimate"]["limit_bytes"] is None


def test_without_the_permission_for_workloads_their_pods_speak_for_them(run):
    result = run(a_cluster() | refused("/apis/apps/v1/statefulsets"), "--format", "json")
    assert "StatefulSet/shop/cache" in names(subjects(result))
    (problem,) = json.loads(result.output)["problems"]
    assert problem["where"] == "statefulsets.apps of the cluster"
    assert "HTTP 403" in problem["why"]
    assert "--namespace" in problem["remedy"]
    assert result.exit_code == 1


def test_without_the_permission_for_pods_the_workloads_are_judged(run):
    result = run(a_cluster() | refused("/api/v1/pods"), "--format", "json")
    assert names(subjects(result)) == ["Deployment/ads/rank", "StatefulSet/shop/cache"]
    assert [problem["where"] for problem in json.loads(result.output)["problems"]] == ["pods of the cluster"]


def test_without_any_permission_nothing_was_checked(run):
    kinds = ("statefulsets", "deployments", "daemonsets")
    objects = refused(*(f"/apis/apps/v1/{kind}" for kind in kinds), "/apis/batch/v1/cronjobs")
    result = run({**VERSION, **objects, **refused("/api/v1/pods")})
    assert result.exit_code == 3
    assert result.output.count("HTTP 403") == 5


def test_some_namespaces_alone(run, log):
    found = subjects(run(a_cluster(), "--format", "json", "--namespace", "shop", "-l", "app=cache"))
    assert found == []  # the objects of this cluster have no such label themselves
    listed = [path for _, path, _ in log if "limit=" in path and "/namespaces/bgsafe/" not in path]
    assert len(listed) == 7
    assert all("/namespaces/shop/" in path for path in listed)
    # What a server uses has other labels than it.
    assert sum("labelSelector=app%3Dcache" in path for path in listed) == 5
    assert names(subjects(run(a_cluster(), "--format", "json", "--namespace", "shop"))) == ["StatefulSet/shop/cache"]


def test_it_only_reads(run, log):
    run(a_cluster())
    assert {method for method, _, _ in log} == {"GET"}
    assert not any("secrets" in path for _, path, _ in log)


def test_one_replica_tells_its_release_that_there_are_replicas(run):
    release = {"labels": {"app.kubernetes.io/instance": "one"}}
    objects = {**VERSION, **workload("StatefulSet", "a", "master", spec("4Gi", "--maxmemory", "1gb"), **release)}
    replica = spec("4Gi", "--maxmemory", "1gb", "--replicaof", "master", "6379")
    objects |= workload("StatefulSet", "a", "replica", replica, **release)
    objects |= workload("StatefulSet", "a", "other", spec("4Gi", "--maxmemory", "1gb"))
    causes = {
        each["subject"]["name"]: each["engine"]["fork_causes"] for each in subjects(run(objects, "--format", "json"))
    }
    assert causes == {"master": ["rdb", "replication"], "replica": ["rdb", "replication"], "other": ["rdb"]}


def test_a_policy_exempts(run, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: bgsafe.io/v1\nkind: Policy\nexempt: [{namespace: ads}]\n", encoding="utf-8")
    document = json.loads(run(a_cluster(), "--format", "json", "--policy", str(policy)).output)
    assert document["exempt"] == 3
    assert document["summary"]["risky"] == 1


def test_node_facts_answer_for_the_nodes_where_its_pods_run(run):
    objects = a_cluster()
    now = datetime.now(UTC)
    for number, (mode, age) in enumerate([(1, 1), (1, 1), (2, 1)]):
        node = a_node(overcommit_memory=mode, commit_limit=GIB, committed_as=GIB - MIB)
        name = f"node-{number}"
        facts = content(NodeFacts(name, node, now - timedelta(minutes=age)))
        published = config_map("bgsafe", config_map_name(name), **facts)
        next(iter(published.values()))["metadata"]["labels"] = {LABEL: LABEL_VALUE}
        objects |= published
    cache = next(
        each
        for each in subjects(run(objects, "--format", "json", "--facts-namespace", "bgsafe"))
        if each["subject"]["name"] == "cache"
    )
    finding = next(each for each in cache["findings"] if each["rule"] == "fork-refused")
    assert finding["status"] != "pass"
    assert "node-2" in finding["message"] or "1 of 3" in finding["message"]


def test_the_text_is_as_reviewed(run, golden):
    result = run(a_cluster() | refused("/apis/apps/v1/daemonsets"))
    golden("cluster.txt", result.output)


@pytest.mark.parametrize("form", ["text", "sarif", "junit", "github", "html"])
def test_every_format_has_it(run, form):
    result = run(a_cluster(), "--format", form)
    assert result.exit_code == 1
    assert "cache" in result.output


def test_in_a_cluster_that_does_not_answer_nothing_was_checked(tmp_path):
    path = kubeconfig(tmp_path, "http://127.0.0.1:1")
    result = CliRunner().invoke(cli, ["cluster", "--kubeconfig", str(path)], prog_name="bgsafe")
    assert result.exit_code == 3
    assert "read the API server's version" in result.output


def test_no_such_context_is_a_usage_error(tmp_path):
    path = kubeconfig(tmp_path, "http://127.0.0.1:1")
    result = CliRunner().invoke(cli, ["cluster", "--kubeconfig", str(path), "--context", "far"], prog_name="bgsafe")
    assert result.exit_code == 2
    assert "far" in result.output


def test_a_pod_of_a_job_of_a_cron_job_is_not_looked_into_twice(run):
    objects = {**VERSION, **workload("CronJob", "a", "load", spec("4Gi", "--maxmemory", "1gb"))}
    objects |= workload("Job", "a", "load-1", spec("4Gi", "--maxmemory", "1gb"), **owned("CronJob", "load"))
    objects |= pod("a", "load-1-x", spec("4Gi", "--maxmemory", "1gb"), **owned("Job", "load-1"))
    assert names(subjects(run(objects, "--format", "json"))) == ["CronJob/a/load"]


def test_without_the_kubernetes_client_it_says_what_to_install():
    program = "import sys; sys.modules['kubernetes'] = None\nfrom checker.cli import cli\ncli(['cluster'])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "pip install 'bgsafe[cluster]'" in ran.stderr
