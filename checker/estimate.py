"""From facts to numbers: what a save of this server works on, how long it takes, and what it needs at its peak.

Every number carries the source of its input. Where several could tell, the order is: what the person states
(assumptions), what was measured, what the owner declared, the policy's default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf
from typing import Literal

from checker.facts import UNLIMITED, Cgroup, Limit, Maybe, Node, Population, Process, Server, Sourced, Unlimited, Unread
from checker.model.cow import Workload, copied_bytes, copy_unit_bytes, touched_per_write, worst_copied_bytes
from checker.model.layouts import version_tuple
from checker.model.overcommit import Fork, judge_fork
from checker.model.peak import Save, page_table_bytes, peak_bytes, worst_peak_bytes, write_budget_per_second
from checker.policy import Assumptions, Distribution, Policy
from checker.units import format_bytes, format_count
from checker.verdict import Cause, Estimate

DEFAULT_PAGE_SIZE_BYTES = 4096
"""Where no machine is known (a manifest): x86-64, and most arm64 kernels."""

DEFAULT_KEY_BYTES = 16
"""A judgement for `--keys` without the names' length: `session:01234567`."""

WRITE_CPU_SECONDS = 15e-6
"""CPU time that the server takes for one small write: a judgement, from 60,000–70,000 writes/s on one core."""

REPLICA_BYTES_PER_WRITE = 100
"""Protocol and list overhead of one write in a replica's output buffer, beside the value: a judgement."""

MULTI_PART_AOF = (7, 0)
"""Since Redis 7.0 writes during a rewrite go to a file, not to a buffer (multi-part AOF)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a rule may look at: the facts, what was assumed, and the numbers that follow."""

    server: Server
    node: Node | None
    assumptions: Assumptions
    policy: Policy
    causes: tuple[Cause, ...]  # what makes this server fork, as far as is known
    forks: Maybe[bool]  # may it fork at all? Unread: what decides is missing, so it is judged as if
    fork: Fork  # would the kernel grant a fork?
    limit: Sourced[Limit]  # the limit that leaves least room
    numbers: Numbers | Unread  # Unread: the resident size is not known, and so nothing follows
    neighbours: tuple[Server, ...] = ()  # the other servers of the same machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The save that is expected, and the estimate that follows from it."""

    save: Save
    estimate: Estimate
    distribution: Distribution
    fragmentation_ratio: float
    stretch_ratio: float = 1.0  # by how much a CPU limit lengthens the save
    sources: Mapping[str, str] = field(default_factory=dict)


def gather(
    server: Server, node: Node | None, assumptions: Assumptions, policy: Policy, neighbours: Sequence[Server] = ()
) -> Evidence:
    """Put together everything that the rules need."""
    causes, forks = fork_causes(server)
    limit, held = binding_limit(server, node)
    resident = resident_bytes(server, assumptions, policy)
    numbers: Numbers | Unread
    if isinstance(resident, Unread):
        numbers = resident
    else:
        numbers = _numbers(server, node, assumptions, policy, causes=causes, resident=resident, limit=limit, held=held)
    return Evidence(
        server=server,
        node=node,
        assumptions=assumptions,
        policy=policy,
        causes=causes,
        forks=forks,
        fork=_fork(server, node),
        limit=limit,
        numbers=numbers,
        neighbours=tuple(neighbours),
    )


# --- does it fork, and why -------------------------------------------------------------------------------------------


def fork_causes(server: Server) -> tuple[tuple[Cause, ...], Maybe[bool]]:
    """What makes this server fork, and whether anything may: unread configuration counts as "it may"."""
    config, engine = server.config, server.engine
    if engine.forks is False:
        return (), False
    causes: list[Cause] = []
    doubts: list[Unread] = []

    def consider(cause: Cause, answer: Maybe[bool]) -> None:
        if isinstance(answer, Unread):
            doubts.append(answer)
        elif answer and cause not in causes:
            causes.append(cause)

    if config.forkless is not True:
        consider("rdb", config.save if isinstance(config.save, Unread) else bool(config.save))
    if config.appendonly is False or config.auto_aof_rewrite_percentage == 0:
        consider("aof", False)
    else:
        consider("aof", config.appendonly)
    attached = server.info.connected_slaves if server.info else None
    if isinstance(attached, int) and attached > 0:
        consider("replication", True)
    else:
        consider("replication", config.replicas_possible)
    if server.process is not None and server.process.child is not None and not causes:
        causes.append("rdb")  # a child is saving right now: something makes it fork, whatever the configuration says
    if isinstance(engine.forks, Unread) and not causes:
        return (), engine.forks
    if not causes and doubts:
        return (), doubts[0]
    return tuple(causes), bool(causes)


