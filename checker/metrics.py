"""The Prometheus view of what the agent knows. The only module of checker that imports `prometheus_client`.

Names, labels and meanings: docs/agent.md, "Metrics". A fact that is not known has no series.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from checker import __version__
from checker.agent.book import ERROR_BUCKETS, Cause, History, Labels, Result
from checker.agent.seen import Key, Scan, Seen
from checker.agent.troubles import Probe
from checker.facts import Config, Engine, Unlimited, Unread
from checker.verdict import Grade

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

SERVER: Final = Labels._fields
"""Names of the labels that every series of a server has."""

GRADES: Final[tuple[Grade, ...]] = ("safe", "risky", "unsafe", "unknown")
CAUSES: Final[tuple[Cause, ...]] = ("rdb", "aof", "replication")
RESULTS: Final[tuple[Result, ...]] = ("saved", "failed", "killed")
"""Published as 0 before the first, so that increase() sees it. `other` and `unknown` appear when they happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that is published, at one moment."""

    scan: Scan | None  # None: none has ended yet
    histories: Mapping[Labels, History]
    living: frozenset[Key]  # servers with a child
    troubles: Counter[Probe]
    facts_published_at: float | None = None  # Unix time; None: they are not published, or not yet


def exposition(view: View) -> bytes:
    """The page, in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(view))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


@dataclass(frozen=True, slots=True, eq=False)
class _Collector:
    view: View

    def collect(self) -> Iterable[Metric]:
        """Everything, in the order of docs/agent.md."""
        yield from _of_agent(self.view)
        if self.view.scan is not None:
            yield from _of_node(self.view.scan)
            yield from _of_servers(self.view.scan.seen)
            yield from _of_forks(self.view, self.view.scan.seen)
        yield from _of_histories(self.view.histories)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"bgsafe_{name}", text, labels=labels)


def _one(name: str, text: str, value: object) -> Iterable[GaugeMetricFamily]:
    """A gauge without labels; none where the fact is not known."""
    if isinstance(value, int | float):
        family = _gauge(name, text)
        family.add_metric((), value)
        yield family


def _of_agent(view: View) -> Iterable[Metric]:
    build = _gauge("build_info", "Version of the agent.", "version", "python")
    build.add_metric((__version__, platform.python_version()), 1)
    yield build
    troubles = CounterMetricFamily("bgsafe_scan_errors", "What could not be read or done, by probe.", labels=("probe",))
    for probe, count in sorted(view.troubles.items()):
        troubles.add_metric((probe,), count)
    yield troubles
    published = view.facts_published_at
    yield from _one("node_facts_published_timestamp_seconds", "When the webhook was last told of the node.", published)
    scan = view.scan
    if scan is None:
        return
    yield from _one("scan_duration_seconds", "Wall time of the last scan.", scan.seconds)
    yield from _one("scan_cpu_seconds", "CPU time of the last scan.", scan.cpu_seconds)
    yield from _one("scan_timestamp_seconds", "End of the last scan.", scan.ended_at)
    yield from _one("scan_processes", "Processes on the node at the last scan.", scan.processes)
    servers = _gauge("scan_servers", "Servers on the node at the last scan.", "state")
    states = {"watched": len(scan.seen) - scan.hanging, "hanging": scan.hanging, "left_out": scan.left_out}
    for state, count in states.items():
        servers.add_metric((state,), count)
    yield servers


def _of_node(scan: Scan) -> Iterable[Metric]:
    node = scan.node
    yield from _one("node_overcommit_memory", "vm.overcommit_memory: 0, 1 or 2.", node.overcommit_memory)
    yield from _one("node_commit_limit_bytes", "CommitLimit, which decides in mode 2.", node.commit_limit)
    yield from _one("node_committed_as_bytes", "Committed_AS.", node.committed_as)
    yield from _one("node_memory_available_bytes", "MemAvailable.", node.mem_available)
    yield from _one("node_page_size_bytes", "What one write copies.", node.page_size_bytes)
    if isinstance(node.thp_enabled, str):
        huge = _gauge("node_transparent_hugepage_info", "The mode of transparent huge pages.", "enabled")
        huge.add_metric((node.thp_enabled,), 1)
        yield huge


def _of_servers(seen: tuple[Seen, ...]) -> Iterable[Metric]:
    info = _gauge(
        "server_info",
        "What the server is, and where its write rate is known from.",
        *SERVER,
        "engine",
        "version",
        "fork_method",
        "allocator",
        "write_rate",
    )
    verdict = _gauge("verdict", "1 for the verdict that holds.", *SERVER, "verdict")
    finding = _gauge("finding", "Rules that do not pass.", *SERVER, "rule", "status")
    peak = _gauge("fork_peak_bytes", "Bytes at the peak of the next save.", *SERVER, "case")
    headroom = _gauge("fork_headroom_bytes", "Memory limit less that peak.", *SERVER, "case")
    for each in seen:
        engine, labels = each.server.engine, each.labels
        method = _fork_method(engine, each.server.config)
        info.add_metric(
            (*labels, engine.name, _word(engine.version), method, _word(engine.allocator), each.write_rate), 1
        )
        for grade in GRADES:
            verdict.add_metric((*labels, grade), grade == each.verdict.grade)
        for found in each.verdict.findings:
            if found.status != "pass":
                finding.add_metric((*labels, found.rule, found.status), 1)
        estimate = each.verdict.estimate
        if estimate is None:
            continue
        peak.add_metric((*labels, "worst"), estimate.peak_worst_bytes)
        peak.add_metric((*labels, "expected"), estimate.peak_expected_bytes)
        for case, room in (("worst", estimate.headroom_worst_bytes), ("expected", estimate.headroom_expected_bytes)):
            if room is not None:
                headroom.add_metric((*labels, case), room)
    yield from (info, verdict, finding, peak, headroom)
    yield from (_per_server(seen, name, text, values) for name, text, values in _columns(seen))


