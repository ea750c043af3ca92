"""From facts to numbers: what a save of this server works on, how long it takes, and what it needs at its peak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, isinf
from typing import Literal

from checker.estimate import beside, inputs, watched
from checker.estimate.binding import Binding, binding_limit, limit_source
from checker.estimate.causes import fork_causes
from checker.estimate.landing import fork_on_any, forks_on, meeting_node
from checker.facts import Candidate, CgroupLevel, Limit, Maybe, Node, Server, Sourced, Unread
from checker.model.cow import copied_bytes, touched_per_write, worst_copied_bytes
from checker.model.lifetime import cpu_stretch_ratio
from checker.model.overcommit import Fork, judge_fork
from checker.model.peak import (
    Save,
    lifetime_seconds,
    page_table_bytes,
    peak_bytes,
    resident_that_fits,
    worst_peak_bytes,
    write_budget_per_second,
)
from checker.policy import Assumptions, Policy
from checker.units import format_bytes, round_down_size
from checker.verdict import Cause, Estimate

__all__ = ["DEFAULT_PAGE_SIZE_BYTES", "Evidence", "Numbers", "gather"]

DEFAULT_PAGE_SIZE_BYTES = 4096
"""Where no machine is known (a manifest): x86-64, and most arm64 kernels."""


@dataclass(frozen=True, kw_only=True)  # without slots: a cached property is kept in __dict__
class Evidence:
    """All that a rule may look at: the facts, what was assumed, and the numbers that follow."""

    server: Server
    node: Node | None  # None: no machine is known, or the server runs on another
    assumptions: Assumptions
    policy: Policy
    causes: tuple[Cause, ...]  # what makes this server fork, as far as is known
    forks: Maybe[bool]  # may it fork at all? Unread: what decides is missing, so it is judged as if
    fork: Fork  # would the kernel grant a fork?
    limit: Sourced[Limit]  # the limit that leaves least room
    limit_level: CgroupLevel | None  # the level that has it, where one is known
    maxmemory: Sourced[Maybe[int]]  # 0: nothing bounds the dataset
    fragmentation_ratio: float  # resident bytes for each byte of maxmemory
    numbers: Numbers | Unread  # Unread: the resident size is not known, and so nothing follows
    neighbours: tuple[Evidence, ...] = ()  # the other servers of the same machine
    landing_forks: tuple[tuple[str, Fork], ...] = ()  # of a server that runs nowhere yet: (node, what its kernel says)

    @cached_property
    def largest_maxmemory_bytes(self) -> int:
        """The largest maxmemory, in whole MiB, whose expected peak fits the limit; 0 where none does, or who knows.

        A search that several remedies and the recommendation name: done once, and only if one of them is given.
        """
        limit, numbers = self.limit.value, self.numbers
        if not isinstance(limit, int) or limit <= 0:
            return 0
        if isinstance(numbers, Unread) and self.maxmemory.value == 0:
            # If it had this maxmemory: a size from which to scale where nothing gives one.
            config = replace(self.server.config, maxmemory=limit)
            bounded = gather(replace(self.server, config=config), self.node, self.assumptions, self.policy)
            return bounded.largest_maxmemory_bytes
        if isinstance(numbers, Unread) or numbers.estimate.resident_bytes <= 0:
            return 0
        if self.forks is False:
            with_tables = numbers.save.base_bytes - numbers.others_bytes
            resident = (limit - numbers.others_bytes - 1) * numbers.estimate.resident_bytes / with_tables
        else:
            resident = resident_that_fits(numbers.save, numbers.estimate.write_rate_per_second, limit)
        return round_down_size(int(resident / self.fragmentation_ratio))


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The save that is expected, and the estimate that follows from it."""

    save: Save
    estimate: Estimate
    others_bytes: int  # what the limit has to hold beside this server: other processes, files in memory, slab
    stretch_ratio: float = 1.0  # by how much a CPU limit lengthens the save


