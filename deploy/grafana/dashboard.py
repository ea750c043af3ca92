"""The Grafana dashboard: `python deploy/grafana/dashboard.py > deploy/grafana/bgsafe.json`.

Queries select by $cluster, $namespace and $pod; "All" is `.*`, which takes in servers that have no such label.
The ratio and the percentile are recorded by the rules in deploy/prometheus, which have to be loaded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

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
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

CLUSTER = 'cluster=~"$cluster"'
"""Of a node, an agent or the webhook."""
SERVER = f'{CLUSTER},namespace=~"$namespace",pod=~"$pod"'
"""Of a server."""
EACH = "cluster, namespace, pod, container, server, instance"
"""What tells one server from another."""
NAME = "{{pod}} {{server}} {{instance}}"

LINES = 20
"""Lines in a picture of the whole fleet, those in most danger: a judgement; more cannot be told apart."""

DAY_SECONDS = 86_400

AnyPanel = timeseries.Panel | table.Panel | stat.Panel


def query(expr: str, legend: str = "") -> prometheus.Dataquery:
    """A query over the dashboard's time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).range()


def now(expr: str, ref_id: str = "A") -> prometheus.Dataquery:
    """A query at the end of the time range, as rows of a table."""
    return prometheus.Dataquery().expr(expr).instant().format(PromQueryFormat.TABLE).ref_id(ref_id)


def lines(title: str, unit: str, says: str, *queries: prometheus.Dataquery) -> timeseries.Panel:
    """A picture over time."""
    panel = timeseries.Panel().title(title).description(says).unit(unit).datasource(SOURCE).span(12).height(8)
    panel.legend(
        common_builders.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull"])
    )
    panel.tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    for number, each in enumerate(queries):
        panel.with_target(each.ref_id(chr(ord("A") + number)))
    return panel


def steps(*colours: tuple[float | None, str]) -> build.ThresholdsConfig:
    """Colours by value; None is minus infinity."""
    return (
        build.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=colour) for value, colour in colours])
    )


def verdicts() -> stat.Panel:
    panel = stat.Panel().title("Servers by verdict").datasource(SOURCE).span(24).height(4)
    panel.description("unknown is not safe: a fact that decides could not be read.")
    panel.with_target(query(f"sum by (verdict) (bgsafe_verdict{{{SERVER}}})", "{{verdict}}").ref_id("A"))
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.text_mode(common.BigValueTextMode.VALUE_AND_NAME).graph_mode(common.BigValueGraphMode.NONE)
    panel.color_mode(common.BigValueColorMode.BACKGROUND)
    for verdict, colour in (("safe", "green"), ("risky", "orange"), ("unknown", "purple"), ("unsafe", "red")):
        fixed = DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
        panel.override_by_name(verdict, [fixed])
    return panel


COLUMNS = (
    ("budget used", "server:bgsafe_write_budget_used:ratio", "", "percentunit"),
    ("writes/s", "bgsafe_write_rate_per_second", "", "none"),
    ("budget, writes/s", "bgsafe_write_budget_per_second", "", "none"),
    ("resident", "bgsafe_server_resident_bytes", "", "bytes"),
    ("limit", "bgsafe_server_memory_limit_bytes", "", "bytes"),
    ("maxmemory", "bgsafe_server_maxmemory_bytes", "", "bytes"),
    ("expected headroom", "bgsafe_fork_headroom_bytes", ',case="expected"', "bytes"),
    ("worst headroom", "bgsafe_fork_headroom_bytes", ',case="worst"', "bytes"),
)
"""(heading, metric, further selection, unit) of the fleet's table."""


def fleet() -> table.Panel:
    panel = table.Panel().title("Fleet, nearest to its write budget first").datasource(SOURCE).span(24).height(10)
    panel.description("Over 100 %, the next save is expected to get the server killed. An empty cell is not known.")
    names = {}
    for number, (heading, metric, more, unit) in enumerate(COLUMNS):
        ref = chr(ord("A") + number)
        panel.with_target(now(f"max by ({EACH}) ({metric}{{{SERVER}{more}}})", ref))
        names[f"Value #{ref}"] = heading
        panel.override_by_name(heading, [DynamicConfigValue(id_val="unit", value=unit)])
    verdict, info = chr(ord("A") + len(COLUMNS)), chr(ord("B") + len(COLUMNS))
    panel.with_target(now(f"max by ({EACH}, verdict) (bgsafe_verdict{{{SERVER}}} == 1)", verdict))
    panel.with_target(now(f"max by ({EACH}, engine, version, write_rate) (bgsafe_server_info{{{SERVER}}})", info))
    left_out = {"Time": True, f"Value #{verdict}": True, f"Value #{info}": True}
    names["write_rate"] = "rate is"
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        DataTransformerConfig(id_val="organize", options={"excludeByName": left_out, "renameByName": names})
    )
    panel.override_by_name("budget used", _coloured((None, "green"), (0.7, "orange"), (1, "red")))
    panel.override_by_name("expected headroom", _coloured((None, "red"), (0, "transparent")))
    panel.sort_by([common_builders.TableSortByFieldState().display_name("budget used").desc(True)])
    return panel


