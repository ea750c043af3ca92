"""What an agent publishes of its node is what the webhook reads."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.facts import Node, Unread
from checker.node_facts import KEY, MAX_AGE, REFRESH, NodeFacts, config_map_name, content, parse, worth_writing
from tests.build import a_node

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = NodeFacts("node-3", a_node(overcommit_memory=2), NOW)


def test_what_is_published_is_what_is_read() -> None:
    assert parse(content(FACTS)) == FACTS


def test_an_unread_fact_stays_unread_with_its_reason() -> None:
    unread = Unread("/proc/sys/vm/overcommit_memory", "permission denied", "be root")
    found = parse(content(replace(FACTS, node=replace(FACTS.node, overcommit_memory=unread))))
    assert isinstance(found, NodeFacts)
    assert isinstance(found.node.overcommit_memory, Unread)
    assert "permission denied" in found.node.overcommit_memory.why


def test_a_fact_of_a_wrong_type_costs_that_fact_alone() -> None:
    said = json.loads(content(FACTS)[KEY])
    said["node"]["committed_as"], said["node"]["cpu_count"] = "much", True
    found = parse({KEY: json.dumps(said)})
    assert isinstance(found, NodeFacts)
    assert isinstance(found.node.committed_as, Unread)
    assert isinstance(found.node.cpu_count, Unread)
    assert found.node.mem_total == FACTS.node.mem_total


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"schema": "bgsafe.io/v9"}, id="another schema"),
        pytest.param({"observed": "yesterday"}, id="no time"),
        pytest.param({"observed": "2026-03-01T12:00:00"}, id="no time zone"),
        pytest.param({"name": 7}, id="a name that is none"),
        pytest.param({"node": None}, id="no node"),
        pytest.param({"node": {"page_size_bytes": 0}}, id="no page"),
    ],
)
def test_what_is_no_facts_is_unread(change: dict[str, Any]) -> None:
    said = {**json.loads(content(FACTS)[KEY]), **change}
    assert isinstance(parse({KEY: json.dumps(said)}), Unread)


@given(st.dictionaries(st.sampled_from([KEY, "other"]), st.text() | st.integers()))
def test_anything_else_is_unread_and_raises_nothing(data: dict[str, Any]) -> None:
    assert isinstance(parse(data), Unread)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["schema", "name", "observed", "node"]), _JSON)
def test_no_json_raises(key: str, value: Any) -> None:
    said = {**json.loads(content(FACTS)[KEY]), key: value}
    found = parse({KEY: json.dumps(said)})
    assert isinstance(found, NodeFacts | Unread)


@pytest.mark.parametrize(
    ("age", "believed"),
    [pytest.param(MAX_AGE, True, id="just so"), pytest.param(MAX_AGE + timedelta(seconds=1), False, id="too old")],
)
def test_old_facts_are_not_believed(age: timedelta, believed: bool) -> None:
    fresh = FACTS.fresh(NOW + age)
    assert isinstance(fresh, Node) is believed
    if isinstance(fresh, Unread):
        assert str(fresh) == "facts of node node-3: are 30 minutes old (see whether its agent runs)"


def test_a_long_name_fits_and_stays_its_own() -> None:
    names = {config_map_name("n" * 250 + tail) for tail in ("a", "b")}
    assert len(names) == 2
    assert all(len(name) <= 253 for name in names)
    assert config_map_name("ip-10-0-0-1.ec2.internal") == "bgsafe-node-ip-10-0-0-1.ec2.internal"


def moved(**changes: Any) -> NodeFacts:
    return replace(FACTS, node=replace(FACTS.node, **changes), observed=NOW + timedelta(seconds=30))


def _mem_total() -> int:
    assert isinstance(FACTS.node.mem_total, int)
    return FACTS.node.mem_total


def _committed() -> int:
    assert isinstance(FACTS.node.committed_as, int)
    return FACTS.node.committed_as


@pytest.mark.parametrize(
    ("now", "written"),
    [
        pytest.param(moved(), False, id="the same"),
        pytest.param(moved(overcommit_memory=1), True, id="another mode"),
        pytest.param(moved(committed_as=_committed() + _mem_total() // 20), False, id="moved a little"),
        pytest.param(moved(committed_as=_committed() + _mem_total() // 20 + 1), True, id="moved far"),
        pytest.param(moved(committed_as=Unread("x", "y", "")), True, id="not readable any more"),
        pytest.param(replace(FACTS, observed=NOW + REFRESH), True, id="time to refresh"),
    ],
)
def test_what_changed_is_written_and_the_rest_from_time_to_time(now: NodeFacts, written: bool) -> None:
    assert worth_writing(FACTS, now) is written


def test_the_first_is_written() -> None:
    assert worth_writing(None, FACTS)


def test_no_fact_of_a_node_is_left_out() -> None:
    assert set(json.loads(content(FACTS)[KEY])["node"]) == {field.name for field in fields(Node)} | {"unread"}