def gather(
    server: Server,
    node: Node | None,
    assumptions: Assumptions,
    policy: Policy,
    *,
    landing: tuple[Candidate, ...] = (),
    best_guess: bool = False,
) -> Evidence:
    """Put together everything that the rules need. A server that runs nowhere has no node, and maybe a landing.

    `best_guess`: take from watched forks what is most likely, for a prediction, and not what is safe to assume.
    """
    if node is None:
        node = meeting_node(landing)
    if server.subject.source == "process" and server.process is None:
        node = None  # it was asked over the network: this machine is not its own
    causes, forks = fork_causes(server)
    binding = binding_limit(server, node)
    maxmemory = inputs.maxmemory(server)
    fragmentation = inputs.fragmentation_ratio(assumptions, policy)
    resident = inputs.resident_bytes(server, maxmemory, fragmentation)
    numbers: Numbers | Unread
    if isinstance(resident, Unread):
        numbers = resident
    else:
        numbers = _numbers(
            server,
            node,
            assumptions,
            policy,
            causes=causes,
            resident=resident,
            binding=binding,
            maxmemory=maxmemory,
            best_guess=best_guess,
        )
    landing_forks = () if isinstance(resident, Unread) else forks_on(landing, resident.value)
    return Evidence(
        server=server,
        node=node,
        assumptions=assumptions,
        policy=policy,
        causes=causes,
        forks=forks,
        fork=fork_on_any(landing_forks, landing) if landing_forks else _fork(server, node),
        limit=binding.limit,
        limit_level=binding.level,
        maxmemory=maxmemory,
        fragmentation_ratio=fragmentation.value,
        numbers=numbers,
        landing_forks=landing_forks,
    )


def _fork(server: Server, node: Node | None) -> Fork:
    if node is not None and server.process is not None:
        return judge_fork(node, server.process)
    if node is not None:
        reason = "the server is not running on this machine, so its mappings are not known"
    elif server.subject.source == "process":
        reason = "the server runs on another machine, whose kernel was not asked"
    else:
        reason = "no node is known; the kubelet sets vm.overcommit_memory=1, which never refuses a fork"
    mode = node.overcommit_memory if node and isinstance(node.overcommit_memory, int) else None
    outcome: Literal["granted", "unknown"] = "granted" if mode == 1 else "unknown"
    return Fork(outcome=outcome, overcommit_memory=mode, charge_bytes=None, allowed_bytes=None, reason=reason)


