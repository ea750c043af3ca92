"""The inputs of the arithmetic, each with its source.

Where several could tell, the order is: what the person states (assumptions), what was measured, what the owner
declared, the policy's default.
"""

from __future__ import annotations

from checker.facts import Maybe, Node, Population, Server, Sourced, Unread, Written
from checker.model.cow import PAGES_PER_SMALL_WRITE, copy_unit_bytes, writes_for_occupancy
from checker.model.curve import MOST_RATIO, written_after
from checker.model.lifetime import cpu_stretch_ratio
from checker.model.workload import Workload
from checker.policy import Assumptions, Distribution, Policy
from checker.units import GIB, format_bytes, format_count

DEFAULT_KEY_BYTES = 16
"""A judgement for `--keys` without the names' length: `session:01234567`."""

FASTEST_SAVE_PER_SECOND = GIB
"""No child saves faster than this (measured: 100–250 MB/s): a last save that seems to was one of less data."""


def resident_bytes(
    server: Server, maxmemory: Sourced[Maybe[int]], fragmentation: Sourced[float]
) -> Sourced[int] | Unread:
    """Anonymous bytes that a child shares with the server, what is swapped out included (reading brings it back)."""
    process, info = server.process, server.info
    if process is not None and isinstance(process.rss_anon, int):
        swapped = swapped_bytes(server)
        also = f" and {format_bytes(swapped)} in swap" if swapped else ""
        return Sourced(process.rss_anon + swapped, f"measured RssAnon of pid {process.pid}{also}")
    if info is not None and isinstance(info.used_memory_rss, int) and info.used_memory_rss > 0:
        return Sourced(info.used_memory_rss, "INFO used_memory_rss")
    if isinstance(maxmemory.value, int) and maxmemory.value > 0:
        grown = round(maxmemory.value * fragmentation.value)
        return Sourced(grown, f"maxmemory ({maxmemory.source}) × fragmentation {fragmentation.value:g}")
    if server.declared.dataset is not None:
        return Sourced(server.declared.dataset, "annotation bgsafe.io/dataset")
    if isinstance(maxmemory.value, Unread):
        return maxmemory.value
    if process is not None and isinstance(process.rss_anon, Unread):
        return process.rss_anon
    return Unread("maxmemory", "it is not set, and nothing was measured", "set maxmemory")


def swapped_bytes(server: Server) -> int:
    """Bytes of the server in swap; 0 where they were not read, or where nothing runs."""
    process = server.process
    return process.vm_swap if process is not None and isinstance(process.vm_swap, int) else 0


def maxmemory(server: Server) -> Sourced[Maybe[int]]:
    """The bound of the dataset, 0 for none. An annotation speaks where the configuration does not, or enlarges it."""
    configured, declared = server.config.maxmemory, server.declared.maxmemory
    if declared is not None and (isinstance(configured, Unread) or declared > configured):
        return Sourced(declared, "annotation bgsafe.io/maxmemory")
    return Sourced(configured, server.config.sources.get("maxmemory", "Redis' default"))


def fragmentation_ratio(assumptions: Assumptions, policy: Policy) -> Sourced[float]:
    """Resident bytes for each byte that maxmemory counts."""
    if assumptions.fragmentation_ratio is not None:
        return Sourced(assumptions.fragmentation_ratio, "--fragmentation")
    return Sourced(policy.fragmentation_ratio, f"policy ({policy.source})")


def write_rate(
    server: Server, assumptions: Assumptions, policy: Policy, node: Node | None, resident: int
) -> Sourced[float]:
    """Writes per second while a child lives.

    Where pages were counted (`--measure`) and no rate was, the rate follows from them, at the most pages a write.
    """
    if assumptions.write_rate_per_second is not None:
        return Sourced(assumptions.write_rate_per_second, "--write-rate")
    measured = server.info.write_rate_per_second if server.info else None
    if isinstance(measured, float):
        return Sourced(measured, "measured: rdb_changes_since_last_save, now or on average since the last save")
    if isinstance(server.written, Written) and node is not None:
        writes = _writes_that_dirty(server.written, resident, PAGES_PER_SMALL_WRITE, node.page_size_bytes)
        return Sourced(writes / server.written.seconds, f"measured pages, at {PAGES_PER_SMALL_WRITE} pages a write")
    if server.observed_rate is not None:
        return server.observed_rate
    if server.declared.write_rate_per_second is not None:
        return Sourced(server.declared.write_rate_per_second, "annotation bgsafe.io/write-rate")
    return Sourced(policy.write_rate_per_second, f"policy ({policy.source}): nothing was measured")


