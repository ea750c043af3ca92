"""What agents measured, from a Prometheus: a real one, and one that answers nonsense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker.facts import Sourced, WatchedFork
from checker.policy import Assumptions, Policy
from checker.rules import judge
from checker.survey.observed import Observed, Where, gather, queries, with_observed
from checker.survey.owners import Found, PodSeen
from checker.survey.sightings import Key, Sighting
from checker.units import MIB
from tests.build import a_manifest
from tests.cluster.answering import answering
from tests.cluster.objects import made_by, pod, workload
from tests.cluster.serving import Served
from tests.monitoring import prometheus
from tests.survey.conftest import Scan
from tests.webhook.making import SAFE, container
from tests.webhook.serving import until


def sample(pod: str, value: Any, server: str = "redis-server *:6379") -> dict[str, Any]:
    labels = {"namespace": "shop", "pod": pod, "container": "redis", "server": server, "instance": "10.0.0.7:9876"}
    return {"metric": labels, "value": [1.0, value]}


A = Where("shop", "cache-0", "redis")
B = Where("shop", "cache-1", "redis")

FORK = {"copied": 50.0 * MIB, "lifetime": 4.5, "ended": 1000.0, "resident": 400.0 * MIB}


def test_series_are_put_together_by_container() -> None:
    found = gather(
        {
            "rate": [sample("cache-0", "120"), sample("cache-0", "90", "other"), sample("", "7")],
            **{name: [sample("cache-0", str(value))] for name, value in FORK.items()},
        }
    )
    assert found == {A: Observed(120.0, FORK)}


def test_half_a_fork_is_none() -> None:
    answers = {name: [sample("cache-0", "5", f"server {name}")] for name in FORK}
    assert gather(answers) == {A: Observed(None, {})}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "x", None, {}], ids=repr)
def test_what_is_no_amount_is_left_out(value: Any) -> None:
    assert gather({"rate": [sample("cache-0", value), {"metric": {"pod": "a"}}, 3]}) == {}


BY = Sighting(key=Key("StatefulSet", "shop", "cache"), servers=(), others=(), controller=None, instance="")


def found(*pods: str) -> Found:
    seen = tuple(PodSeen("shop", name, f"uid of {name}", "", None, "") for name in pods)
    server = a_manifest()
    return Found(server=replace(server, subject=replace(server.subject, container="redis")), pods=seen, by=BY)


def test_the_busiest_pod_counts_and_the_forks_of_all() -> None:
    measured = {A: Observed(10.0, {**FORK, "ended": 2.0}), B: Observed(300.0, {**FORK, "ended": 1.0, "lifetime": 9.0})}
    server = with_observed(found("cache-0", "cache-1", "cache-2"), measured, 24)
    assert server.observed_rate == Sourced(300.0, "Prometheus: highest of 24 h, of pod cache-1")
    assert [fork.lifetime_seconds for fork in server.forks] == [9.0, 4.5]
    assert with_observed(found("another"), measured, 24).observed_rate is None


def test_a_pod_that_its_agent_knows_by_its_uid_alone_is_found() -> None:
    labels = {"namespace": "", "pod": "uid of cache-1", "container": "b2f0", "server": "redis-server *:6379"}
    measured = gather({"rate": [{"metric": labels, "value": [1.0, "4321"]}]})
    server = with_observed(found("cache-0", "cache-1"), measured, 24)
    assert server.observed_rate == Sourced(4321.0, "Prometheus: highest of 24 h, of pod cache-1")


def test_a_fork_copied_no_more_than_there_was() -> None:
    server = with_observed(found("cache-0"), {A: Observed(None, {**FORK, "copied": 900.0 * MIB})}, 24)
    assert [fork.copied_bytes for fork in server.forks] == [400 * MIB]
    assert with_observed(found("cache-0"), {A: Observed(None, {**FORK, "resident": 0.0})}, 24).forks == ()


@pytest.mark.parametrize(
    ("stated", "declared", "rate"),
    [
        pytest.param(None, None, 300.0, id="observed before the policy"),
        pytest.param(None, 5.0, 300.0, id="observed before declared"),
        pytest.param(7.0, 5.0, 7.0, id="stated before all"),
    ],
)
def test_what_is_observed_goes_before_what_is_declared(
    stated: float | None, declared: float | None, rate: float
) -> None:
    server = with_observed(found("cache-0"), {A: Observed(300.0)}, 24)
    server = replace(server, declared=replace(server.declared, write_rate_per_second=declared))
    estimate = judge(server, None, Assumptions(write_rate_per_second=stated), Policy()).estimate
    assert estimate is not None
    assert estimate.write_rate_per_second == rate


def fork_that_copied(mib: int) -> WatchedFork:
    return WatchedFork(resident_bytes=600 * MIB, copied_bytes=mib * MIB, seconds=8.0, lifetime_seconds=8.0, writes=None)


def test_real_forks_make_a_rate_higher_and_never_lower() -> None:
    def rate(*forks: WatchedFork) -> float:
        server = replace(a_manifest(), observed_rate=Sourced(1000.0, "Prometheus"), forks=forks)
        estimate = judge(server, None).estimate
        assert estimate is not None
        return estimate.write_rate_per_second

    assert rate() == 1000.0
    assert rate(fork_that_copied(3), fork_that_copied(3), fork_that_copied(3)) == 1000.0
    assert rate(fork_that_copied(500)) > 2000.0


def test_what_is_observed_is_no_assumption() -> None:
    server = replace(a_manifest(), observed_rate=Sourced(1000.0, "Prometheus"), forks=(fork_that_copied(80),))
    (finding,) = [each for each in judge(server, None).findings if each.rule == "assumed-inputs"]
    assert (finding.status, finding.message) == ("pass", "the write rate and the time of a save are observed")


LABELS = 'namespace="shop",pod="cache-1",container="redis",server="redis-server *:6379"'
METRICS = f"""\
bgsafe_server_info{{{LABELS},engine="redis",version="7.2",fork_method="fork",allocator="x",write_rate="measured"}} 1
bgsafe_write_rate_per_second{{{LABELS}}} 2345
bgsafe_server_resident_bytes{{{LABELS}}} {1000 * MIB}
bgsafe_fork_cow_bytes{{{LABELS}}} {60 * MIB}
bgsafe_fork_duration_seconds{{{LABELS}}} 12.5
bgsafe_fork_end_timestamp_seconds{{{LABELS}}} 1.7e9
bgsafe_server_info{{{LABELS.replace("cache-1", "cache-2")},write_rate="assumed"}} 1
bgsafe_write_rate_per_second{{{LABELS.replace("cache-1", "cache-2")}}} 99999
"""


def a_cache() -> Served:
    pods = [pod(f"cache-{n}", container(SAFE), ownerReferences=made_by("StatefulSet", "cache")) for n in range(3)]
    return Served().add(workload("StatefulSet", "cache", container(SAFE)), *pods)


@pytest.mark.skipif(prometheus.PROGRAM is None, reason="prometheus is not installed: apt install prometheus")
def test_a_real_prometheus_gives_the_measured_rate_and_not_the_assumed_one(tmp_path: Path, scan: Scan) -> None:
    with answering(METRICS) as exporter:
        scrape = [{"job_name": "bgsafe", "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}]}]
        with prometheus.running(tmp_path, scrape, []) as real:
            until(lambda: all(real.query(text) for text in queries(1).values()), 30)
            said = scan(a_cache(), f"--prometheus={real.url}", "--hours=1")
    assert said.problems == []
    estimate = said.report["subjects"][0]["estimate"]
    assert (estimate["write_rate_per_second"], estimate["sources"]["write_rate_per_second"]) == (
        2345,
        "Prometheus: highest of 1 h, of pod cache-1",
    )
    assert "1 watched fork" in estimate["sources"]["save_seconds"]


def test_a_prometheus_that_is_not_there_costs_its_figures_alone(scan: Scan) -> None:
    said = scan(a_cache(), "--prometheus=http://127.0.0.1:1")
    assert said.verdicts == {"StatefulSet/shop/cache/redis": "safe"}
    assert [problem.partition(":")[0] for problem in said.problems] == ["Prometheus"]
    assert said.code == 2
