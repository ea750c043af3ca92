"""What the panels of the dashboard are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

Colours = tuple[tuple[float | None, str], ...]
"""From which value on a colour holds; None is minus infinity."""


def query(expr: str, legend: str = "") -> prometheus.Dataquery:
    """A query over the dashboard's time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).range().ref_id("A")


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
        panel.with_target(each.ref_id(_letter(number)))
    return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: what a query has now, joined with the others by labels."""

    heading: str | None  # None: of this query only the labels are shown
    expr: str
    unit: str = "none"
    colours: Colours = ()


def rows(title: str, says: str, columns: Sequence[Column], label_headings: Mapping[str, str]) -> table.Panel:
    """A table of what is now."""
    panel = table.Panel().title(title).description(says).datasource(SOURCE)
    headings, left_out = dict(label_headings), {"Time": True}
    for number, column in enumerate(columns):
        ref = _letter(number)
        now = prometheus.Dataquery().expr(column.expr).instant().format(PromQueryFormat.TABLE).ref_id(ref)
        panel.with_target(now)
        if column.heading is None:
            left_out[f"Value #{ref}"] = True
            continue
        headings[f"Value #{ref}"] = column.heading
        looks = [DynamicConfigValue(id_val="unit", value=column.unit)]
        if column.colours:
            looks.append(DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"}))
            looks.append(DynamicConfigValue(id_val="thresholds", value=steps(*column.colours).build()))
        panel.override_by_name(column.heading, looks)
    organize = {"excludeByName": left_out, "renameByName": headings}
    panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    return panel.with_transformation(DataTransformerConfig(id_val="organize", options=organize))


def steps(*colours: tuple[float | None, str]) -> build.ThresholdsConfig:
    """Colours by value."""
    thresholds = [Threshold(value=value, color=colour) for value, colour in colours]
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds)


def coloured(colour: str) -> DynamicConfigValue:
    """One colour, whatever the value."""
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def _letter(number: int) -> str:
    """A query's name in its panel: A, B, …"""
    return chr(ord("A") + number)
