"""Who made whom: once each, and completed by what an operator's resource says."""

from __future__ import annotations

from typing import Any

import pytest

from checker.facts import Unread
from checker.survey.owners import completed
from tests.build import UNREAD, a_config
from tests.cluster.objects import Object, made_by, pod, stored, workload
from tests.cluster.serving import Served
from tests.survey.conftest import Scan
from tests.webhook.making import SAFE, UNSAFE, container

FAILOVER_SPEC = {
    "redis": {"replicas": 3, "resources": {"limits": {"memory": "8Gi"}}, "customConfig": [f"maxmemory {SAFE}"]},
    "sentinel": {"replicas": 3},
}


def failover(**metadata: Any) -> Object:
    value = stored("RedisFailover", "cache", spec=FAILOVER_SPEC, **metadata)
    return {**value, "apiVersion": "databases.spotahome.com/v1"}


def made_set(*containers: Object) -> Object:
    return workload("StatefulSet", "rfr-cache", *containers, ownerReferences=made_by("RedisFailover", "cache"))


def in_1gib(**changed: Any) -> Object:
    """A container as an operator makes it: a limit of 1 GiB, and no maxmemory."""
    return container(None, args=[], **changed)


def test_an_operators_resource_alone_is_judged(scan: Scan) -> None:
    said = scan(Served().add(failover()))
    assert list(said.verdicts) == ["RedisFailover/shop/cache/redis"]
    assert said.report["subjects"][0]["estimate"]["limit_bytes"] == 8 << 30
    assert said.report["summary"]["not_redis"] == 1  # its sentinels


def test_what_was_made_of_it_goes_before_it_and_is_completed_by_it(scan: Scan) -> None:
    said = scan(Served().add(failover(), made_set(in_1gib())))
    assert list(said.verdicts) == ["StatefulSet/shop/rfr-cache/redis"]
    estimate = said.report["subjects"][0]["estimate"]
    assert (estimate["limit_bytes"], estimate["maxmemory_bytes"]) == (1 << 30, 100 << 20)
    assert "spec.redis.customConfig" in estimate["sources"]["resident_bytes"]


def test_what_the_made_object_says_itself_holds(scan: Scan) -> None:
    said = scan(Served().add(failover(), made_set(container(UNSAFE))))
    assert said.report["subjects"][0]["estimate"]["maxmemory_bytes"] == 900 << 20


def test_pods_that_the_operator_makes_itself_are_one_server(scan: Scan) -> None:
    pods = [pod(f"cache-{n}", in_1gib(), ownerReferences=made_by("RedisFailover", "cache")) for n in range(3)]
    said = scan(Served().add(failover(), *pods))
    assert list(said.verdicts) == ["RedisFailover/shop/cache/redis"]
    estimate = said.report["subjects"][0]["estimate"]
    assert (estimate["limit_bytes"], estimate["maxmemory_bytes"]) == (1 << 30, 100 << 20)


def test_a_resource_whose_sentinels_alone_were_read_is_judged_itself(scan: Scan) -> None:
    sentinels = {"name": "sentinel", "image": "redis:7", "command": ["redis-server", "/s.conf", "--sentinel"]}
    made = workload("Deployment", "rfs-cache", sentinels, ownerReferences=made_by("RedisFailover", "cache"))
    assert list(scan(Served().add(failover(), made)).verdicts) == ["RedisFailover/shop/cache/redis"]


def test_another_namespaces_object_of_that_name_is_not_its(scan: Scan) -> None:
    said = scan(Served().add(failover(namespace="other"), made_set(in_1gib())))
    assert sorted(said.verdicts) == ["RedisFailover/other/cache/redis", "StatefulSet/shop/rfr-cache/redis"]


@pytest.mark.parametrize(
    ("pods", "name"),
    [
        pytest.param(
            [
                pod(
                    "cache-5d9-x",
                    ownerReferences=made_by("ReplicaSet", "cache-5d9"),
                    labels={"pod-template-hash": "5d9"},
                )
            ],
            "Deployment/shop/cache/redis",
            id="a ReplicaSet of a Deployment",
        ),
        pytest.param(
            [pod("lone-x", ownerReferences=made_by("ReplicaSet", "lone"))],
            "ReplicaSet/shop/lone/redis",
            id="a ReplicaSet of its own",
        ),
        pytest.param(
            [pod(f"set-{n}", ownerReferences=made_by("InstanceSet", "set")) for n in range(3)],
            "InstanceSet/shop/set/redis",
            id="a kind that is not read",
        ),
        pytest.param(
            [pod("cache-node-1", ownerReferences=made_by("Node", "node-1"))],
            "Pod/shop/cache-node-1/redis",
            id="a static pod",
        ),
        pytest.param([pod("bare")], "Pod/shop/bare/redis", id="a pod of nobody"),
    ],
)
def test_pods_are_named_by_who_made_them(pods: list[Object], name: str, scan: Scan) -> None:
    deployments = [workload("Deployment", "cache")] if name.startswith("Deployment") else []
    assert list(scan(Served().add(*deployments, *pods)).verdicts) == [name]


