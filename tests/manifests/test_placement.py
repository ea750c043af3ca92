"""Which nodes a pod may be put on, as the scheduler filters them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.manifests.placement import Machine, Taint, machine, may_land

ARM = Machine("arm-1", {"kubernetes.io/arch": "arm64", "disk": "ssd", "cpus": "16"})
DEDICATED = Machine("db-1", {"pool": "db"}, (Taint("dedicated", "db", "NoSchedule"),))


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        pytest.param({}, True, id="nothing said"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, True, id="selector"),
        pytest.param({"nodeSelector": {"disk": "ssd", "kubernetes.io/arch": "amd64"}}, False, id="one label differs"),
        pytest.param({"nodeSelector": {"zone": ""}}, False, id="a label that is not there is not empty"),
        pytest.param({"nodeName": "arm-1", "nodeSelector": {"disk": "hdd"}}, True, id="named, without a scheduler"),
        pytest.param({"nodeName": "arm-2"}, False, id="another is named"),
        pytest.param(affinity(expression("disk", "In", "hdd", "ssd")), True, id="In"),
        pytest.param(affinity(expression("zone", "In", "a")), False, id="In, without the label"),
        pytest.param(affinity(expression("zone", "NotIn", "a")), True, id="NotIn, without the label"),
        pytest.param(affinity(expression("disk", "NotIn", "ssd")), False, id="NotIn"),
        pytest.param(affinity(expression("disk", "Exists")), True, id="Exists"),
        pytest.param(affinity(expression("disk", "DoesNotExist")), False, id="DoesNotExist"),
        pytest.param(affinity(expression("cpus", "Gt", "15")), True, id="Gt"),
        pytest.param(affinity(expression("cpus", "Gt", "16")), False, id="Gt is not at least"),
        pytest.param(affinity(expression("cpus", "Lt", "17")), True, id="Lt"),
        pytest.param(affinity(expression("disk", "Lt", "17")), False, id="Lt of no number"),
        pytest.param(affinity(expression("disk", "Near", "17")), True, id="an operator of tomorrow"),
        pytest.param(
            affinity(expression("zone", "Exists"), expression("disk", "Exists")), True, id="one term is enough"
        ),
        pytest.param(affinity({}), False, id="an empty term meets none"),
        pytest.param(affinity(), False, id="no terms meet none"),
        pytest.param(
            affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["arm-1"]}]}),
            True,
            id="by field",
        ),
    ],
)
def test_a_node_is_eligible_by_its_labels(spec: dict[str, Any], answer: bool) -> None:
    assert may_land(spec, ARM) is answer


@pytest.mark.parametrize(
    ("toleration", "answer"),
    [
        pytest.param({"key": "dedicated", "value": "db"}, True, id="equal, any effect"),
        pytest.param({"key": "dedicated", "value": "db", "effect": "NoSchedule"}, True, id="equal, this effect"),
        pytest.param({"key": "dedicated", "value": "db", "effect": "NoExecute"}, False, id="another effect"),
        pytest.param({"key": "dedicated", "value": "web"}, False, id="another value"),
        pytest.param({"key": "dedicated", "operator": "Exists"}, True, id="any value"),
        pytest.param({"operator": "Exists"}, True, id="everything"),
        pytest.param({"value": "db"}, False, id="no key is only for Exists"),
        pytest.param({"key": "dedicated", "operator": "Gt", "value": "1"}, True, id="an operator of tomorrow"),
    ],
)
def test_a_taint_repels_who_does_not_tolerate_it(toleration: dict[str, str], answer: bool) -> None:
    assert not may_land({}, DEDICATED)
    assert may_land({"tolerations": [toleration]}, DEDICATED) is answer


def test_preferences_repel_nobody() -> None:
    assert may_land({}, Machine("n", {}, (Taint("slow", "", "PreferNoSchedule"),)))


def test_a_daemon_set_goes_to_cordoned_nodes() -> None:
    cordoned = Machine("n", {}, (Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),))
    assert not may_land({}, cordoned)
    assert may_land({}, cordoned, daemon=True)


def test_a_node_object_is_read() -> None:
    node = {
        "metadata": {"name": "db-1", "labels": {"pool": "db"}},
        "spec": {"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]},
    }
    assert machine(node) == DEDICATED


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["key", "operator", "x"]), inner),
    max_leaves=6,
)


@given(_ANY, _ANY, _ANY)
def test_any_shape_has_an_answer(one: Any, two: Any, three: Any) -> None:
    spec = {"nodeSelector": one, "tolerations": two, "affinity": {"nodeAffinity": three}}
    assert may_land(spec, machine({"metadata": one, "spec": two})) in (True, False)
    assert may_land({**affinity({"matchExpressions": one, "matchFields": two})}, ARM) in (True, False)