def _fork(server: Server, node: Node | None) -> Fork:
    if node is not None and server.process is not None:
        return judge_fork(node, server.process)
    reason = "the server is not running on this machine, so its mappings are not known"
    if node is None:
        reason = "no node is known; on Kubernetes the kubelet sets vm.overcommit_memory=1, which never refuses a fork"
    mode = node.overcommit_memory if node and isinstance(node.overcommit_memory, int) else None
    outcome: Literal["granted", "unknown"] = "granted" if mode == 1 else "unknown"
    return Fork(outcome=outcome, overcommit_memory=mode, charge_bytes=None, allowed_bytes=None, reason=reason)


# --- the limit that binds --------------------------------------------------------------------------------------------


def binding_limit(server: Server, node: Node | None) -> tuple[Sourced[Limit], int | None]:
    """The memory limit that leaves least room, and the unreclaimable bytes already charged to it (None: not read).

    Of all levels from the process' own cgroup to the root, the smallest `limit − unreclaimable` decides (KERNEL C3). A
    limit that is not below the machine's memory is none (KERNEL C2).
    """
    levels = server.cgroup.levels if isinstance(server.cgroup, Cgroup) else ()
    best: tuple[int, int, int | None, str] | None = None
    for level in levels:
        if not isinstance(level.memory_max, int):
            continue
        held = level.unreclaimable()
        known = None if isinstance(held, Unread) else held
        room = level.memory_max - (known or 0)
        if best is None or room < best[0]:
            best = (room, level.memory_max, known, level.path)
    if best is None:
        limit, charged = server.limit, None
    elif best[1] == server.limit.value:
        limit, charged = server.limit, best[2]
    else:
        limit, charged = Sourced[Limit](best[1], f"memory limit of {best[3]}"), best[2]
    total = node.mem_total if node else None
    if isinstance(limit.value, int) and isinstance(total, int) and limit.value >= total:
        why = f"none: {format_bytes(limit.value)} ({limit.source}) is not below the machine's {format_bytes(total)}"
        return Sourced[Limit](UNLIMITED, why), None
    return limit, charged


# --- resident size ---------------------------------------------------------------------------------------------------


def resident_bytes(server: Server, assumptions: Assumptions, policy: Policy) -> Sourced[int] | Unread:
    """Anonymous bytes that a child shares with the server, what is swapped out included (reading brings it back)."""
    process, info = server.process, server.info
    if process is not None and isinstance(process.rss_anon, int):
        swapped = process.vm_swap if isinstance(process.vm_swap, int) else 0
        also = f" and {format_bytes(swapped)} of it in swap" if swapped else ""
        return Sourced(process.rss_anon + swapped, f"measured RssAnon of pid {process.pid}{also}")
    if info is not None and isinstance(info.used_memory_rss, int) and info.used_memory_rss > 0:
        return Sourced(info.used_memory_rss, "INFO used_memory_rss")
    if server.declared.dataset is not None:
        return Sourced(server.declared.dataset, "annotation bgsafe.io/dataset")
    maxmemory, source = _maxmemory(server)
    if isinstance(maxmemory, Unread):
        return maxmemory
    if maxmemory > 0:
        ratio = _fragmentation(assumptions, policy)
        return Sourced(round(maxmemory * ratio.value), f"maxmemory ({source}) × fragmentation {ratio.value:g}")
    if process is not None and isinstance(process.rss_anon, Unread):
        return process.rss_anon
    return Unread("the size of the dataset", "no maxmemory bounds it, and nothing was measured", "set maxmemory")


def _maxmemory(server: Server) -> tuple[Maybe[int], str]:
    if server.declared.maxmemory is not None:
        return server.declared.maxmemory, "annotation bgsafe.io/maxmemory"
    return server.config.maxmemory, server.config.sources.get("maxmemory", "Redis' default")


def _fragmentation(assumptions: Assumptions, policy: Policy) -> Sourced[float]:
    if assumptions.fragmentation_ratio is not None:
        return Sourced(assumptions.fragmentation_ratio, "--fragmentation")
    return Sourced(policy.fragmentation_ratio, f"policy ({policy.source})")


# --- the numbers -----------------------------------------------------------------------------------------------------


