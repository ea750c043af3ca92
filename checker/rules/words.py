"""The field that the reader of a remedy edits: a manifest's, Docker's, systemd's or the control group's own.

A remedy that names the wrong one cannot be followed, so the word is chosen by where the server runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from posixpath import basename
from typing import Final

from checker.estimate import Evidence
from checker.facts import Cgroup
from checker.units import MIB, format_bytes, format_quantity, format_redis_memory, round_up_size


@dataclass(frozen=True, slots=True)
class Words:
    """How one manager of control groups calls its settings; `{unit}` is the group that has the limit."""

    memory: str
    high: str
    two_cores: str
    pids: str
    kill_one: str  # what makes an OOM kill one process, not the group
    mebi: str = "Mi"  # how it writes MiB


KUBERNETES: Final = Words(
    memory="resources.limits.memory",
    high="memory.high (memoryThrottlingFactor of the kubelet)",
    two_cores="resources.limits.cpu to 2",
    pids="podPidsLimit of the kubelet",
    kill_one="singleProcessOOMKill: true in the kubelet (Kubernetes 1.32 and later)",
)

NODE_ALLOCATABLE: Final = replace(KUBERNETES, memory="what the node gives to {unit}")

CONTAINER: Final = Words(
    memory="the container's memory limit (docker --memory)",
    high="memory.high of the container",
    two_cores="the container's CPU limit (docker --cpus) to 2",
    pids="the container's --pids-limit",
    kill_one="memory.oom.group 0 for the container",
    mebi="m",
)

HIDDEN: Final = Words(
    memory="the container's memory limit (resources.limits.memory, or docker --memory)",
    high="memory.high of the container",
    two_cores="the container's CPU limit to 2",
    pids="the container's limit of processes",
    kill_one="on Kubernetes, singleProcessOOMKill: true in the kubelet (1.32 and later)",
)

SYSTEMD: Final = Words(
    memory="MemoryMax= of {unit}",
    high="MemoryHigh= of {unit}",
    two_cores="CPUQuota= of {unit} to 200%",
    pids="TasksMax= of {unit}",
    kill_one="OOMPolicy=continue in {unit}",
    mebi="M",
)

CGROUP: Final = Words(
    memory="memory.max of {unit}",
    high="memory.high of {unit}",
    two_cores="cpu.max of {unit} to 2 cores",
    pids="pids.max of {unit}",
    kill_one="memory.oom.group 0 in {unit}",
    mebi="M",
)

CGROUP_V1: Final = replace(CGROUP, memory="memory.limit_in_bytes of {unit}")

STATED: Final = Words(
    memory="the memory limit",
    high="memory.high",
    two_cores="the CPU limit to 2 cores",
    pids="pids.max",
    kill_one="memory.oom.group 0",
)

SYSTEMD_UNITS: Final = (".service", ".scope", ".slice")


def words_for(evidence: Evidence) -> Words:
    """The words of whoever manages the control group that has the limit, or the server's own."""
    if evidence.server.subject.source in ("manifest", "cluster"):
        return KUBERNETES
    cgroup = evidence.server.cgroup
    if not isinstance(cgroup, Cgroup):
        return STATED
    path = _path(evidence, cgroup)
    if cgroup.pod_uid is not None:
        outside = evidence.limit_level is not None and not cgroup.ancestors_hidden
        return NODE_ALLOCATABLE if outside and cgroup.pod_uid not in path.replace("_", "-") else KUBERNETES
    if cgroup.container_id is not None and (cgroup.ancestors_hidden or cgroup.container_id in path):
        return CONTAINER
    if cgroup.ancestors_hidden:
        return HIDDEN
    if path.endswith(SYSTEMD_UNITS):
        return SYSTEMD
    return CGROUP if cgroup.version == 2 else CGROUP_V1


def raise_limit(evidence: Evidence, needed: int) -> str:
    """`raise resources.limits.memory to 4352Mi`; where the machine has not as much, a larger machine."""
    return _to_size(evidence, "raise", needed)


def set_limit(evidence: Evidence, needed: int) -> str:
    """`set MemoryMax= of redis.service to 4352M`; where the machine has not as much, a larger machine."""
    return _to_size(evidence, "set", needed)


def fits_machine(evidence: Evidence, size: int) -> bool:
    """Can this be a limit at all? One that is not below the machine's memory is none."""
    total = evidence.node.mem_total if evidence.node else None
    return not isinstance(total, int) or size < total


def named(evidence: Evidence, word: str) -> str:
    """A setting with the name of the control group that has it."""
    cgroup = evidence.server.cgroup
    unit = basename(_path(evidence, cgroup)) if isinstance(cgroup, Cgroup) else ""
    return word.format(unit=unit or "the root cgroup")


def _to_size(evidence: Evidence, verb: str, needed: int) -> str:
    size = round_up_size(needed)
    if not fits_machine(evidence, size):
        return f"move it to a machine with more than {format_bytes(size)} of memory"
    words = words_for(evidence)
    written = format_quantity(size) if words.mebi == "Mi" else f"{size // MIB}{words.mebi}"
    return f"{verb} {named(evidence, words.memory)} to {written}{_with_maxmemory(evidence)}"


def _with_maxmemory(evidence: Evidence) -> str:
    """Where maxmemory is computed from the limit, the limit helps only once maxmemory does not go with it."""
    maxmemory = evidence.maxmemory.value
    if not evidence.server.config.maxmemory_follows_limit or not isinstance(maxmemory, int):
        return ""
    return f", with maxmemory fixed at {format_redis_memory(maxmemory)} (it follows the limit)"


def _path(evidence: Evidence, cgroup: Cgroup) -> str:
    if evidence.limit_level is not None:
        return evidence.limit_level.path
    return cgroup.path.rstrip("/")
