"""What reviews ask of a cluster, over the API's wire format: cached, bounded, and given up in time."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from checker.cluster import objects
from checker.cluster.api import ClusterError, connect
from checker.cluster.objects import PAGE_OBJECTS, Objects
from checker.deadline import within
from checker.facts import Node, Unread
from checker.manifests import Document
from checker.node_facts import LABEL, LABEL_VALUE, MAX_AGE, NodeFacts, config_map_name, content
from tests.build import a_node
from tests.webhook.clusters import api_server, kubeconfig
from webhook import lookups as module
from webhook.lookups import FORBIDDEN_SECONDS, FRESH_SECONDS, LOST_SECONDS, SILENT_SECONDS, Lookups

CORE = "/api/v1/namespaces/shop"
CONFIG_MAP = f"{CORE}/configmaps/redis-conf"
FACTS = "/api/v1/namespaces/ops/configmaps/"


def stored(name: str, **rest: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": "1", "managedFields": [{}]}, **rest}


class World:
    """A cluster behind HTTP, and lookups with a clock of their own."""

    def __init__(self, folder: Path, url: str, objects: dict[str, Any], log: list[tuple[str, str, str]]) -> None:
        self.objects, self.log, self.now, self.failures = objects, log, 1000.0, 0
        self.kubeconfig = kubeconfig(folder, url)
        self.lookups = self.another()

    def another(self, *, resolve: bool = True, facts: str | None = "ops") -> Lookups:
        made = Lookups(
            lambda: Objects(connect(self.kubeconfig)),
            resolve=resolve,
            facts_namespace=facts,
            failed=self._count,
            clock=lambda: self.now,
        )
        made.look()
        return made

    def _count(self) -> None:
        self.failures += 1

    def asked(self, word: str) -> int:
        return sum(word in path for _, path, _ in self.log)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    log: list[tuple[str, str, str]] = []
    objects = {
        "/version/": {"major": "1", "minor": "34"},
        "/version": {"major": "1", "minor": "34"},
        "/api/v1/namespaces/shop": stored("shop"),
        CONFIG_MAP: stored("redis-conf", data={"redis.conf": "maxmemory 100mb\n"}),
    }
    with api_server(objects, log) as url:
        yield World(tmp_path, url, objects, log)


def test_a_config_map_is_read_once_and_again_when_it_is_old(world: World) -> None:
    found = [world.lookups.config_map("shop", "redis-conf") for _ in range(3)]
    assert isinstance(found[0], Document)
    assert (found[0].value["kind"], found[0].value["data"]) == ("ConfigMap", {"redis.conf": "maxmemory 100mb\n"})
    assert "managedFields" not in found[0].value["metadata"]
    assert world.asked("configmaps/redis-conf") == 1
    world.now += FRESH_SECONDS
    world.lookups.config_map("shop", "redis-conf")
    assert world.asked("configmaps/redis-conf") == 2


def test_what_is_missing_is_asked_for_again_since_it_comes_next(world: World) -> None:
    missing = world.lookups.config_map("shop", "later")
    assert str(missing) == "ConfigMap later: is not in namespace shop yet (create it first)"
    world.objects[f"{CORE}/configmaps/later"] = stored("later", data={})
    assert isinstance(world.lookups.config_map("shop", "later"), Document)
    assert world.failures == 0


def test_a_permission_that_is_missing_is_not_asked_for_at_every_review(world: World) -> None:
    world.objects[CONFIG_MAP] = {"refuse": 403}
    for _ in range(3):
        assert "may not read it" in str(world.lookups.config_map("shop", "redis-conf"))
    assert (world.asked("configmaps/redis-conf"), world.failures) == (1, 1)
    world.objects[CONFIG_MAP] = stored("redis-conf", data={})
    world.now += FORBIDDEN_SECONDS
    assert isinstance(world.lookups.config_map("shop", "redis-conf"), Document)


def test_an_api_server_that_fails_is_left_alone_for_a_while(world: World) -> None:
    world.objects[CONFIG_MAP] = {"refuse": 500}
    first = world.lookups.config_map("shop", "redis-conf")
    second = world.lookups.labels("shop")
    assert isinstance(first, Unread)
    assert isinstance(second, Unread)
    assert "HTTP 500" in first.why
    assert "HTTP 500" in second.why
    assert world.asked("/namespaces/shop") == 1
    world.now += SILENT_SECONDS
    assert world.lookups.labels("shop") == {}


def test_labels_are_those_of_the_namespace(world: World) -> None:
    world.objects[CORE]["metadata"]["labels"] = {"bgsafe.io/mode": "audit"}
    assert world.lookups.labels("shop") == {"bgsafe.io/mode": "audit"}
    assert "there is no such namespace" in str(world.lookups.labels("nowhere"))


def test_limit_ranges_are_those_of_the_namespace(world: World) -> None:
    assert world.lookups.limit_ranges("shop") == []
    world.now += FRESH_SECONDS
    world.objects[f"{CORE}/limitranges/usual"] = stored("usual", spec={"limits": []})
    world.objects["/api/v1/namespaces/else/limitranges/other"] = stored("other")
    found = world.lookups.limit_ranges("shop")
    assert not isinstance(found, Unread)
    assert [(each.value["kind"], each.value["metadata"]["name"]) for each in found] == [("LimitRange", "usual")]


def test_workloads_that_use_a_config_map_are_found_and_not_their_pods(world: World) -> None:
    uses = {"volumes": [{"configMap": {"name": "redis-conf"}}]}
    apps = "/apis/apps/v1/namespaces/shop"
    world.objects[f"{apps}/statefulsets/cache"] = stored("cache", spec=uses)
    world.objects[f"{apps}/deployments/web"] = stored("web", spec={"volumes": [{"configMap": {"name": "web"}}]})
    world.objects[f"{CORE}/pods/bare"] = stored("bare", spec=uses)
    owned = stored("cache-0", spec=uses)
    owned["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "controller": True}]
    world.objects[f"{CORE}/pods/cache-0"] = owned
    found = world.lookups.workloads("shop", "redis-conf")
    assert not isinstance(found, Unread)
    assert [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in found] == [
        ("apps/v1", "StatefulSet", "cache"),
        ("v1", "Pod", "bare"),
    ]


def test_lists_are_read_to_their_end(world: World) -> None:
    for number in range(2 * PAGE_OBJECTS + 1):
        name = f"pod-{number:04}"
        world.objects[f"{CORE}/pods/{name}"] = stored(name, spec={"uses": "redis-conf"})
    world.now += FRESH_SECONDS
    found = Objects(connect(world.kubeconfig)).workloads("shop")
    assert len({each["metadata"]["name"] for each in found}) == 2 * PAGE_OBJECTS + 1
    assert world.asked("pods?") == 3
    too_many = world.lookups.workloads("shop", "redis-conf")
    assert "too many to read in time" in str(too_many)


def test_a_list_that_does_not_end_is_not_taken_for_its_beginning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_PAGES", 2)
    for number in range(2 * PAGE_OBJECTS + 1):
        world.objects[f"/api/v1/nodes/node-{number:04}"] = {"metadata": {"name": f"node-{number:04}"}, "spec": {}}
    with pytest.raises(ClusterError, match="list Nodes: more than 2 pages"):
        list(Objects(connect(world.kubeconfig)).nodes())


def test_a_review_without_time_asks_nobody(world: World) -> None:
    with within(0.001):
        found = world.lookups.config_map("shop", "redis-conf")
    assert "no time was left" in str(found)
    assert world.asked("configmaps/redis-conf") == 0


def test_an_api_server_that_hangs_costs_no_more_than_the_deadline_allows(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stop = threading.Event()
        held: list[socket.socket] = []

        def accept() -> None:
            silent.settimeout(0.05)
            while not stop.is_set():
                try:
                    held.append(silent.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        lookups = Lookups(lambda: Objects(connect(kubeconfig(tmp_path, url))), resolve=True, facts_namespace=None)
        lookups._objects = Objects(connect(kubeconfig(tmp_path, url)))
        started = monotonic()
        with within(0.2):
            assert isinstance(lookups.config_map("shop", "redis-conf"), Unread)
            assert monotonic() - started < 0.2  # the deadline's own bound, not a speed
        stop.set()
        thread.join()
        for each in held:
            each.close()


def test_what_is_kept_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.MOST_CACHED_BYTES >= 1_000_000
    text = "x" * 1_000_000
    for number in range(20):
        name = f"big-{number}"
        world.objects[f"{CORE}/configmaps/{name}"] = stored(name, data={"redis.conf": text})
        assert isinstance(world.lookups.config_map("shop", name), Document)
    assert world.lookups._cache.currsize <= module.MOST_CACHED_BYTES
    assert len(world.lookups._cache) < 20


def test_what_is_not_to_be_asked_is_not_asked(world: World) -> None:
    lookups = world.another(resolve=False, facts=None)
    before = len(world.log)
    for found in (
        lookups.labels("shop"),
        lookups.config_map("shop", "redis-conf"),
        lookups.limit_ranges("shop"),
        lookups.workloads("shop", "redis-conf"),
    ):
        assert isinstance(found, Unread)
    assert (len(world.log), lookups.fleet()) == (before, ())


# --- nodes -----------------------------------------------------------------------------------------------------------


def publish(world: World, name: str, age: timedelta, **data: Any) -> None:
    facts = NodeFacts(name, a_node(overcommit_memory=2), datetime.now(UTC) - age)
    metadata = {"name": config_map_name(name), "labels": {LABEL: LABEL_VALUE}}
    world.objects[FACTS + config_map_name(name)] = {"metadata": metadata, "data": data or content(facts)}


def test_nodes_come_with_what_their_agents_published(world: World) -> None:
    for name in ("told", "silent", "old", "garbled"):
        world.objects[f"/api/v1/nodes/{name}"] = {"metadata": {"name": name, "labels": {"pool": "db"}}, "spec": {}}
    publish(world, "told", timedelta(0))
    publish(world, "old", MAX_AGE + timedelta(minutes=1))
    publish(world, "garbled", timedelta(0), **{"facts.json": "{"})
    world.objects[FACTS + "other"] = {"metadata": {"name": "other"}, "data": {}}
    found = {on.name: facts for on, facts in world.another().fleet()}
    assert isinstance(found["told"], Node)
    assert found["told"].overcommit_memory == 2
    assert str(found["old"]) == "facts of node old: are 31 minutes old (see whether its agent runs)"
    assert "no agent published any" in str(found["silent"])
    assert "no agent published any" in str(found["garbled"])
    assert world.failures == 0


def test_nodes_that_cannot_be_read_any_more_stay_as_they_were(world: World) -> None:
    world.objects["/api/v1/nodes/one"] = {"metadata": {"name": "one"}, "spec": {}}
    lookups = world.another()
    world.objects["/api/v1/nodes"] = {"refuse": 403}
    lookups.look()
    assert [on.name for on, _ in lookups.fleet()] == ["one"]
    assert world.failures == 1


# --- readiness -------------------------------------------------------------------------------------------------------


def test_a_replica_that_has_lost_the_api_server_is_not_ready(world: World) -> None:
    assert world.lookups.not_ready() is None
    world.objects["/version/"] = world.objects["/version"] = {"refuse": 500}
    world.now += LOST_SECONDS - 1
    world.lookups.look()
    assert world.lookups.not_ready() is None
    world.now += 1
    assert world.lookups.not_ready() == "the API server has not been reached for 90 s"


def test_one_that_never_reached_it_is_not_ready(tmp_path: Path) -> None:
    lookups = Lookups(lambda: Objects(connect(tmp_path / "none")), resolve=True, facts_namespace=None)
    lookups.look()
    assert lookups.not_ready() == "the API server has not been reached yet"
    assert "see whether the API server answers" in str(lookups.config_map("shop", "redis-conf"))


def test_an_object_that_is_no_json_is_an_error_with_a_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
            client.close()

        thread = threading.Thread(target=answer)
        thread.start()
        objects = Objects(connect(kubeconfig(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")))
        with pytest.raises(ClusterError, match="read ConfigMap shop/redis-conf: JSONDecodeError"):
            objects.config_map("shop", "redis-conf")
        thread.join()


def test_the_size_of_what_is_kept_counts_every_document(world: World) -> None:
    for number in range(3):
        world.objects[f"{CORE}/limitranges/r{number}"] = stored(f"r{number}", spec={"x": "y" * 1000})
    found = world.lookups.limit_ranges("shop")
    assert not isinstance(found, Unread)
    assert world.lookups._cache.currsize >= sum(len(json.dumps(each.value)) for each in found)