def _coloured(*colours: tuple[float | None, str]) -> list[DynamicConfigValue]:
    return [
        DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"}),
        DynamicConfigValue(id_val="thresholds", value=steps(*colours).build()),
    ]


def headroom() -> timeseries.Panel:
    least = f'bottomk({LINES}, max by ({EACH}) (bgsafe_fork_headroom_bytes{{{SERVER},case="expected"}}))'
    panel = lines(
        f"Headroom of a save, the {LINES} least",
        "bytes",
        "What the memory limit leaves at the expected peak of a save that starts now. Below 0 the kernel kills.",
        query(least, NAME),
    )
    return panel.thresholds(steps((None, "red"), (0, "transparent"))).thresholds_style(
        common_builders.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.AREA)
    )


def peaks() -> timeseries.Panel:
    def line(metric: str, more: str, legend: str) -> prometheus.Dataquery:
        return query(f"max by ({EACH}) ({metric}{{{SERVER}{more}}}) < Inf", f"{legend} {NAME}")

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
        panel.override_by_regexp(
            f"/^{prefix} /",
            [
                DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour}),
                DynamicConfigValue(id_val="custom.fillOpacity", value=opacity),
                DynamicConfigValue(id_val="custom.lineWidth", value=width),
            ],
        )
    return panel


def rates() -> timeseries.Panel:
    return lines(
        f"Write budget used, the {LINES} most",
        "percentunit",
        "Write rate over the highest rate whose expected peak still fits. The table says which rates are assumed.",
        query(f"topk({LINES}, max by ({EACH}) (server:bgsafe_write_budget_used:ratio{{{SERVER}}})) < Inf", NAME),
    ).thresholds(steps((None, "transparent"), (1, "red")))


def forks() -> Iterator[AnyPanel]:
    yield lines(
        "Copied by saves: predicted before, measured after",
        "bytes",
        "Of the last fork of each server.",
        query(f"max by ({EACH}) (bgsafe_fork_predicted_bytes{{{SERVER}}})", f"predicted {NAME}"),
        query(f"max by ({EACH}) (bgsafe_fork_cow_bytes{{{SERVER}}})", f"measured {NAME}"),
    )
    error = f"sum by (le) (rate(bgsafe_prediction_error_ratio_bucket{{{SERVER}}}[1h]))"
    yield lines(
        "How far predictions were off",
        "percentunit",
        "Of the forks of an hour: |predicted − measured| / measured.",
        query(f"histogram_quantile(0.5, {error})", "median"),
        query(f"histogram_quantile(0.95, {error})", "95 of 100"),
    )
    yield lines(
        "Forks by result",
        "none",
        "killed: the kernel's OOM killer ended the save, and perhaps the server.",
        query(
            f"sum by (cause, result) (increase(bgsafe_forks_total{{{SERVER}}}[$__rate_interval]))",
            "{{cause}} {{result}}",
        ),
    )
    yield lines(
        "Duration of the last fork",
        "s",
        "How long the child lived.",
        query(f"max by ({EACH}) (bgsafe_fork_duration_seconds{{{SERVER}}})", NAME),
    )


def node() -> Iterator[AnyPanel]:
    yield lines(
        "Commit accounting of the nodes",
        "bytes",
        "In mode 2 a fork is refused where Committed_AS would pass CommitLimit. In modes 0 and 1 neither decides.",
        query(f"bgsafe_node_commit_limit_bytes{{{CLUSTER}}}", "CommitLimit {{instance}}"),
        query(f"bgsafe_node_committed_as_bytes{{{CLUSTER}}}", "Committed_AS {{instance}}"),
        query(f"bgsafe_node_memory_available_bytes{{{CLUSTER}}}", "MemAvailable {{instance}}"),
    )
    yield (
        table.Panel()
        .title("Nodes")
        .description("vm.overcommit_memory: 0 heuristic, 1 always, 2 strict. THP: transparent huge pages.")
        .datasource(SOURCE)
        .span(12)
        .height(8)
        .with_target(now(f"max by (cluster, instance) (bgsafe_node_overcommit_memory{{{CLUSTER}}})"))
        .with_target(now(f"max by (cluster, instance) (bgsafe_node_page_size_bytes{{{CLUSTER}}})", "B"))
        .with_target(
            now(f"max by (cluster, instance, enabled) (bgsafe_node_transparent_hugepage_info{{{CLUSTER}}} == 1)", "C")
        )
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "Value #C": True},
                    "renameByName": {
                        "Value #A": "vm.overcommit_memory",
                        "Value #B": "page size",
                        "enabled": "THP",
                    },
                },
            )
        )
        .override_by_name("page size", [DynamicConfigValue(id_val="unit", value="bytes")])
    )


