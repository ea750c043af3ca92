"""The nodes where a pod may land, by what their agents published with the rights of deploy/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checker.facts import Node
from checker.node_facts import LABEL, LABEL_VALUE, NodeFacts, config_map_name, content
from checker.units import MIB
from tests.build import a_node
from tests.e2e.control_plane import ControlPlane
from tests.e2e.installed import Installed
from tests.e2e.kubectl import Kubectl
from tests.e2e.manifests import AGENT, NAMESPACE
from tests.e2e.objects import SAFE, Object, container, pod, workload

pytestmark = pytest.mark.live

REFUSING = a_node(overcommit_memory=2, commit_limit=100 * MIB, committed_as=50 * MIB)
"""vm.overcommit_memory=2, and not enough for a server of 100 MB and its child."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A node in a pool, and what an agent told of it how long ago."""

    pool: str
    node: Node | None  # None: it has no agent
    age: timedelta = timedelta(0)

    def object(self, name: str) -> Object:
        labels = {"kubernetes.io/hostname": name, "pool": self.pool}
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


NODES = {
    "node-1": Seen("general", a_node()),
    "node-2": Seen("general", a_node()),
    "node-3": Seen("tight", REFUSING),
    "node-4": Seen("new", None),
    "node-5": Seen("forgotten", REFUSING, timedelta(hours=1)),
    "node-6": Seen("tight", REFUSING),
}


@pytest.fixture(scope="module")
def nodes(cluster: ControlPlane, installed: Installed) -> Iterator[None]:
    """Nodes, and what their agents published: each as the agent's own service account."""
    admin = cluster.admin
    admin.create([seen.object(name) for name, seen in NODES.items()]).ok()
    for name in NODES:
        # The API server says of a new node that it is not ready, and nobody here is to say when it is.
        admin.run("patch", "node", name, "--type=json", '--patch=[{"op":"add","path":"/spec/taints","value":[]}]').ok()
    admin.run("taint", "nodes", "--selector=pool=tight", "tight:NoSchedule").ok()
    agent = Kubectl(admin.program, installed.kubeconfig_of(AGENT), NAMESPACE)
    for name, seen in NODES.items():
        if seen.node is not None:
            agent.create(published(NodeFacts(name, seen.node, datetime.now(UTC) - seen.age))).ok()
    yield
    admin.run("delete", "nodes", "--all", "--wait=false").ok()
    admin.within(NAMESPACE).run("delete", "configmaps", f"--selector={LABEL}={LABEL_VALUE}").ok()


def published(facts: NodeFacts) -> Object:
    metadata = {"name": config_map_name(facts.name), "labels": {LABEL: LABEL_VALUE}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content(facts)}


@pytest.fixture(scope="module", autouse=True)
def webhook(
    nodes: None, installed: Installed, policy_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """It reads the nodes when it starts."""
    with installed.protected(tmp_path_factory.mktemp("webhook") / "log", policy_file) as running:
        yield
        assert running.errors("lookup") == 0


TOLERATING = {"tolerations": [{"key": "tight", "operator": "Exists"}]}


def in_pools(*pools: str) -> dict[str, Any]:
    """Required affinity for nodes of these pools, and a toleration of all."""
    expression = {"key": "pool", "operator": "In", "values": list(pools)}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    return {"affinity": affinity, **TOLERATING}


def test_where_every_node_grants_the_fork_it_is_silent(shop: Kubectl) -> None:
    assert shop.create(pod(container(SAFE), spec=in_pools("general"))).ok().warnings == []


def test_where_every_node_refuses_the_fork_it_is_denied(shop: Kubectl) -> None:
    said = shop.create(workload("StatefulSet", container(SAFE), nodeSelector={"pool": "tight"}, **TOLERATING))

    assert said.denied, said
    assert "(fork-refused)" in said.stderr
    assert "vm.overcommit_memory=2" in said.stderr
    assert "node-3, node-6" in said.stderr


def test_where_some_would_refuse_it_they_are_named(shop: Kubectl) -> None:
    said = shop.create(pod(container(SAFE), spec=in_pools("general", "tight"))).ok()

    refusing = "2 of 4 eligible nodes would refuse the fork (vm.overcommit_memory=2: node-3, node-6)"
    assert f"container redis is risky: {refusing}" in said.told, said


def test_a_taint_that_is_not_tolerated_leaves_its_node_out(shop: Kubectl) -> None:
    spec = in_pools("general", "tight")
    del spec["tolerations"]

    assert shop.create(pod(container(SAFE), spec=spec)).ok().warnings == []


def test_one_node_is_named_with_its_reason_and_those_without_an_agent_are_counted(shop: Kubectl) -> None:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1", "node-3", "node-4"]}
    spec = in_pools()
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    required["nodeSelectorTerms"] = [{"matchExpressions": [expression]}]

    said = shop.create(pod(container(SAFE), spec=spec)).ok()

    assert "1 of 3 eligible nodes would refuse the fork (node-3: vm.overcommit_memory=2: CommitLimit is" in said.told
    assert "of 1 no agent has told" in said.told


def test_facts_that_are_old_are_not_believed(shop: Kubectl) -> None:
    said = shop.create(pod(container(SAFE), spec=in_pools("forgotten")))

    assert not said.denied, said


def test_without_a_preference_all_nodes_count(shop: Kubectl) -> None:
    said = shop.create(pod(container(SAFE), spec=TOLERATING)).ok()

    assert "2 of 6 eligible nodes would refuse the fork" in said.told, said
