"""What a review takes from the cluster: ConfigMaps, LimitRanges, the users of a ConfigMap, nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checker.facts import Unread
from checker.manifests import parsed
from checker.manifests.placement import Machine
from checker.policy import Policy
from checker.units import GIB
from tests.build import a_node
from tests.webhook.making import (
    ENFORCE,
    RISKY,
    SAFE,
    UNSAFE,
    Held,
    answered,
    config_map,
    container,
    denial,
    of_verdict,
    pod,
    unknown_container,
    warnings,
    workload,
)
from webhook.review.surroundings import MOST_ASKED

FORBIDDEN = Unread("ConfigMap redis-conf", "the webhook may not read it", "give its service account that permission")


def conf(maxmemory: str) -> str:
    return f"maxmemory {maxmemory}\n"


@pytest.mark.parametrize(
    ("maxmemory", "verdict"),
    [pytest.param(SAFE, "safe", id="fits"), pytest.param(UNSAFE, "unsafe", id="does not fit")],
)
def test_a_setting_in_a_config_map_is_read(maxmemory: str, verdict: str) -> None:
    around = Held(config_maps={"redis-conf": conf(maxmemory)})
    assert answered(pod(unknown_container()), around=around).conclusion == verdict
    assert answered(workload("StatefulSet", unknown_container()), around=around).conclusion == verdict


@pytest.mark.parametrize(
    ("held", "words"),
    [
        pytest.param(
            {},
            "ConfigMap redis-conf: is not in namespace shop (maxmemory-unset) bgsafe: to do: create it",
            id="not there",
        ),
        pytest.param({"redis-conf": FORBIDDEN}, "the webhook may not read it", id="not allowed"),
    ],
)
def test_a_config_map_that_was_not_read_is_named(held: dict[str, Any], words: str) -> None:
    said = answered(pod(unknown_container()), around=Held(config_maps=held))
    assert said.conclusion == "unknown"
    assert words in " ".join(" ".join(warnings(said)).split())


def test_an_object_without_an_engine_asks_for_nothing() -> None:
    around = Held()
    web = pod({"name": "web", "image": "nginx:1.27"})
    web["spec"]["volumes"] = [{"name": "config", "configMap": {"name": "nginx-conf"}}]
    assert answered(web, around=around).conclusion == "none"
    assert around.asked == []


def test_a_pod_of_many_config_maps_asks_for_some_of_them() -> None:
    sources = [{"configMapRef": {"name": f"part-{number}"}} for number in range(MOST_ASKED + 5)]
    around = Held()
    answered(pod(container(None, envFrom=sources)), around=around)
    assert len(set(around.asked)) == MOST_ASKED


# --- LimitRanges -----------------------------------------------------------------------------------------------------


def limit_range(memory: str) -> Any:
    limits = [{"type": "Container", "default": {"memory": memory}}]
    value = {"kind": "LimitRange", "metadata": {"name": "usual", "namespace": "shop"}, "spec": {"limits": limits}}
    return parsed(value, "the cluster")


def without_limit() -> dict[str, Any]:
    return container(UNSAFE, resources={})


def test_the_default_of_a_limit_range_is_the_limit_of_a_template() -> None:
    around = Held(ranges=[limit_range("1Gi")])
    assert answered(workload("Deployment", without_limit()), around=around).conclusion == "unsafe"
    assert answered(workload("Deployment", without_limit()), around=Held()).conclusion == "risky"


def test_a_pod_has_its_defaults_already() -> None:
    around = Held(ranges=[limit_range("1Gi")])
    assert answered(pod(without_limit()), around=around).conclusion == "risky"
    assert "LimitRanges" not in around.asked


def test_limit_ranges_that_were_not_read_are_warned_of() -> None:
    around = Held(ranges=Unread("LimitRanges of shop", "HTTP 500", "see whether the API server answers"))
    said = answered(workload("Deployment", without_limit()), around=around)
    assert "not read: LimitRanges of shop: HTTP 500" in " ".join(warnings(said))
    assert said.error == "unread"
    assert warnings(answered(workload("Deployment", container(SAFE)), around=around)) == []


# --- an update of a ConfigMap ----------------------------------------------------------------------------------------


def updated(new: str, old: str, policy: Policy = ENFORCE, **held: Any) -> Any:
    users = held.pop("running", [workload("StatefulSet", unknown_container())])
    named = [{**each, "metadata": {"name": "cache", "namespace": "shop"}} for each in users]
    around = Held(running=named, **held)
    return answered(config_map(new), "UPDATE", old=config_map(old), policy=policy, around=around)


def test_a_config_map_that_makes_its_user_unsafe_is_denied() -> None:
    said = updated(conf(UNSAFE), conf(SAFE))
    assert (said.kind, said.conclusion, said.allowed) == ("ConfigMap", "unsafe", False)
    assert denial(said).startswith(
        "bgsafe: ConfigMap redis-conf in shop makes servers unsafe\nStatefulSet cache, container redis is unsafe: "
    )


def test_in_warn_mode_it_is_warned_of() -> None:
    said = updated(conf(RISKY), conf(SAFE), Policy(mode="warn"))
    assert said.allowed
    assert warnings(said)[0].startswith("bgsafe: StatefulSet cache, container redis is risky: ")


@pytest.mark.parametrize(
    ("new", "old"),
    [
        pytest.param(conf(UNSAFE), conf("950mb"), id="it was unsafe before"),
        pytest.param(conf(SAFE), conf(UNSAFE), id="it is mended"),
    ],
)
def test_the_ratchet_holds_for_a_config_map(new: str, old: str) -> None:
    assert updated(new, old).allowed


def test_an_update_that_changes_no_data_reads_nothing() -> None:
    failed = Unread("workloads", "HTTP 500", "")
    assert updated(conf(UNSAFE), conf(UNSAFE), running=[], ranges=failed).conclusion == "none"


def test_workloads_that_do_not_use_it_do_not_count() -> None:
    other = workload("StatefulSet", container(UNSAFE))
    other["spec"]["template"]["spec"]["volumes"] = []
    assert updated(conf(UNSAFE), conf(SAFE), running=[other]).conclusion == "none"


def test_workloads_that_were_not_read_are_warned_of_and_deny_nothing() -> None:
    around = Held(running=Unread("workloads of shop", "HTTP 403", "grant it"))
    said = answered(config_map(conf(UNSAFE)), "UPDATE", old=config_map(conf(SAFE)), around=around)
    assert said.allowed
    assert warnings(said) == ["bgsafe: not read: workloads of shop: HTTP 403 (grant it)"]


def test_a_new_config_map_has_no_users_yet() -> None:
    assert answered(config_map(conf(UNSAFE)), around=Held()).conclusion == "none"


# --- nodes -----------------------------------------------------------------------------------------------------------

STRICT = a_node(overcommit_memory=2, commit_limit=GIB // 8)


def fleet(*pools: str) -> Any:
    return [
        (Machine(f"node-{number}", {"pool": pool}), STRICT if pool == "db" else a_node())
        for number, pool in enumerate(pools, 1)
    ]


def test_the_nodes_where_it_may_be_put_are_asked() -> None:
    said = answered(of_verdict("safe"), around=Held(nodes=fleet("web", "db", "web", "db")))
    assert said.conclusion == "risky"
    words = " ".join(" ".join(warnings(said)).split())
    assert "2 of 4 eligible nodes would refuse the fork (vm.overcommit_memory=2: node-2, node-4)" in words


@pytest.mark.parametrize(
    ("pool", "verdict"),
    [pytest.param("web", "safe", id="to those that grant"), pytest.param("db", "unsafe", id="to those that refuse")],
)
def test_a_node_selector_decides_which(pool: str, verdict: str) -> None:
    value = of_verdict("safe")
    value["spec"]["nodeSelector"] = {"pool": pool}
    assert answered(value, around=Held(nodes=fleet("web", "db", "web"))).conclusion == verdict


def test_without_agents_the_verdict_is_that_of_lint() -> None:
    silent = [(Machine("node-1", {}), Unread("facts of node node-1", "no agent published any", ""))]
    assert answered(of_verdict("safe"), around=Held(nodes=silent)).conclusion == "safe"


def test_moving_a_pod_template_to_nodes_that_refuse_is_worse() -> None:
    before = workload("StatefulSet", container(SAFE))
    after = workload("StatefulSet", container(SAFE))
    after["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "db"}
    around = Held(nodes=fleet("web", "db"))
    said = answered(after, "UPDATE", old=before, around=around)
    assert not said.allowed
    assert answered(before, "UPDATE", old=after, around=around, policy=replace(ENFORCE, deny_on="risky")).allowed