def agent() -> Iterator[AnyPanel]:
    yield lines(
        "Scans of the agents",
        "s",
        "How long a scan took, and how long ago it ended.",
        query(f"bgsafe_scan_duration_seconds{{{CLUSTER}}}", "duration {{instance}}"),
        query(f"time() - bgsafe_scan_timestamp_seconds{{{CLUSTER}}}", "age {{instance}}"),
    )
    yield lines(
        "What the agents could not read",
        "none",
        "Errors by probe: servers may be judged on less than there is.",
        query(
            f"sum by (instance, probe) (increase(bgsafe_scan_errors_total{{{CLUSTER}}}[$__rate_interval]))",
            "{{probe}} {{instance}}",
        ),
    )


def webhook() -> Iterator[AnyPanel]:
    yield lines(
        "Reviews",
        "reqps",
        "By verdict: a grade, or none (no server in it), exempt, passed, failed.",
        query(
            f"sum by (verdict, allowed) (rate(bgsafe_admission_reviews_total{{{CLUSTER}}}[$__rate_interval]))",
            "{{verdict}}, allowed: {{allowed}}",
        ),
    )
    bucket = f"sum by (le) (rate(bgsafe_admission_review_duration_seconds_bucket{{{CLUSTER}}}[$__rate_interval]))"
    yield lines(
        "Time for a review",
        "s",
        "From the whole request to the answer; after 1 s the object is admitted without a verdict.",
        query(f"histogram_quantile(0.5, {bucket})", "median"),
        query(f"job:bgsafe_admission_review_duration_seconds:p99{{{CLUSTER}}}", "99 of 100, 5 minutes {{job}}"),
    )
    yield lines(
        "What could not be reviewed",
        "none",
        "By reason (docs/webhook.md).",
        query(
            f"sum by (reason) (increase(bgsafe_admission_errors_total{{{CLUSTER}}}[$__rate_interval]))", "{{reason}}"
        ),
    )
    yield lines(
        "Certificate",
        "d",
        "Days until the serving certificate expires.",
        query(f"(bgsafe_certificate_expiry_timestamp_seconds{{{CLUSTER}}} - time()) / {DAY_SECONDS}", "{{instance}}"),
    ).thresholds(steps((None, "red"), (14, "green")))


def variables() -> Iterator[Builder[VariableModel]]:
    yield build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    selected = ""
    for name in ("cluster", "namespace", "pod"):
        yield (
            build.QueryVariable(name)
            .label(name.capitalize())
            .datasource(SOURCE)
            .query(f"label_values(bgsafe_server_info{{{selected}}}, {name})")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
        selected += f'{"," if selected else ""}{name}=~"${name}"'


ROWS = (
    ("Fleet", lambda: (verdicts(), fleet())),
    ("Room for a save", lambda: (headroom(), peaks(), rates())),
    ("Forks", forks),
    ("Nodes", node),
    ("Agents", agent),
    ("Webhook", webhook),
)


def dashboard() -> Dashboard:
    """The whole, with panel ids in the order of reading."""
    whole = (
        build.Dashboard("bgsafe: will the next save be refused, or killed?")
        .uid("bgsafe")
        .tags(["bgsafe", "redis", "valkey"])
        .description("Generated by deploy/grafana/dashboard.py. What to do: https://bgsafe.io/docs/monitoring")
        .time("now-6h", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(
            build.DashboardLink("Runbooks")
            .type(DashboardLinkType.LINK)
            .url("https://bgsafe.io/docs/monitoring")
            .target_blank(True)
        )
    )
    for variable in variables():
        whole.with_variable(variable)
    number = 0
    for title, panels in ROWS:
        whole.with_row(build.Row(title).id(number := number + 1))
        for panel in panels():
            whole.with_panel(panel.id(number := number + 1))
    return whole.build()


def as_json() -> str:
    """The dashboard as it is committed, and imported."""
    return json.dumps(dashboard(), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_json())
