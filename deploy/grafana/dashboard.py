"""The Grafana dashboard: `python deploy/grafana/dashboard.py > deploy/grafana/bgsafe.json`.

Queries select by $cluster, $namespace and $pod; "All" is `.*`, which takes in servers that have no such label.
The ratio and the percentile are recorded by the rules in deploy/prometheus, which have to be loaded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from blocks import SOURCE, Column, coloured, lines, query, rows, steps
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    DynamicConfigValue,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

AnyPanel = timeseries.Panel | table.Panel | stat.Panel

CLUSTER = 'cluster=~"$cluster"'
"""Of a node, an agent or the webhook."""
SERVER = f'{CLUSTER},namespace=~"$namespace",pod=~"$pod"'
"""Of a server."""
EACH = "cluster, namespace, pod, container, server, instance"
"""What tells one server from another."""
NAME = "{{pod}} {{server}} {{instance}}"

BUDGET_USED = "server:bgsafe_write_budget_used:ratio"

LINES = 20
"""Lines in a picture of the whole fleet, those in most danger: a judgement; more cannot be told apart."""

DAY_SECONDS = 86_400

WARNED_DAYS = 14
"""Of BgsafeWebhookCertificateExpiring."""


def of_each(metric: str, more: str = "") -> str:
    """A metric of every server that is chosen."""
    return f"max by ({EACH}) ({metric}{{{SERVER}{more}}})"


def fleet() -> Iterator[AnyPanel]:
    verdicts = stat.Panel().title("Servers by verdict").datasource(SOURCE).span(24).height(4)
    verdicts.description("unknown is not safe: a fact that decides could not be read.")
    verdicts.with_target(query(f"sum by (verdict) (bgsafe_verdict{{{SERVER}}})", "{{verdict}}"))
    verdicts.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    verdicts.text_mode(common.BigValueTextMode.VALUE_AND_NAME).graph_mode(common.BigValueGraphMode.NONE)
    verdicts.color_mode(common.BigValueColorMode.BACKGROUND)
    for verdict, colour in (("safe", "green"), ("risky", "orange"), ("unknown", "purple"), ("unsafe", "red")):
        verdicts.override_by_name(verdict, [coloured(colour)])
    yield verdicts

    used, room = ((None, "green"), (0.7, "orange"), (1.0, "red")), ((None, "red"), (0.0, "transparent"))
    headroom = "bgsafe_fork_headroom_bytes"
    info = f"max by ({EACH}, engine, version, write_rate) (bgsafe_server_info{{{SERVER}}})"
    columns = (
        Column(heading="budget used", expr=of_each(BUDGET_USED), unit="percentunit", colours=used),
        Column(heading="writes/s", expr=of_each("bgsafe_write_rate_per_second")),
        Column(heading="budget, writes/s", expr=of_each("bgsafe_write_budget_per_second")),
        Column(heading="resident", expr=of_each("bgsafe_server_resident_bytes"), unit="bytes"),
        Column(heading="limit", expr=of_each("bgsafe_server_memory_limit_bytes"), unit="bytes"),
        Column(heading="maxmemory", expr=of_each("bgsafe_server_maxmemory_bytes"), unit="bytes"),
        Column(heading="expected headroom", expr=of_each(headroom, ',case="expected"'), unit="bytes", colours=room),
        Column(heading="worst headroom", expr=of_each(headroom, ',case="worst"'), unit="bytes"),
        Column(heading=None, expr=f"max by ({EACH}, verdict) (bgsafe_verdict{{{SERVER}}} == 1)"),
        Column(heading=None, expr=info),
    )
    yield (
        rows(
            "Fleet, nearest to its write budget first",
            "Over 100 %, the next save is expected to get the server killed. An empty cell is not known.",
            columns,
            {"write_rate": "rate is"},
        )
        .sort_by([common_builders.TableSortByFieldState().display_name("budget used").desc(True)])
        .span(24)
        .height(10)
    )


def room_for_a_save() -> Iterator[AnyPanel]:
    least = of_each("bgsafe_fork_headroom_bytes", ',case="expected"')
    yield (
        lines(
            f"Headroom of a save, the {LINES} least",
            "bytes",
            "What the memory limit leaves at the expected peak of a save that starts now. Below 0 the kernel kills.",
            query(f"bottomk({LINES}, {least})", NAME),
        )
        .thresholds(steps((None, "red"), (0, "transparent")))
        .thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.AREA))
    )
    yield peaks()
    yield lines(
        f"Write budget used, the {LINES} most",
        "percentunit",
        "Write rate over the highest rate whose expected peak still fits. The table says which rates are assumed.",
        query(f"topk({LINES}, {of_each(BUDGET_USED)} < Inf)", NAME),
    ).thresholds(steps((None, "transparent"), (1, "red")))


def peaks() -> timeseries.Panel:
    def line(metric: str, more: str, legend: str) -> prometheus.Dataquery:
        return query(f"{of_each(metric, more)} < Inf", f"{legend} {NAME}")

    panel = lines(
        "Peaks against the limit (choose a pod)",
        "bytes",
        "What is resident, what a save is expected to reach, what it reaches if every page is written, and the limit.",
        line("bgsafe_server_memory_limit_bytes", "", "limit"),
        line("bgsafe_fork_peak_bytes", ',case="worst"', "worst peak"),
        line("bgsafe_fork_peak_bytes", ',case="expected"', "expected peak"),
        line("bgsafe_server_resident_bytes", "", "resident"),
    )
    for prefix, colour, opacity, width in (
        ("limit", "dark-red", 0, 3),
        ("worst peak", "orange", 8, 1),
        ("expected peak", "yellow", 20, 1),
        ("resident", "green", 40, 1),
    ):
        filled = DynamicConfigValue(id_val="custom.fillOpacity", value=opacity)
        wide = DynamicConfigValue(id_val="custom.lineWidth", value=width)
        panel.override_by_regexp(f"/^{prefix} /", [coloured(colour), filled, wide])
    return panel


def forks() -> Iterator[AnyPanel]:
    yield lines(
        "Copied by saves: predicted before, measured after",
        "bytes",
        "Of the last fork of each server.",
        query(of_each("bgsafe_fork_predicted_bytes"), f"predicted {NAME}"),
        query(of_each("bgsafe_fork_cow_bytes"), f"measured {NAME}"),
    )
    error = f"sum by (le) (rate(bgsafe_prediction_error_ratio_bucket{{{SERVER}}}[1h]))"
    yield lines(
        "How far predictions were off",
        "percentunit",
        "Of the forks of an hour: |predicted − measured| / measured.",
        query(f"histogram_quantile(0.5, {error})", "median"),
        query(f"histogram_quantile(0.95, {error})", "95 of 100"),
    )
    ended = f"sum by (cause, result) (increase(bgsafe_forks_total{{{SERVER}}}[$__rate_interval]))"
    yield lines(
        "Forks by result",
        "none",
        "killed: the kernel's OOM killer ended the save, and perhaps the server.",
        query(ended, "{{cause}} {{result}}"),
    )
    yield lines(
        "Duration of the last fork",
        "s",
        "How long the child lived.",
        query(of_each("bgsafe_fork_duration_seconds"), NAME),
    )


def nodes() -> Iterator[AnyPanel]:
    yield lines(
        "Commit accounting of the nodes",
        "bytes",
        "In mode 2 a fork is refused where Committed_AS would pass CommitLimit. In modes 0 and 1 neither decides.",
        query(f"bgsafe_node_commit_limit_bytes{{{CLUSTER}}}", "CommitLimit {{instance}}"),
        query(f"bgsafe_node_committed_as_bytes{{{CLUSTER}}}", "Committed_AS {{instance}}"),
        query(f"bgsafe_node_memory_available_bytes{{{CLUSTER}}}", "MemAvailable {{instance}}"),
    )
    huge = f"max by (cluster, instance, enabled) (bgsafe_node_transparent_hugepage_info{{{CLUSTER}}} == 1)"
    yield (
        rows(
            "Nodes",
            "vm.overcommit_memory: 0 heuristic, 1 always, 2 strict. THP: transparent huge pages.",
            (
                Column(
                    heading="vm.overcommit_memory",
                    expr=f"max by (cluster, instance) (bgsafe_node_overcommit_memory{{{CLUSTER}}})",
                ),
                Column(
                    heading="page size",
                    expr=f"max by (cluster, instance) (bgsafe_node_page_size_bytes{{{CLUSTER}}})",
                    unit="bytes",
                ),
                Column(heading=None, expr=huge),
            ),
            {"enabled": "THP"},
        )
        .span(12)
        .height(8)
    )


def agents() -> Iterator[AnyPanel]:
    yield lines(
        "Scans of the agents",
        "s",
        "How long a scan took, and how long ago it ended.",
        query(f"bgsafe_scan_duration_seconds{{{CLUSTER}}}", "duration {{instance}}"),
        query(f"time() - bgsafe_scan_timestamp_seconds{{{CLUSTER}}}", "age {{instance}}"),
    )
    unread = f"sum by (instance, probe) (increase(bgsafe_scan_errors_total{{{CLUSTER}}}[$__rate_interval]))"
    yield lines(
        "What the agents could not read",
        "none",
        "Errors by probe: servers may be judged on less than there is.",
        query(unread, "{{probe}} {{instance}}"),
    )


def webhook() -> Iterator[AnyPanel]:
    reviews = f"sum by (verdict, allowed) (rate(bgsafe_admission_reviews_total{{{CLUSTER}}}[$__rate_interval]))"
    yield lines(
        "Reviews",
        "reqps",
        "By verdict: a grade, or none (no server in it), exempt, passed, failed.",
        query(reviews, "{{verdict}}, allowed: {{allowed}}"),
    )
    bucket = f"sum by (le) (rate(bgsafe_admission_review_duration_seconds_bucket{{{CLUSTER}}}[$__rate_interval]))"
    yield lines(
        "Time for a review",
        "s",
        "From the whole request to the answer; after 1 s the object is admitted without a verdict.",
        query(f"histogram_quantile(0.5, {bucket})", "median"),
        query(f"job:bgsafe_admission_review_duration_seconds:p99{{{CLUSTER}}}", "99 of 100, 5 minutes {{job}}"),
    )
    errors = f"sum by (reason) (increase(bgsafe_admission_errors_total{{{CLUSTER}}}[$__rate_interval]))"
    yield lines("What could not be reviewed", "none", "By reason (docs/webhook.md).", query(errors, "{{reason}}"))
    left = f"(bgsafe_certificate_expiry_timestamp_seconds{{{CLUSTER}}} - time()) / {DAY_SECONDS}"
    yield lines(
        "Certificate", "d", "Days until the serving certificate expires.", query(left, "{{instance}}")
    ).thresholds(steps((None, "red"), (WARNED_DAYS, "green")))


def variables() -> Iterator[Builder[VariableModel]]:
    yield build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    selected: list[str] = []
    for name in ("cluster", "namespace", "pod"):
        yield (
            build.QueryVariable(name)
            .label(name.capitalize())
            .datasource(SOURCE)
            .query(f"label_values(bgsafe_server_info{{{','.join(selected)}}}, {name})")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
        selected.append(f'{name}=~"${name}"')


ROWS = (
    ("Fleet", fleet),
    ("Room for a save", room_for_a_save),
    ("Forks", forks),
    ("Nodes", nodes),
    ("Agents", agents),
    ("Webhook", webhook),
)


def dashboard() -> Dashboard:
    """The whole, with panel ids in the order of reading."""
    whole = build.Dashboard("bgsafe: will the next save be refused, or killed?").uid("bgsafe")
    whole.tags(["bgsafe", "redis", "valkey"]).time("now-6h", "now").refresh("1m").editable()
    whole.description("Generated by deploy/grafana/dashboard.py. What to do: https://bgsafe.io/docs/monitoring")
    whole.tooltip(DashboardCursorSync.CROSSHAIR)
    runbooks = build.DashboardLink("Runbooks").type(DashboardLinkType.LINK).target_blank(True)
    whole.link(runbooks.url("https://bgsafe.io/docs/runbooks"))
    for variable in variables():
        whole.with_variable(variable)
    number = 0
    for title, panels in ROWS:
        whole.with_row(build.Row(title).id(number := number + 1))
        for panel in panels():
            whole.with_panel(panel.id(number := number + 1))
    return whole.build()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