def _numbers(
    server: Server,
    node: Node | None,
    assumptions: Assumptions,
    policy: Policy,
    *,
    causes: tuple[Cause, ...],
    resident: Sourced[int],
    limit: Sourced[Limit],
    held: int | None,
) -> Numbers:
    sources = {"resident_bytes": resident.source, "limit_bytes": _limit_source(limit)}
    page = node.page_size_bytes if node else DEFAULT_PAGE_SIZE_BYTES
    sources["page_size_bytes"] = "the machine" if node else "assumed: no machine is known"
    rate = write_rate(server, assumptions, policy)
    sources["write_rate_per_second"] = rate.source
    workload, shape_source = _workload(server, node, assumptions, resident.value, page)
    sources["pages_per_write"] = shape_source
    seconds, stretch = save_seconds(server, assumptions, policy, resident.value, rate.value)
    sources["save_seconds"] = seconds.source

    process = server.process
    tables = round(page_table_bytes(resident.value, page))
    if process is not None and isinstance(process.vm_pte, int):
        tables = process.vm_pte
    own = resident.value + tables
    base = own if held is None else max(own, held + _swapped(process))
    buffers_per_write, buffer_limit = _buffers(server, causes, workload)
    save = Save(
        workload=workload,
        seconds=seconds.value,
        base_bytes=base,
        child_page_tables_bytes=tables,
        buffer_bytes_per_write=buffers_per_write,
        buffer_limit_bytes=buffer_limit,
        memory_file_bytes=_memory_file_bytes(server, causes, resident.value),
    )
    sources["peak_expected_bytes"] = _peak_source(save, own, tables)
    maxmemory, maxmemory_source = _maxmemory(server)
    sources["maxmemory_bytes"] = f"unread: {maxmemory}" if isinstance(maxmemory, Unread) else maxmemory_source
    limit_bytes = limit.value if isinstance(limit.value, int) else None
    worst, expected = round(worst_peak_bytes(save)), round(peak_bytes(save, rate.value))
    budget = None if limit_bytes is None else write_budget_per_second(save, limit_bytes)
    estimate = Estimate(
        resident_bytes=resident.value,
        maxmemory_bytes=None if isinstance(maxmemory, Unread) else maxmemory,
        limit_bytes=limit_bytes,
        page_size_bytes=page,
        write_rate_per_second=rate.value,
        save_seconds=seconds.value,
        pages_per_write=touched_per_write(workload),
        cow_worst_bytes=round(worst_copied_bytes(workload)),
        cow_expected_bytes=round(copied_bytes(workload, rate.value * seconds.value)),
        peak_worst_bytes=worst,
        peak_expected_bytes=expected,
        headroom_worst_bytes=None if limit_bytes is None else limit_bytes - worst,
        headroom_expected_bytes=None if limit_bytes is None else limit_bytes - expected,
        write_budget_per_second=None if budget is None or isinf(budget) else budget,
        sources=sources,
    )
    return Numbers(
        save=save,
        estimate=estimate,
        distribution=workload.distribution,
        fragmentation_ratio=_fragmentation(assumptions, policy).value,
        stretch_ratio=stretch,
        sources=sources,
    )


def write_rate(server: Server, assumptions: Assumptions, policy: Policy) -> Sourced[float]:
    """Writes per second while a child lives."""
    if assumptions.write_rate_per_second is not None:
        return Sourced(assumptions.write_rate_per_second, "--write-rate")
    measured = server.info.write_rate_per_second if server.info else None
    if isinstance(measured, float):
        return Sourced(measured, "measured: growth of rdb_changes_since_last_save")
    if server.declared.write_rate_per_second is not None:
        return Sourced(server.declared.write_rate_per_second, "annotation bgsafe.io/write-rate")
    return Sourced(policy.write_rate_per_second, f"policy ({policy.source}): nothing was measured")


def save_seconds(
    server: Server, assumptions: Assumptions, policy: Policy, resident: int, rate: float
) -> tuple[Sourced[float], float]:
    """How long a child lives, and by how much a CPU limit stretches that (1: not at all).

    A time that was measured or stated has the CPU limit in it already.
    """
    if assumptions.save_seconds is not None:
        return Sourced(assumptions.save_seconds, "--save-seconds"), 1.0
    throughput = Sourced(policy.save_throughput_per_second, f"policy ({policy.source})")
    last = server.info.rdb_last_bgsave_time_sec if server.info else None
    if assumptions.save_throughput_per_second is not None:
        throughput = Sourced(assumptions.save_throughput_per_second, "--save-throughput")
    elif isinstance(last, int) and last >= 0:
        return Sourced(float(last + 1), f"INFO rdb_last_bgsave_time_sec {last}, whole seconds, rounded up"), 1.0
    elif server.declared.save_throughput_per_second is not None:
        throughput = Sourced(server.declared.save_throughput_per_second, "annotation bgsafe.io/save-throughput")
    stretch = cpu_stretch_ratio(server.cpu_limit_cores, rate)
    seconds = resident / throughput.value * stretch
    source = f"{format_bytes(resident)} at {format_bytes(throughput.value)}/s, {throughput.source}"
    if stretch > 1:
        source += f", × {stretch:.1f} under the CPU limit"
    return Sourced(seconds, source), stretch