def _numbers(
    server: Server,
    node: Node | None,
    assumptions: Assumptions,
    policy: Policy,
    *,
    causes: tuple[Cause, ...],
    resident: Sourced[int],
    binding: Binding,
    maxmemory: Sourced[Maybe[int]],
    best_guess: bool,
) -> Numbers:
    page = node.page_size_bytes if node else DEFAULT_PAGE_SIZE_BYTES
    rate = inputs.write_rate(server, assumptions, policy, node, resident.value)
    seconds, cores = inputs.save_seconds(server, assumptions, policy, resident.value, rate.value)
    assumed = watched.Inputs(
        workload=inputs.workload(
            server, node, assumptions, resident=resident.value, page=page, rate=rate.value, seconds=seconds.value
        ),
        rate=rate,
        seconds=seconds,
    )
    found = watched.learned(assumed, server, assumptions, best_guess=best_guess)
    if found.seconds is not seconds:
        cores = None  # watched forks have the CPU limit in their time already
    # What the time was computed with: a rate that watched forks correct stretches it anew.
    unstretched = found.seconds.value / cpu_stretch_ratio(cores, rate.value)
    workload, rate = found.workload.value, found.rate
    tables = _page_tables_bytes(server, resident.value, page)
    own = resident.value + tables
    held = _held_between_saves(server, binding, tables)
    per_write, buffer_limit = beside.buffers(server, causes, workload)
    save = Save(
        workload=workload,
        seconds=unstretched,
        base_bytes=own if held is None else max(own, held),
        child_page_tables_bytes=tables,
        buffer_bytes_per_write=per_write,
        buffer_limit_bytes=buffer_limit,
        memory_file_bytes=beside.memory_file_bytes(server, causes, resident.value, held_known=held is not None),
        cpu_limit_cores=cores,
    )
    lifetime = lifetime_seconds(save, rate.value)
    limit = binding.limit.value if isinstance(binding.limit.value, int) else None
    worst, expected = round(_worst_peak_bytes(save, rate.value)), round(peak_bytes(save, rate.value))
    budget = None if limit is None else write_budget_per_second(save, limit)
    estimate = Estimate(
        resident_bytes=resident.value,
        maxmemory_bytes=None if isinstance(maxmemory.value, Unread) else maxmemory.value,
        limit_bytes=limit,
        page_size_bytes=page,
        write_rate_per_second=rate.value,
        save_seconds=lifetime,
        pages_per_write=touched_per_write(workload),
        cow_worst_bytes=round(worst_copied_bytes(workload)),
        cow_expected_bytes=round(copied_bytes(workload, rate.value * lifetime)),
        peak_worst_bytes=worst,
        peak_expected_bytes=expected,
        headroom_worst_bytes=None if limit is None else limit - worst,
        headroom_expected_bytes=None if limit is None else limit - expected,
        write_budget_per_second=None if budget is None or isinf(budget) else budget,
        sources={
            "resident_bytes": resident.source,
            "limit_bytes": limit_source(binding.limit),
            "maxmemory_bytes": f"unread: {maxmemory.value}"
            if isinstance(maxmemory.value, Unread)
            else maxmemory.source,
            "page_size_bytes": "the machine" if node else "assumed: no machine is known",
            "write_rate_per_second": rate.source,
            "pages_per_write": found.workload.source,
            "save_seconds": found.seconds.source,
            "peak_expected_bytes": _peak_source(save, own, tables),
        },
    )
    others = round(save.base_bytes) - own
    stretch = cpu_stretch_ratio(cores, rate.value)
    return Numbers(save=save, estimate=estimate, others_bytes=others, stretch_ratio=stretch)


def _page_tables_bytes(server: Server, resident: int, page: int) -> int:
    if server.process is not None and isinstance(server.process.vm_pte, int):
        return server.process.vm_pte
    return round(page_table_bytes(resident, page))


def _held_between_saves(server: Server, binding: Binding, tables: int) -> int | None:
    """What the limit's cgroup holds when no child lives; None where it was not read.

    What this server has in swap comes back when it is read. What a child of this moment has copied goes with it.
    """
    if binding.held_bytes is None:
        return None
    child = server.process.child if server.process is not None else None
    passing = tables + child.private_dirty if child is not None and isinstance(child.private_dirty, int) else 0
    return binding.held_bytes + inputs.swapped_bytes(server) - passing


def _worst_peak_bytes(save: Save, rate: float) -> float:
    """The worst case; of buffers without a limit it can only count what is expected, and Redis' default at least."""
    if isfinite(save.buffer_limit_bytes):
        return worst_peak_bytes(save)
    expected = save.buffer_bytes_per_write * rate * lifetime_seconds(save, rate)
    return worst_peak_bytes(replace(save, buffer_limit_bytes=max(expected, beside.DEFAULT_REPLICA_BUFFER_BYTES)))


def _peak_source(save: Save, own: int, tables: int) -> str:
    parts = [f"resident {format_bytes(own - tables)}", f"page tables {format_bytes(2 * tables)}"]
    if save.base_bytes > own:
        parts.append(f"others in the same cgroup {format_bytes(save.base_bytes - own)}")
    if save.memory_file_bytes:
        parts.append(f"files in memory {format_bytes(save.memory_file_bytes)}")
    if save.buffer_bytes_per_write:
        parts.append("buffers")
    return " + ".join(parts) + " + copies"