def _columns(seen: tuple[Seen, ...]) -> Iterable[tuple[str, str, list[float | None]]]:
    """Gauges with a value for each server, None where it is not known."""
    estimates = [each.verdict.estimate for each in seen]
    yield "server_scan_timestamp_seconds", "When the server was last read.", [each.scanned_at for each in seen]
    yield (
        "server_resident_bytes",
        "Anonymous memory of the server, swap included.",
        [None if estimate is None else estimate.resident_bytes for estimate in estimates],
    )
    yield (
        "server_maxmemory_bytes",
        "maxmemory; 0 is none.",
        [None if estimate is None else estimate.maxmemory_bytes for estimate in estimates],
    )
    limits = [each.limit for each in seen]
    yield (
        "server_memory_limit_bytes",
        "The memory limit that leaves least room; +Inf is none.",
        [inf if isinstance(limit, Unlimited) else limit if isinstance(limit, int) else None for limit in limits],
    )
    yield (
        "server_memory_current_bytes",
        "What its cgroup holds and cannot give back.",
        [each.held_bytes for each in seen],
    )
    outcomes = {"granted": 1.0, "refused": 0.0}
    yield (
        "fork_granted",
        "1: the kernel grants the fork, 0: refuses it.",
        [outcomes.get(each.verdict.fork.outcome) for each in seen],
    )
    yield (
        "write_rate_per_second",
        "Writes per second that the expected case is computed with.",
        [None if estimate is None else estimate.write_rate_per_second for estimate in estimates],
    )
    budgets = []
    for limit, estimate in zip(limits, estimates, strict=True):
        budget = None if estimate is None or not isinstance(limit, int) else estimate.write_budget_per_second
        any_rate = estimate is not None and isinstance(limit, int) and estimate.write_budget_per_second is None
        budgets.append(inf if any_rate else budget)
    yield "write_budget_per_second", "Highest write rate whose expected peak fits; +Inf is any.", budgets
    answers = [None if each.answers is None else float(each.answers) for each in seen]
    yield "info_up", "1: the server answers INFO.", answers
    infos = [each.server.info for each in seen]
    statuses = [None if info is None else info.rdb_last_bgsave_status for info in infos]
    oks = [None if status is None or isinstance(status, Unread) else float(status == "ok") for status in statuses]
    yield "server_last_save_ok", "INFO rdb_last_bgsave_status.", oks


def _per_server(seen: tuple[Seen, ...], name: str, text: str, values: list[float | None]) -> GaugeMetricFamily:
    family = _gauge(name, text, *SERVER)
    for each, value in zip(seen, values, strict=True):
        if value is not None:
            family.add_metric(each.labels, value)
    return family


def _of_forks(view: View, seen: tuple[Seen, ...]) -> Iterable[Metric]:
    last = [history.last if (history := view.histories.get(each.labels)) else None for each in seen]
    lessons = [len(history.lessons) if (history := view.histories.get(each.labels)) else 0 for each in seen]
    columns: list[tuple[str, str, list[float | None]]] = [
        ("fork_in_progress", "1 while a child lives.", [float(each.key in view.living) for each in seen]),
        ("fork_cow_bytes", "Copied by the last fork.", [fork.copied_bytes if fork else None for fork in last]),
        (
            "fork_predicted_bytes",
            "Predicted for the last fork before it happened.",
            [fork.predicted_bytes if fork else None for fork in last],
        ),
        ("fork_expected_bytes", "Copies predicted for the next fork.", [each.predicted_copy_bytes for each in seen]),
        ("fork_duration_seconds", "Lifetime of the last child.", [fork.seconds if fork else None for fork in last]),
        ("fork_end_timestamp_seconds", "When it ended.", [fork.ended_at if fork else None for fork in last]),
        ("fork_observations", "Watched forks that the prediction rests on.", [float(count) for count in lessons]),
    ]
    yield from (_per_server(seen, *column) for column in columns)


def _of_histories(histories: Mapping[Labels, History]) -> Iterable[Metric]:
    forks = CounterMetricFamily("bgsafe_forks", "Forks that have ended.", labels=(*SERVER, "cause", "result"))
    errors = HistogramMetricFamily(
        "bgsafe_prediction_error_ratio", "|predicted - copied| / copied of each save.", labels=SERVER
    )
    for labels, history in sorted(histories.items()):
        usual = {(cause, result): 0 for cause in CAUSES for result in RESULTS}
        for (cause, result), count in sorted({**usual, **history.forks}.items()):
            forks.add_metric((*labels, cause, result), count)
        bounds = [*map(str, ERROR_BUCKETS), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(history.errors)), strict=True))
        errors.add_metric(labels, buckets, history.error_sum)
    yield from (forks, errors)


def _fork_method(engine: Engine, config: Config) -> str:
    if isinstance(engine.forks, Unread):
        return "unknown"
    if not engine.forks:
        return "none"
    return "forkless" if config.forkless is True else "fork"


def _word(text: str | Unread) -> str:
    return "" if isinstance(text, Unread) else text
