"""What Kubernetes calls a server's container, and where that may be asked: from the pods of the node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from checker.agent.access import Access, Credentials
from checker.agent.seen import Key, Names, Scan
from checker.agent.troubles import Troubles
from checker.cluster.api import ClusterError
from checker.cluster.light import Api
from checker.cluster.pods import NodePods
from checker.facts import Cgroup, Unread

_PORT: Final = re.compile(r":(\d{1,5})(?: \[\w+\])?$", re.ASCII)
"""At the end of `redis-server *:6379`."""


@dataclass(slots=True)
class PodNaming:
    """Names and addresses, from the pods of the node where they are followed."""

    api: Api | None  # None: nobody is asked
    node_name: str | None
    access: Access
    troubles: Troubles
    pods: NodePods | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.api is not None and self.node_name is not None:
            self.pods = NodePods(self.api, self.node_name, self._trouble)

    def list(self) -> None:
        """Read them once."""
        try:
            if self.pods is not None:
                self.pods.list()
        except ClusterError as error:
            self._trouble(error)

    def names(self, pod_uid: str | None, container_id: str | None) -> Names | None:
        """See `scan.Naming`. A container that is not known yet has its id for a name."""
        pod = None if self.pods is None else self.pods.pod(pod_uid)
        if pod is None:
            return None
        return Names(pod.namespace, pod.name, pod.containers.get(container_id or "", container_id or ""))

    def urls(self, scan: Scan) -> Mapping[Key, tuple[str, Credentials]]:
        """Where to ask the servers of pods that the access file has an entry for."""
        found: dict[Key, tuple[str, Credentials]] = {}
        if self.pods is None or not self.access.pods:
            return found
        for seen in scan.seen:
            group = seen.server.cgroup
            pod = self.pods.pod(group.pod_uid) if isinstance(group, Cgroup) else None
            entry = self.access.for_pod(pod.namespace, pod.labels) if pod is not None and pod.ip else None
            if pod is not None and pod.ip is not None and entry is not None:
                found[seen.key] = (entry.url(pod.ip, _port(seen.server.subject.name)), entry.credentials)
        return found

    def _trouble(self, error: ClusterError) -> None:
        self.troubles.add("kubernetes", Unread("the API server", str(error), ""))


def _port(server_name: str) -> int | None:
    found = _PORT.search(server_name)
    return int(found[1]) if found else None
