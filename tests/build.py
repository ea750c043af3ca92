"""Complete, plain, safe subjects: a test names only what matters to it.

The server is a Redis 7.2 with 400 MiB of data and `maxmemory 600mb`, alone in its own cgroup with a limit of 2 GiB, on
a machine of 16 GiB with Linux 6.1 in overcommit mode 1. It saves to a disk; nothing was asked of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checker.facts import (
    UNLIMITED,
    Cgroup,
    CgroupLevel,
    Child,
    Config,
    Declared,
    Engine,
    Info,
    Limit,
    Maybe,
    Node,
    Process,
    SavePoint,
    Server,
    Sourced,
    Subject,
    Unread,
    Volume,
)
from checker.units import GIB, KIB, MIB

UNREAD = Unread("/proc/1/fact", "Permission denied", "run it as root")
"""Any fact that could not be read."""

RSS_ANON = 400 * MIB
LIMIT = 2 * GIB
MAXMEMORY = 600 * MIB
PAGE_TABLES = RSS_ANON // 512


def a_node(**changed: Any) -> Node:
    """A machine of 16 GiB, 12 of them available, with 4 KiB pages, 4 CPUs and no swap; it grants every fork."""
    node = Node(
        kernel_release="6.1.0-56-cloud-amd64",
        page_size_bytes=4096,
        cpu_count=4,
        overcommit_memory=1,
        overcommit_ratio=50,
        overcommit_kbytes=0,
        admin_reserve_kbytes=8 * MIB,
        user_reserve_kbytes=128 * MIB,
        mem_total=16 * GIB,
        mem_free=8 * GIB,
        mem_available=12 * GIB,
        swap_total=0,
        swap_free=0,
        commit_limit=8 * GIB,
        committed_as=GIB,
        hugetlb=0,
        guess_free=12 * GIB,
        thp_enabled="madvise",
        thp_defrag="madvise",
    )
    return replace(node, **changed)


def a_level(path: str = "/sys/fs/cgroup/cache", **changed: Any) -> CgroupLevel:
    """One level with a limit of 2 GiB that holds the server's memory and nothing else."""
    level = CgroupLevel(
        path=path,
        memory_max=LIMIT,
        memory_high=UNLIMITED,
        swap_max=0,
        memory_current=RSS_ANON + PAGE_TABLES,
        anon=RSS_ANON,
        file=0,
        kernel=PAGE_TABLES,
        inactive_file=0,
        active_file=0,
        slab_reclaimable=0,
        shmem=0,
        oom_group=False,
        oom_kills=0,
    )
    return replace(level, **changed)


def a_cgroup(*levels: CgroupLevel, **changed: Any) -> Cgroup:
    """A control group of version 2 outside any container or unit, with these levels, innermost first."""
    cgroup = Cgroup(
        version=2,
        path="/cache",
        levels=levels or (a_level(),),
        ancestors_hidden=False,
        pids_max=UNLIMITED,
        pids_current=10,
        cpu_quota_cores=UNLIMITED,
        pod_uid=None,
        container_id=None,
    )
    return replace(cgroup, **changed)


def a_process(**changed: Any) -> Process:
    """Pid 4711 with 400 MiB resident, without capabilities, and no child."""
    process = Process(
        pid=4711,
        start_time_ticks=1000,
        comm="redis-server",
        cmdline=("redis-server", "/etc/redis/redis.conf"),
        executable="/usr/bin/redis-server",
        rss_anon=RSS_ANON,
        vm_size=600 * MIB,
        vm_data=500 * MIB,
        vm_stk=132 * KIB,
        vm_pte=PAGE_TABLES,
        vm_swap=0,
        cap_sys_admin=False,
        thp_enabled=True,
        oom_score_adj=0,
        vmas=(),
        child=None,
    )
    return replace(process, **changed)


def a_child(**changed: Any) -> Child:
    """A child that has been saving for two seconds, with 20 MiB copied."""
    return replace(Child(pid=4712, age_seconds=2.0, private_dirty=20 * MIB), **changed)


def a_config(**changed: Any) -> Config:
    """`maxmemory 600mb`, `save 3600 1`, no AOF, no replica."""
    config = Config(
        maxmemory=MAXMEMORY,
        maxmemory_policy="allkeys-lru",
        save=(SavePoint(3600, 1),),
        appendonly=False,
        auto_aof_rewrite_percentage=100,
        replicaof=False,
        replicas_possible=False,
        cluster_enabled=False,
        repl_diskless_sync=True,
        repl_backlog_size=MIB,
        replica_output_buffer_limit=256 * MIB,
        directory="/var/lib/redis",
        dbfilename="dump.rdb",
        rdbcompression=True,
        disable_thp=True,
        oom_score_adj=False,
        forkless=False,
        sources={"maxmemory": "/etc/redis/redis.conf line 12"},
    )
    return replace(config, **changed)