def test_a_cron_jobs_job_and_its_pod_are_the_cron_job(scan: Scan) -> None:
    pods = [pod(f"load-2947{n}-x", ownerReferences=made_by("Job", f"load-2947{n}")) for n in range(2)]
    other = pod("by-hand-x", ownerReferences=made_by("Job", "by-hand"))
    said = scan(Served().add(workload("CronJob", "load"), *pods, other))
    assert sorted(said.verdicts) == ["CronJob/shop/load/redis", "Job/shop/by-hand/redis"]


def limited(size: str | None) -> Object:
    return container(SAFE, resources={"limits": {"memory": size}} if size else {})


@pytest.mark.parametrize(
    ("template", "running", "expected", "source"),
    [
        pytest.param("1Gi", "1Gi", 1 << 30, "resources.limits.memory", id="the same"),
        pytest.param("2Gi", "1Gi", 1 << 30, "resources.limits.memory of pod cache-0", id="the pod has less"),
        pytest.param("1Gi", "2Gi", 1 << 30, "resources.limits.memory", id="the next pod has less"),
        pytest.param(None, "1Gi", 1 << 30, "resources.limits.memory of pod cache-0", id="a default of the cluster"),
        pytest.param("1Gi", None, 1 << 30, "resources.limits.memory", id="the pod is older than the limit"),
        pytest.param(None, None, None, "no limit (no resources.limits.memory)", id="none"),
    ],
)
def test_the_smaller_limit_of_template_and_pod_holds(
    template: str | None, running: str | None, expected: int | None, source: str, scan: Scan
) -> None:
    made = [pod("cache-0", limited(running), ownerReferences=made_by("StatefulSet", "cache"))]
    said = scan(Served().add(workload("StatefulSet", "cache", limited(template)), *made))
    estimate = said.report["subjects"][0]["estimate"]
    assert (estimate["limit_bytes"], estimate["sources"]["limit_bytes"]) == (expected, source)


def test_neighbours_are_those_of_one_instance(scan: Scan) -> None:
    never = container(SAFE, args=["--maxmemory", "900mb", "--save", ""])
    replica = container(SAFE, args=["--replicaof", "a", "6379"])
    served = Served().add(
        workload("StatefulSet", "a", never, labels={"app.kubernetes.io/instance": "a"}),
        workload("StatefulSet", "b", never, labels={"app.kubernetes.io/instance": "b"}),
        workload("StatefulSet", "a-replica", replica, labels={"app.kubernetes.io/instance": "a"}),
    )
    causes = {each["subject"]["name"]: each["engine"]["fork_causes"] for each in scan(served).report["subjects"]}
    assert "replication" in causes["a"]
    assert "replication" not in causes["b"]


@pytest.mark.parametrize(
    ("made", "said", "expected"),
    [
        pytest.param(
            a_config(maxmemory=0, sources={}), a_config(maxmemory=5, sources={"maxmemory": "spec"}), 5, id="left open"
        ),
        pytest.param(
            a_config(maxmemory=3, sources={"maxmemory": "args"}),
            a_config(maxmemory=5, sources={"maxmemory": "spec"}),
            3,
            id="said by what was made",
        ),
        pytest.param(
            a_config(maxmemory=3, sources={"maxmemory": "default of the image"}),
            a_config(maxmemory=5, sources={"maxmemory": "spec"}),
            5,
            id="a default of what was made",
        ),
        pytest.param(
            a_config(maxmemory=3, sources={}),
            a_config(maxmemory=5, sources={"maxmemory": "default of the operator"}),
            3,
            id="a default of the resource",
        ),
        pytest.param(a_config(maxmemory=UNREAD), a_config(maxmemory=5, sources={"maxmemory": "spec"}), 5, id="unread"),
    ],
)
def test_what_is_left_open_is_completed(made: Any, said: Any, expected: int) -> None:
    assert completed(made, said).maxmemory == expected


def test_who_is_the_master_is_not_known_where_the_operator_decides_it() -> None:
    open_ = Unread("replicaof", "the operator decides", "")
    assert completed(a_config(), a_config(replicaof=open_)).replicaof == open_
    told = a_config(replicaof=True, sources={"replicaof": "args"})
    assert completed(told, a_config(replicaof=open_)).replicaof is True
