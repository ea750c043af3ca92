"""What was observed, and nothing else: no judgement, no I/O.

Three states that must never be confused: a number (0 is a number), `UNLIMITED`, and `Unread` with its reason.
Sizes are bytes. Names are those of the files they come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, Literal, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read: where it would have been, why not, and what would make it readable."""

    where: str
    why: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.why}" + (f" ({self.remedy})" if self.remedy else "")


class Unlimited(Enum):
    """The one value that means "there is no limit"."""

    UNLIMITED = "unlimited"

    def __repr__(self) -> str:
        return "UNLIMITED"


UNLIMITED: Final = Unlimited.UNLIMITED

Maybe: TypeAlias = T | Unread
"""A value or the reason why there is none."""

_MAJOR_MINOR: Final = re.compile(r"v?(\d{1,4})\.(\d{1,4})", re.ASCII)


def major_minor(version: Maybe[str]) -> tuple[int, int] | None:
    """(6, 1) of the kernel release "6.1.0-56-cloud-amd64", (7, 0) of "v7.0.15"; None where there is no version."""
    match = _MAJOR_MINOR.match(version) if isinstance(version, str) else None
    return (int(match[1]), int(match[2])) if match else None


Limit: TypeAlias = int | Unlimited | Unread
"""Bytes (or a count), no limit, or unread."""


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value with where it came from, in words that a report can print (`/etc/redis/redis.conf line 12`)."""

    value: T
    source: str


# --- the machine -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The machine: what decides whether fork() is granted, and what is left when there is no limit."""

    kernel_release: Maybe[str]  # uname -r, /proc/sys/kernel/osrelease
    page_size_bytes: int
    cpu_count: Maybe[int]  # online CPUs
    overcommit_memory: Maybe[int]  # 0 guess, 1 always, 2 never
    overcommit_ratio: Maybe[int]  # per cent; 0 when overcommit_kbytes is in force
    overcommit_kbytes: Maybe[int]  # bytes, in spite of the name; 0 when overcommit_ratio is in force
    admin_reserve_kbytes: Maybe[int]  # bytes, in spite of the name
    user_reserve_kbytes: Maybe[int]  # bytes, in spite of the name
    mem_total: Maybe[int]
    mem_free: Maybe[int]
    mem_available: Maybe[int]
    swap_total: Maybe[int]
    swap_free: Maybe[int]
    commit_limit: Maybe[int]
    committed_as: Maybe[int]
    hugetlb: Maybe[int]  # HugePages_Total × Hugepagesize
    guess_free: Maybe[int]  # what mode 0 before Linux 5.2 compares with: free + cache + swap − reserves
    thp_enabled: Maybe[str]  # always | madvise | never
    thp_defrag: Maybe[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node where a pod is, or may be put by its scheduling constraints."""

    name: str
    node: Maybe[Node]  # Unread: no agent told of it
    runs: bool = False  # a pod of it is there already


# --- control groups --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupLevel:
    """One memory cgroup on the way from the process to the root that can be seen."""

    path: str  # the directory, as it was read
    memory_max: Limit  # v1: memory.limit_in_bytes
    memory_high: Limit  # v1 has none: UNLIMITED
    swap_max: Limit  # memory.swap.max; v1: memsw.limit − limit; Unread where swap is not accounted
    memory_current: Maybe[int]  # v1: memory.usage_in_bytes
    anon: Maybe[int]
    file: Maybe[int]  # page cache, with shmem
    kernel: Maybe[int]  # page tables, stacks, slab; older kernels: the sum of what they list
    inactive_file: Maybe[int]
    active_file: Maybe[int]
    slab_reclaimable: Maybe[int]
    shmem: Maybe[int]  # tmpfs: cannot be reclaimed
    oom_group: Maybe[bool]  # memory.oom.group; v1 has none: False
    oom_kills: Maybe[int]  # memory.events oom_kill; v1: memory.oom_control

    def unreclaimable(self) -> Maybe[int]:
        """Bytes that reclaim cannot give back without swap: current − file cache − reclaimable slab.

        A part that was not read (v1 has no slab figure) is taken as unreclaimable, which is the safe side.
        """
        if isinstance(self.memory_current, Unread):
            return self.memory_current
        cache = (self.inactive_file, self.active_file, self.slab_reclaimable)
        return max(0, self.memory_current - sum(part for part in cache if not isinstance(part, Unread)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """Where a process is accounted, with every level above it that can be seen, innermost first."""

    version: Literal[1, 2]
    path: str  # as /proc/<pid>/cgroup writes it
    levels: tuple[CgroupLevel, ...]
    ancestors_hidden: bool  # a cgroup namespace hides what is above: a pod-level limit cannot be seen
    pids_max: Limit  # smallest room of all levels decides; this is that level's limit
    pids_current: Maybe[int]  # of the same level
    cpu_quota_cores: float | Unlimited | Unread  # smallest over all levels; 0.5 is half a core
    pod_uid: str | None
    container_id: str | None


# --- the server ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vma:
    """One line of maps, with the VmFlags of smaps where they were read (`None` where only maps was)."""

    start: int
    size: int
    perms: str
    flags: frozenset[str] | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A forked child that is saving right now."""

    pid: int
    age_seconds: Maybe[float]
    private_dirty: Maybe[int]  # bytes copied so far, by either side


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running server process, from /proc/<pid>."""

    pid: int
    start_time_ticks: int  # field 22 of stat: tells a reused pid from the same process
    comm: str
    cmdline: tuple[str, ...]
    executable: Maybe[str]
    rss_anon: Maybe[int]
    vm_size: Maybe[int]
    vm_data: Maybe[int]
    vm_stk: Maybe[int]
    vm_pte: Maybe[int]
    vm_swap: Maybe[int]
    cap_sys_admin: Maybe[bool]  # CAP_SYS_ADMIN in the initial user namespace
    thp_enabled: Maybe[bool]  # THP_enabled of status: False after prctl(PR_SET_THP_DISABLE)
    oom_score_adj: Maybe[int]
    vmas: Maybe[tuple[Vma, ...]]  # in address order; read only where the cheap exits do not decide
    child: Child | None


@dataclass(frozen=True, slots=True)
class SavePoint:
    """`save <seconds> <changes>`."""

    seconds: int
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the server was told, with the engine's own default where nobody said otherwise.

    `sources` names where each field came from; a field that is not in it has the engine's default.
    """

    maxmemory: Maybe[int]  # 0: Redis' own "no limit"
    maxmemory_policy: Maybe[str]
    save: Maybe[tuple[SavePoint, ...]]  # () is `save ""`
    appendonly: Maybe[bool]
    auto_aof_rewrite_percentage: Maybe[int]  # 0 switches the automatic rewrite off
    replicaof: Maybe[bool]  # this server is a replica
    replicas_possible: Maybe[bool]  # something may attach to this server and ask for a full sync
    cluster_enabled: Maybe[bool]
    repl_diskless_sync: Maybe[bool]
    repl_backlog_size: Maybe[int]
    replica_output_buffer_limit: Maybe[int]  # hard limit of client-output-buffer-limit replica; 0 is none
    directory: Maybe[str]  # `dir`
    dbfilename: Maybe[str]
    rdbcompression: Maybe[bool]
    disable_thp: Maybe[bool]
    oom_score_adj: Maybe[bool]  # `oom-score-adj yes`
    forkless: Maybe[bool]  # Valkey's bgsave-default-method forkless
    maxmemory_follows_limit: bool = False  # a manifest computes it from the limit: a higher limit is a higher maxmemory
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What the server is."""

    name: str  # redis | valkey | keydb | dragonfly | garnet | kvrocks | sentinel | …
    version: Maybe[str]
    allocator: Maybe[str]  # jemalloc-5.3.0 | libc
    forks: Maybe[bool]  # at engine level: can this program fork to save?


@dataclass(frozen=True, slots=True)
class Population:
    """Keys alike: so many, of this type and encoding, with values of this many bytes."""

    keys: int
    value_bytes: float
    key_bytes: float
    type: str = "string"
    encoding: str = "raw"
    elements: float = 1.0  # per key, for aggregates
    expiring_ratio: float = 0.0  # share of the keys that have a time to live


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What the server says of itself (INFO), where it was asked."""

    used_memory: Maybe[int]
    used_memory_rss: Maybe[int]
    used_memory_dataset: Maybe[int]
    mem_not_counted_for_evict: Maybe[int]
    keys: Maybe[int]
    connected_slaves: Maybe[int]
    write_rate_per_second: Maybe[float]  # growth of rdb_changes_since_last_save while we looked
    rdb_last_bgsave_time_sec: Maybe[int]
    rdb_last_cow_size: Maybe[int]
    rdb_last_bgsave_status: Maybe[str]
    latest_fork_usec: Maybe[int]
    loading: Maybe[bool]
    sorted_set_ratio: Maybe[float]  # of the write commands so far, those that move members of sorted sets
    evicted_keys: Maybe[int]


@dataclass(frozen=True, slots=True)
class Written:
    """What a server really wrote in some time, counted without a fork (soft-dirty pages)."""

    bytes: int  # distinct anonymous pages × page size
    seconds: float
    earlier: tuple[tuple[float, int], ...] = ()  # seconds and bytes of looks on the way, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFork:
    """A real fork of a server that was watched to its end."""

    resident_bytes: int  # of the server, when it forked
    copied_bytes: int  # until `seconds` after the fork
    seconds: float  # how old the child was when the copies were counted
    lifetime_seconds: float  # how old it became; 0: it did not end well, which says nothing of how long a save takes
    writes: float | None  # in the same `seconds`; None: nobody counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What is under the data directory."""

    filesystem: Maybe[
        str
    ]  # tmpfs | overlay | ext4 | …; for a manifest: emptyDir | emptyDir-memory | pvc | hostPath | none
    in_memory: Maybe[bool]
    files_bytes: Maybe[int]  # dump.rdb and the AOF that lie there now; 0 when there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who is judged, in the words of JSON schema v1."""

    source: Literal["process", "manifest", "cluster", "plan", "verify"]
    name: str
    namespace: str | None = None
    kind: str | None = None
    container: str | None = None
    pid: int | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the owner says on purpose, by `bgsafe.io/` annotations or in a plan. `None`: nothing was declared."""

    write_rate_per_second: float | None = None
    save_throughput_per_second: int | None = None  # bytes per second
    maxmemory: int | None = None
    dataset: int | None = None  # resident bytes, where nothing else bounds them
    replicas: int | None = None  # that a full sync serves at once
    ignores: Mapping[str, str] = field(default_factory=dict)  # rule id → reason
    wrong: tuple[Unread, ...] = ()  # values that could not be understood: never a silent default


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Everything that is known of one Redis-like server, whatever told us."""

    subject: Subject
    engine: Engine
    config: Config
    process: Process | None  # None: it is not running, or only its manifest is known
    cgroup: Maybe[Cgroup] | None  # None: not running
    limit: Sourced[Limit]  # the smallest memory limit that binds it
    cpu_limit_cores: float | Unlimited | Unread
    oom_group: Maybe[bool]
    volume: Volume
    info: Info | None = None  # None: nobody asked the server
    shape: tuple[Population, ...] = ()  # () is not known
    written: Maybe[Written] | None = None  # None: nobody asked for the measurement
    forks: tuple[WatchedFork, ...] = ()  # newest last; () where nobody watches
    observed_rate: Sourced[float] | None = None  # highest writes per second of some time back; None: nobody looked
    declared: Declared = field(default_factory=Declared)
    lines: Mapping[str, int] = field(default_factory=dict)  # field of a manifest ("resources.limits.memory") → line
    unread: tuple[Unread, ...] = ()  # everything else that could not be read, for the report