NEVER_FORKS: dict[str, Any] = {"save": (), "appendonly": False, "replicas_possible": False}
"""Configuration with which nothing makes a server fork."""


def an_engine(**changed: Any) -> Engine:
    """Redis 7.2 with its own jemalloc."""
    return replace(Engine(name="redis", version="7.2.4", allocator="jemalloc-5.3.0", forks=True), **changed)


def an_info(**changed: Any) -> Info:
    """A server that was asked, with one million keys, and has not saved yet."""
    info = Info(
        used_memory=360 * MIB,
        used_memory_rss=RSS_ANON,
        used_memory_dataset=300 * MIB,
        mem_not_counted_for_evict=0,
        keys=1_000_000,
        connected_slaves=0,
        write_rate_per_second=100.0,
        rdb_last_bgsave_time_sec=-1,
        rdb_last_cow_size=0,
        rdb_last_bgsave_status="ok",
        latest_fork_usec=0,
        loading=False,
        sorted_set_ratio=0.0,
        evicted_keys=0,
    )
    return replace(info, **changed)


def a_volume(**changed: Any) -> Volume:
    """A disk with nothing on it yet."""
    return replace(Volume(filesystem="ext4", in_memory=False, files_bytes=0), **changed)


def a_server(
    *, process: Process | None = None, cgroup: Maybe[Cgroup] | None = None, config: Config | None = None, **changed: Any
) -> Server:
    """A running server; its limit is that of its innermost cgroup level unless another is given."""
    cgroup = cgroup or a_cgroup()
    limit: Limit = cgroup if isinstance(cgroup, Unread) else cgroup.levels[0].memory_max if cgroup.levels else UNLIMITED
    server = Server(
        subject=Subject(source="process", name="redis-server :6379", pid=4711),
        engine=an_engine(),
        config=config or a_config(),
        process=process or a_process(),
        cgroup=cgroup,
        limit=Sourced(limit, "/sys/fs/cgroup/cache/memory.max"),
        cpu_limit_cores=UNLIMITED,
        oom_group=False,
        volume=a_volume(),
    )
    return replace(server, **changed)


def a_manifest(
    *, limit: Limit = LIMIT, maxmemory: Maybe[int] = MAXMEMORY, config: Config | None = None, **changed: Any
) -> Server:
    """A container of a StatefulSet: nothing runs, so nothing is measured."""
    server = Server(
        subject=Subject(
            source="manifest",
            name="cache",
            namespace="shop",
            kind="StatefulSet",
            container="redis",
            file="cache.yaml",
            line=12,
        ),
        engine=an_engine(allocator=UNREAD),
        config=config or a_config(maxmemory=maxmemory),
        process=None,
        cgroup=None,
        limit=Sourced(limit, "resources.limits.memory"),
        cpu_limit_cores=UNLIMITED,
        oom_group=True,
        volume=a_volume(filesystem="pvc", files_bytes=UNREAD),
    )
    return replace(server, **changed)


def a_server_elsewhere(**changed: Any) -> Server:
    """A server that was asked over the network alone: it has no process here, and its limit is not known."""
    server = replace(
        a_server(cgroup=UNREAD),
        subject=Subject(source="process", name="redis://far:6379"),
        process=None,
        cpu_limit_cores=UNREAD,
        oom_group=UNREAD,
        volume=a_volume(filesystem=UNREAD, in_memory=UNREAD, files_bytes=UNREAD),
        info=an_info(),
    )
    return replace(server, **changed)


def declares(**fields: Any) -> Declared:
    """What annotations say."""
    return Declared(**fields)


def with_limit(server: Server, limit: Limit) -> Server:
    """The same server with another limit, in its cgroup too."""
    cgroup = server.cgroup
    if isinstance(cgroup, Cgroup) and cgroup.levels:
        inner = replace(cgroup.levels[0], memory_max=limit)
        cgroup = replace(cgroup, levels=(inner, *cgroup.levels[1:]))
    return replace(server, limit=Sourced(limit, server.limit.source), cgroup=cgroup)


def with_maxmemory(server: Server, maxmemory: Maybe[int]) -> Server:
    """The same server with another maxmemory."""
    return replace(server, config=replace(server.config, maxmemory=maxmemory))


def holding(resident: int, **changed: Any) -> dict[str, Any]:
    """`process` and `cgroup` of a server with so much data: `a_server(**holding(GIB))`; `changed` is the level's."""
    tables = resident // 512
    level = {"memory_current": resident + tables, "anon": resident, "kernel": tables, **changed}
    return {
        "process": a_process(rss_anon=resident, vm_pte=tables, vm_size=resident + 200 * MIB),
        "cgroup": a_cgroup(a_level(**level)),
    }