def save_seconds(
    server: Server, assumptions: Assumptions, policy: Policy, resident: int, rate: float
) -> tuple[Sourced[float], float | None]:
    """How long a child lives, and the CPU limit (cores) that stretches that; None where none does.

    A time that was measured or stated has the CPU limit in it already. INFO's is in whole seconds: within the second
    that they leave open, the throughput decides.
    """
    if assumptions.save_seconds is not None:
        return Sourced(assumptions.save_seconds, "--save-seconds"), None
    throughput = _throughput(server, assumptions, policy)
    limit = server.cpu_limit_cores
    cores = float(limit) if isinstance(limit, int | float) and limit > 0 else None
    stretch = cpu_stretch_ratio(cores, rate)
    seconds = resident / throughput.value * stretch
    last = server.info.rdb_last_bgsave_time_sec if server.info else None
    measured = isinstance(last, int) and last >= 0 and resident <= (last + 1) * FASTEST_SAVE_PER_SECOND
    if measured and isinstance(last, int) and assumptions.save_throughput_per_second is None:
        return Sourced(min(max(seconds, float(last)), last + 1.0), f"INFO rdb_last_bgsave_time_sec {last}"), None
    source = f"{format_bytes(resident)} at {format_bytes(throughput.value)}/s, {throughput.source}"
    if stretch > 1:
        source += f", × {stretch:.2f} under the CPU limit"
    return Sourced(seconds, source), cores


def _throughput(server: Server, assumptions: Assumptions, policy: Policy) -> Sourced[int]:
    if assumptions.save_throughput_per_second is not None:
        return Sourced(assumptions.save_throughput_per_second, "--save-throughput")
    if server.declared.save_throughput_per_second is not None:
        return Sourced(server.declared.save_throughput_per_second, "annotation bgsafe.io/save-throughput")
    return Sourced(policy.save_throughput_per_second, f"policy ({policy.source})")


def _writes_that_dirty(written: Written, resident: int, pages_per_write: float, page: int) -> float:
    """How many writes dirty as many pages; of all pages being dirty, only the least number can be told."""
    dirty = min(float(written.bytes), resident * MOST_RATIO)
    return writes_for_occupancy(resident, dirty, pages_per_write=pages_per_write, page=page)


def workload(
    server: Server,
    node: Node | None,
    assumptions: Assumptions,
    *,
    resident: int,
    page: int,
    rate: float,
    seconds: float,
) -> Sourced[Workload]:
    """What is written to, and where that is known from: counted pages, then a stated or sampled shape, then a bound."""
    shape, source = _shape(server, assumptions)
    counted = None
    if isinstance(server.written, Written) and rate > 0 and seconds > 0:
        by_then = written_after(server.written, resident, seconds)
        ones = writes_for_occupancy(resident, by_then, pages_per_write=1.0, page=page)
        counted = ones / (rate * seconds)
        dirtied = f"{format_bytes(server.written.bytes)} written in {server.written.seconds:.1f} s"
        source = f"measured: {dirtied}, without a fork"
    info = server.info
    average = None
    if info is not None and isinstance(info.used_memory_dataset, int) and isinstance(info.keys, int) and info.keys > 0:
        average = info.used_memory_dataset / info.keys
    made = Workload(
        resident_bytes=resident,
        page_size_bytes=page,
        copy_unit_bytes=copy_unit_bytes(node, server.process) if node else page,
        engine=server.engine,
        shape=shape,
        distribution=assumptions.distribution or Distribution(),
        compression=server.config.rdbcompression is not False,
        lfu=isinstance(server.config.maxmemory_policy, str) and server.config.maxmemory_policy.endswith("-lfu"),
        average_value_bytes=average,
        sorted_set_ratio=info.sorted_set_ratio if info and isinstance(info.sorted_set_ratio, float) else 0.0,
        evicts=info is not None and isinstance(info.evicted_keys, int) and info.evicted_keys > 0,
        measured_pages_per_write=counted,
    )
    if not made.regions_known and counted is None:
        why = "the shape of the data is not known" if not shape else "the stated shape does not account for the memory"
        source = f"upper bound for small values: {why}"
        if made.sorted_set_ratio or made.evicts:
            also = [f"{made.sorted_set_ratio:.0%} of the writes in sorted sets"] if made.sorted_set_ratio else []
            also += ["keys are evicted"] if made.evicts else []
            source = f"upper bound for {' and '.join(also)} (INFO): {why}"
        if average is not None and average > page:
            source = f"values of {format_bytes(average)} on average (INFO): {why}"
    return Sourced(made, source)


def _shape(server: Server, assumptions: Assumptions) -> tuple[tuple[Population, ...], str]:
    keys, value = assumptions.keys, assumptions.value_bytes
    info_keys = server.info.keys if server.info else None
    if keys is None and value is not None and isinstance(info_keys, int):
        keys = info_keys
    if keys and value is not None:
        name = assumptions.key_bytes or DEFAULT_KEY_BYTES
        return (Population(keys, value, name),), f"regions of {format_count(keys)} keys with values of {value} bytes"
    sampled = tuple(population for population in server.shape if population.keys > 0)
    if sampled:
        return sampled, f"regions, from a sample of the {format_count(sum(each.keys for each in sampled))} keys"
    return (), ""
