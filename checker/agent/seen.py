"""What a scan sees, and whom it asks for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from checker.agent.book import Labels
from checker.facts import Child, Limit, Maybe, Node, Server
from checker.probes.redis_info import Answer
from checker.probes.servers import Found
from checker.verdict import Verdict

Key = tuple[int, int]
"""Pid and start time: one process, whatever its pid was before."""


@dataclass(frozen=True, slots=True)
class Names:
    """What Kubernetes calls a container."""

    namespace: str
    pod: str
    container: str


class Naming(Protocol):
    """Who knows names by pod UID and container id."""

    def names(self, pod_uid: str | None, container_id: str | None) -> Names | None:
        """The names, where they are known."""


class Asking(Protocol):
    """Who talks to servers."""

    def place(self, found: Sequence[Found], root: Path, uptime: Maybe[float]) -> None:
        """Find the process of each server that answered under a URL, among those that are there now."""

    def answer(self, found: Found) -> tuple[bool, Answer | None] | None:
        """Whether the server answers, with the last answer that is not too old; None: nobody asks it."""


class Watching(Protocol):
    """Who watches forks."""

    def child(self, key: Key) -> Child | None:
        """The child that a server has at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A server, as one scan saw it."""

    key: Key
    labels: Labels
    verdict: Verdict
    write_rate: Literal["measured", "observed", "assumed"]
    limit: Limit  # the one that leaves least room
    held_bytes: int | None  # by the cgroup of that limit, or its own without one; None: not read
    predicted_copy_bytes: int | None  # of the next fork, the best guess; None: its resident size is not known
    child_pid: int | None  # of a child that the census met
    answers: bool | None  # to INFO; None: it is not asked
    scanned_at: float  # Unix time

    @property
    def server(self) -> Server:
        """The facts."""
        return self.verdict.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The node and its servers."""

    node: Node
    seen: tuple[Seen, ...]
    hanging: int  # servers that hang
    left_out: int  # servers beyond the maximum
    processes: int
    seconds: float
    cpu_seconds: float  # of the whole agent: what hangs is read in another thread
    ended_at: float  # Unix time