def cpu_stretch_ratio(limit: float | Unlimited | Unread, rate: float) -> float:
    """How much longer a save takes under a CPU limit: the child wants one core, and the server takes its own first.

    Under the completely fair scheduler neither of two busy processes gets less than half.
    """
    if not isinstance(limit, int | float) or limit <= 0:
        return 1.0
    server = min(1.0, rate * WRITE_CPU_SECONDS)
    child = max(limit / 2, limit - server)
    return max(1.0, 1.0 / child)


def _workload(
    server: Server, node: Node | None, assumptions: Assumptions, resident: int, page: int
) -> tuple[Workload, str]:
    shape, source = _shape(server, assumptions)
    info = server.info
    average = None
    if info is not None and isinstance(info.used_memory_dataset, int) and isinstance(info.keys, int) and info.keys > 0:
        average = info.used_memory_dataset / info.keys
    workload = Workload(
        resident_bytes=resident,
        page_size_bytes=page,
        copy_unit_bytes=copy_unit_bytes(node, server.process) if node else page,
        engine=server.engine,
        shape=shape,
        distribution=assumptions.distribution or Distribution(),
        compression=server.config.rdbcompression is not False,
        average_value_bytes=average,
    )
    if not workload.regions_known:
        why = "the shape of the data is not known" if not shape else "the stated shape does not account for the memory"
        source = f"upper bound for small values: {why}"
        if average is not None and average > page:
            source = f"values of {format_bytes(average)} on average (INFO): {why}"
    return workload, source


def _shape(server: Server, assumptions: Assumptions) -> tuple[tuple[Population, ...], str]:
    keys, value = assumptions.keys, assumptions.value_bytes
    info_keys = server.info.keys if server.info else None
    if keys is None and value is not None and isinstance(info_keys, int):
        keys = info_keys
    if keys is not None and value is not None:
        name = assumptions.key_bytes or DEFAULT_KEY_BYTES
        return (Population(keys, value, name),), f"regions of {format_count(keys)} keys with values of {value} bytes"
    if server.shape:
        return server.shape, f"regions, from a sample of the {format_count(sum(p.keys for p in server.shape))} keys"
    return (), ""


def _buffers(server: Server, causes: tuple[Cause, ...], workload: Workload) -> tuple[float, float]:
    """Bytes that a write adds to buffers beside the copies, and where the buffers end."""
    config = server.config
    value = _mean_value_bytes(workload)
    per_write, limit = 0.0, 0.0
    if "replication" in causes:
        attached = server.info.connected_slaves if server.info else None
        replicas = max(1, attached) if isinstance(attached, int) else 1
        hard = config.replica_output_buffer_limit
        per_write += replicas * (value + REPLICA_BYTES_PER_WRITE)
        limit += replicas * (hard if isinstance(hard, int) and hard > 0 else 256 * 1024**2)
    version = version_tuple(server.engine.version)
    if "aof" in causes and version is not None and version < MULTI_PART_AOF and server.engine.name == "redis":
        per_write += value + REPLICA_BYTES_PER_WRITE
        limit += workload.resident_bytes
    return per_write, limit


def _mean_value_bytes(workload: Workload) -> float:
    keys = sum(population.keys for population in workload.shape)
    if keys:
        return sum(population.keys * population.value_bytes for population in workload.shape) / keys
    return workload.average_value_bytes or 0.0


def _memory_file_bytes(server: Server, causes: tuple[Cause, ...], resident: int) -> float:
    """What the save writes into memory when the data directory is a tmpfs: the last file's size, else the data's."""
    if server.volume.in_memory is not True or not (set(causes) & {"rdb", "aof"}):
        return 0.0
    there = server.volume.files_bytes
    return float(there) if isinstance(there, int) and there > 0 else float(resident)


def _swapped(process: Process | None) -> int:
    return process.vm_swap if process is not None and isinstance(process.vm_swap, int) else 0


def _limit_source(limit: Sourced[Limit]) -> str:
    if isinstance(limit.value, Unread):
        return f"unread: {limit.value}"
    if isinstance(limit.value, Unlimited):
        return f"no limit ({limit.source})"
    return limit.source


def _peak_source(save: Save, own: int, tables: int) -> str:
    parts = [f"resident {format_bytes(own - tables)}", f"page tables {format_bytes(2 * tables)}"]
    if save.base_bytes > own:
        parts.append(f"others in the same cgroup {format_bytes(save.base_bytes - own)}")
    if save.memory_file_bytes:
        parts.append(f"files in memory {format_bytes(save.memory_file_bytes)}")
    if save.buffer_bytes_per_write:
        parts.append("buffers")
    return " + ".join(parts) + " + copies"
