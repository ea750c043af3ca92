"""What is read to understand objects, and that no object, whatever it holds, stops the reading."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.cluster.api import connect
from checker.cluster.lists import Lists
from checker.cluster.objects import Objects
from checker.facts import Node
from checker.node_facts import LABEL, LABEL_VALUE, MAX_AGE, NodeFacts, config_map_name, content
from checker.survey import reading
from checker.survey.owners import Seen, resolve
from checker.survey.reading import Wanted, read, take, take_pod
from checker.survey.sightings import Surroundings, may_start
from checker.units import MIB
from tests.build import a_node
from tests.cluster.objects import Object, made_by, pod, stored, workload
from tests.cluster.serving import Answer, Served, serving
from tests.survey.conftest import Scan
from tests.webhook.clusters import kubeconfig
from tests.webhook.making import SAFE, container

# --- ConfigMaps ---

SCRIPT = "#!/bin/sh\nexec redis-server --maxmemory 900mb\n"


def started_by_script(namespace: str = "shop") -> Object:
    """A pod in which nothing but a mounted script names an engine."""
    mount = [{"name": "config", "mountPath": "/scripts"}]
    started = container(None, image="registry.example/base:3", command=["/scripts/run.sh"], args=[], volumeMounts=mount)
    value = workload("StatefulSet", "hidden", {**started, "name": "main"}, namespace=namespace)
    value["spec"]["template"]["spec"]["volumes"] = [{"name": "config", "configMap": {"name": "scripts"}}]
    return value


def test_a_script_in_a_config_map_that_starts_a_server_is_followed(scan: Scan) -> None:
    served = Served().add(started_by_script(), stored("ConfigMap", "scripts", data={"run.sh": SCRIPT}))
    assert scan(served).verdicts == {"StatefulSet/shop/hidden/main": "unsafe"}


def test_a_config_map_of_another_namespace_starts_nothing(scan: Scan) -> None:
    script = stored("ConfigMap", "scripts", namespace="web", data={"run.sh": SCRIPT})
    assert scan(Served().add(started_by_script(), script)).verdicts == {}


def test_config_maps_that_name_an_engine_and_start_none_cost_no_request(scan: Scan) -> None:
    served = Served().add(
        started_by_script(), stored("ConfigMap", "scripts", data={"app.yaml": "cache: redis://cache:6379\n"})
    )
    assert scan(served).code == 3
    assert not [path for path in served.paths() if path.endswith("/configmaps/scripts")]


# --- nodes ---


REFUSING = a_node(overcommit_memory=2, commit_limit=100 * MIB, committed_as=50 * MIB)


def published(name: str, node: Node, age: timedelta = timedelta(0)) -> Object:
    facts = content(NodeFacts(name, node, datetime.now(UTC) - age))
    labels = {LABEL: LABEL_VALUE}
    return stored("ConfigMap", config_map_name(name), namespace="bgsafe", labels=labels, data=facts)


def a_fleet(*pods: Object) -> Served:
    """Two nodes that grant a fork, one that refuses it, and one of which nobody tells."""
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{n}"}} for n in range(1, 5)]
    told = [published("node-1", a_node()), published("node-2", a_node()), published("node-3", REFUSING)]
    return Served().add(workload("StatefulSet", "cache", container(SAFE)), *pods, *nodes, *told)


def of_cache(number: int, node: str) -> Object:
    return pod(f"cache-{number}", container(SAFE), node=node, ownerReferences=made_by("StatefulSet", "cache"))


def fork_refused(scan: Scan, served: Served, *options: str) -> tuple[str, str] | None:
    (subject,) = scan(served, *options).report["subjects"]
    found = [each for each in subject["findings"] if each["rule"] == "fork-refused"]
    return (found[0]["status"], found[0]["message"].partition(" (")[0]) if found else None


@pytest.mark.parametrize(
    ("nodes", "answer"),
    [
        pytest.param(["node-1", "node-2"], ("pass", "all 2 nodes would grant the fork"), id="granted where it runs"),
        pytest.param(["node-1", "node-3"], ("fail", "1 of 2 nodes would refuse the fork"), id="refused on one of them"),
        pytest.param(
            ["node-1", "node-4"],
            ("pass", "1 of 2 nodes would grant the fork; of 1 no agent has told"),
            id="one of which nobody tells",
        ),
        pytest.param(["node-4"], None, id="nobody tells of any"),
        pytest.param(
            [], ("warn", "1 of 4 eligible nodes would refuse the fork"), id="it runs nowhere, and may go anywhere"
        ),
    ],
)
def test_the_nodes_are_those_that_it_runs_on(nodes: list[str], answer: tuple[str, str] | None, scan: Scan) -> None:
    assert fork_refused(scan, a_fleet(*(of_cache(n, node) for n, node in enumerate(nodes)))) == answer


def test_facts_that_are_old_are_no_facts(scan: Scan) -> None:
    served = Served().add(pod("solo", container(SAFE)), published("node-1", REFUSING, MAX_AGE + timedelta(minutes=1)))
    assert fork_refused(scan, served) is None


def test_without_agents_no_node_is_asked_for(scan: Scan) -> None:
    served = Served().add(pod("solo", container(SAFE)))
    scan(served)
    assert "/api/v1/nodes" not in served.paths()


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        pytest.param((), [], id="nobody spoke of agents"),
        pytest.param(("--facts-namespace=bgsafe",), ["configmaps of namespace bgsafe"], id="they were named"),
    ],
)
def test_facts_that_may_not_be_read_are_missed_where_they_were_asked_for(
    options: tuple[str, ...], problems: list[str], scan: Scan
) -> None:
    served = Served().add(pod("solo", container(SAFE)))
    served.fault = lambda path, _query: Answer(403) if "/namespaces/bgsafe/" in path else None
    assert [problem.partition(":")[0] for problem in scan(served, *options).problems] == problems


def test_facts_that_are_not_readable_are_a_problem(scan: Scan) -> None:
    wrong = stored("ConfigMap", "wrong", namespace="bgsafe", labels={LABEL: LABEL_VALUE}, data={"facts.json": "{"})
    (problem,) = scan(Served().add(pod("solo", container(SAFE)), wrong)).problems
    assert problem.startswith("ConfigMap bgsafe/wrong: published node facts is not readable")


# --- objects of any form ---

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths_of(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places in an object."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(path for key, inner in items for path in paths_of(inner, (*above, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    if isinstance(value, dict):
        return {key: replaced(inner, path[1:], by) if key == path[0] else inner for key, inner in value.items()}
    return [replaced(inner, path[1:], by) if key == path[0] else inner for key, inner in enumerate(value)]


WHOLE = [
    pod("cache-0", container(SAFE), ownerReferences=made_by("StatefulSet", "cache"), labels={"a": "b"}),
    workload("CronJob", "load", container(SAFE), labels={"app.kubernetes.io/instance": "x"}),
    {
        **stored("RedisFailover", "c", spec={"redis": {"image": "redis:7", "customConfig": ["maxmemory 1gb"]}}),
        "apiVersion": "databases.spotahome.com/v1",
    },
]


@settings(max_examples=150)
@given(data=st.data())
def test_no_object_stops_the_reading(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    path = data.draw(st.sampled_from([path for path in paths_of(whole) if path and path != ("kind",)]))
    value = replaced(whole, path, data.draw(JUNK))
    seen, around = Seen(), Surroundings()
    if may_start(value, around):
        (take_pod if whole["kind"] == "Pod" else take)(value, seen, around)
    resolve(seen, seen.sightings)


@pytest.mark.parametrize("kind", ["Pod", "StatefulSet"])
def test_an_object_without_anything_is_none(kind: str) -> None:
    assert not may_start({"kind": kind, "apiVersion": "v1"}, Surroundings())


@pytest.mark.parametrize(
    ("levels", "problems"),
    [
        pytest.param(600, [], id="readable"),
        pytest.param(20_000, ["redisfailovers.databases.spotahome.com of the cluster"], id="not readable"),
    ],
)
def test_an_object_that_is_nested_too_deeply_hides_no_other_kind(levels: int, problems: list[str], scan: Scan) -> None:
    """Custom resources may be, by whoever may create one: the API server bounds them at 10,000 levels."""
    deep = {**stored("RedisFailover", "deep", spec={"redis": {"image": "redis:7"}}), "apiVersion": "x.example/v1"}
    served = Served().add(workload("StatefulSet", "cache", container(SAFE)), deep)
    whole = served.answer

    def answer(path: str, query: dict[str, str]) -> Any:
        found = whole(path, query)
        if not path.endswith("/redisfailovers"):
            return found
        text = json.dumps(found)[:-1].replace('"redis:7"', "@", 1)
        return text.replace("@", '{"a":' * levels + "1" + "}" * levels) + "}"

    served.answer = answer  # type: ignore[method-assign]
    said = scan(served)
    assert said.verdicts["StatefulSet/shop/cache/redis"] == "safe"
    assert [problem.partition(":")[0] for problem in said.problems] == problems
    assert said.code == (2 if problems else 0)


def test_an_object_that_takes_too_long_is_left_out_and_named(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_OBJECT_SECONDS", -1.0)
    said = scan(Served().add(workload("StatefulSet", "cache", container(SAFE))))
    assert said.problems == ["StatefulSet shop/cache: takes too long to follow"]
    assert said.code == 3


# --- the end ---


def test_who_interrupts_it_does_not_wait_for_the_lists(tmp_path: Path) -> None:
    """A list that would take a thousand pages."""
    served = Served(made={"v1/pods": (250_000, lambda number: pod(f"pod-{number}", {"name": "web", "image": "nginx"}))})
    pages = []

    def stop(_count: int) -> None:
        pages.append(_count)
        if len(pages) > 2:
            raise KeyboardInterrupt

    with serving(served) as url:
        client = connect(kubeconfig(tmp_path, url))
        with pytest.raises(KeyboardInterrupt):
            read(Lists(client), Objects(client), Wanted(), stop)
    assert len([path for path in served.paths() if path == "/api/v1/pods"]) < 10
