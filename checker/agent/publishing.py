"""The node's facts for the webhook: written when they change, and refreshed (docs/decisions/0009-node-facts.md)."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Final

from checker.agent.troubles import Troubles
from checker.cluster import node_maps
from checker.cluster.api import ClusterError
from checker.cluster.light import Api
from checker.facts import Node, Unread
from checker.node_facts import LABEL, LABEL_VALUE, NodeFacts, config_map_name, content, worth_writing

RETRY_SECONDS: Final = 60.0
"""After the API server refused, or did not answer: a judgement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this agent is in its cluster: the downward API's environment."""

    node_name: str
    namespace: str
    pod_name: str | None  # None: nobody owns the ConfigMap, and it outlives the agent
    pod_uid: str | None


@dataclass(slots=True)
class Publisher:
    """Publishes what it is given, in a thread of its own."""

    api: Api
    identity: Identity
    troubles: Troubles
    written_at: float | None = None  # Unix time
    _nodes: SimpleQueue[Node] = field(default_factory=SimpleQueue)
    _published: NodeFacts | None = None

    def offer(self, node: Node) -> None:
        """The node as it is now."""
        self._nodes.put(node)

    def run(self, stop: threading.Event) -> None:
        """Write what is worth it, until told to stop."""
        while not stop.is_set():
            try:
                node = self._nodes.get(timeout=0.5)
            except Empty:
                continue
            if not self.publish(node, datetime.now(UTC)):
                stop.wait(RETRY_SECONDS)

    def publish(self, node: Node, now: datetime) -> bool:
        """Write the facts where they differ enough from those that are there; False where that failed."""
        who, facts = self.identity, NodeFacts(self.identity.node_name, node, now)
        clock_was_set_back = self._published is not None and now < self._published.observed
        if not clock_was_set_back and not worth_writing(self._published, facts):
            return True
        try:
            node_maps.write(
                self.api,
                namespace=who.namespace,
                name=config_map_name(who.node_name),
                labels={LABEL: LABEL_VALUE, "app.kubernetes.io/managed-by": "bgsafe"},
                data=content(facts),
                pod_name=who.pod_name,
                pod_uid=who.pod_uid,
            )
        except ClusterError as error:
            self.troubles.add("node_facts", Unread("node facts", str(error), ""))
            return False
        self._published, self.written_at = facts, time.time()
        return True
