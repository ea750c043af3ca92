"""What an agent publishes of its node, and the webhook reads: one ConfigMap a node, in bgsafe's own namespace.

Why ConfigMaps: docs/decisions/0009-node-facts.md. Pure: `checker.cluster` moves the objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from checker.facts import Maybe, Node, Unread
from checker.manifests.objects import mapping, name_of
from checker.manifests.placement import Fleet, Machine, machine
from checker.report.as_json import SCHEMA, node_fields

LABEL: Final = "bgsafe.io/node-facts"
LABEL_VALUE: Final = "v1"
"""The label by which the ConfigMaps are found; its value is the version of their content."""

KEY: Final = "facts.json"

MAX_AGE: Final = timedelta(minutes=30)
"""Older facts are not believed: three of the agent's refreshes (a judgement)."""

REFRESH: Final = timedelta(minutes=10)
"""How often an agent writes what has not changed: one small write for each node."""

MOVED_RATIO: Final = 0.05
"""Of MemTotal: an amount of memory that has moved by more is written at once (a judgement)."""

_LONGEST_NAME: Final = 253
"""Characters of a ConfigMap's name (RFC 1123 subdomain, as Kubernetes bounds it)."""

_AMOUNTS: Final = frozenset({"mem_free", "mem_available", "swap_free", "committed_as", "guess_free"})
"""Facts that move all the time."""

_WORDS: Final = frozenset({"kernel_release", "thp_enabled", "thp_defrag"})
"""Facts that are text; all others are whole numbers."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node, as its agent saw it."""

    name: str
    node: Node
    observed: datetime  # with its time zone

    def fresh(self, now: datetime) -> Maybe[Node]:
        """The node; Unread where that was too long ago."""
        age = now - self.observed
        if age <= MAX_AGE:
            return self.node
        minutes = int(age.total_seconds() // 60)
        return Unread(f"facts of node {self.name}", f"are {minutes} minutes old", "see whether its agent runs")


def config_map_name(node_name: str) -> str:
    """The name of a node's ConfigMap: the longest node names are cut, and told apart by a hash."""
    name = f"bgsafe-node-{node_name}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = sha256(node_name.encode()).hexdigest()[:16]
    return f"{name[: _LONGEST_NAME - len(digest) - 1].rstrip('.-')}-{digest}"


def content(facts: NodeFacts) -> dict[str, str]:
    """The ConfigMap's data."""
    observed = facts.observed.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    said = {"schema": SCHEMA, "name": facts.name, "observed": observed, "node": node_fields(facts.node)}
    return {KEY: json.dumps(said, separators=(",", ":"), sort_keys=True)}


def parse(data: Mapping[str, Any]) -> Maybe[NodeFacts]:
    """Read a ConfigMap's data; whatever is wrong with it makes it unread, and a single wrong fact only that fact."""
    text = data.get(KEY)
    if not isinstance(text, str):
        return _unread("has no facts.json")
    try:
        said = json.loads(text)
        if said["schema"] != SCHEMA:
            return _unread(f"is of schema {said['schema']!r}, not {SCHEMA}")
        name, observed = said["name"], datetime.fromisoformat(said["observed"])
        found = {field.name: _fact(field.name, said["node"], name) for field in fields(Node)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return _unread(f"is not readable: {type(error).__name__}: {error}")
    page = found["page_size_bytes"]
    if not isinstance(name, str) or observed.tzinfo is None or not isinstance(page, int) or page <= 0:
        return _unread("lacks the node's name, the time zone of its time, or the page size")
    return NodeFacts(name, Node(**found), observed)


def worth_writing(published: NodeFacts | None, now: NodeFacts) -> bool:
    """Does what an agent sees now differ enough from what it has published, or is that old?"""
    if published is None or now.observed - published.observed >= REFRESH:
        return True
    for field in fields(Node):
        before, after = getattr(published.node, field.name), getattr(now.node, field.name)
        if before == after:
            continue
        total = now.node.mem_total
        if field.name not in _AMOUNTS or isinstance(before, Unread) or isinstance(after, Unread):
            return True
        if isinstance(total, Unread) or abs(after - before) > MOVED_RATIO * total:
            return True
    return False


def published_facts(config_maps: Iterable[Mapping[str, Any]]) -> tuple[dict[str, NodeFacts], list[tuple[str, Unread]]]:
    """(node → what its agent published, ConfigMaps that are not readable)."""
    told: dict[str, NodeFacts] = {}
    rejected = []
    for config_map in config_maps:
        facts = parse(mapping(config_map.get("data")))
        if isinstance(facts, NodeFacts):
            told[facts.name] = facts
        else:
            rejected.append((name_of(config_map), facts))
    return told, rejected


def fleet(nodes: Iterable[Mapping[str, Any]], told: Mapping[str, NodeFacts], now: datetime) -> Fleet:
    """Node objects, each with what its agent published."""

    def facts_of(on: Machine) -> Maybe[Node]:
        facts = told.get(on.name)
        if facts is None:
            return Unread(f"facts of node {on.name}", "no agent published any", "run the agent there")
        return facts.fresh(now)

    return [(on, facts_of(on)) for on in map(machine, nodes)]


def _fact(name: str, said: Mapping[str, Any], node_name: str) -> Any:
    value = said.get(name)
    right = isinstance(value, str) if name in _WORDS else isinstance(value, int) and not isinstance(value, bool)
    if right:
        return value
    why = said.get("unread", {}).get(name) if value is None else f"{value!r} is none"
    return Unread(f"{name} of node {node_name}", str(why or "its agent did not say"), "")


def _unread(why: str) -> Unread:
    return Unread("published node facts", why, "use the same version of bgsafe for agent and webhook")
