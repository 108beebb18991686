"""The few kinds of panels and variables that the dashboards are made of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "purposewatch"


@dataclass(frozen=True, slots=True)
class Red:
    """The value at which a panel turns orange or red; `below` reverses the direction."""

    at: float
    orange: float | None = None
    below: bool = False

    def thresholds(self) -> dashboard.ThresholdsConfig:
        """In Grafana's form: each colour applies from a value upwards."""
        colours = ["green", "orange", "red"]
        edges = [edge for edge in (self.orange, self.at) if edge is not None]
        if self.below:
            colours.reverse()
            edges.reverse()
        if self.orange is None:
            colours.remove("orange")
        steps = [models.Threshold(value=None, color=colours[0])]
        steps += [
            models.Threshold(value=edge, color=colour)
            for edge, colour in zip(edges, colours[1:], strict=True)
        ]
        return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


NEVER_RED = Red(at=float("inf"))
_NARROW = models.DynamicConfigValue(id_val="custom.minWidth", value=60)
"""Minimum width of a column in pixels; with the default of 150, a narrow table hides values."""


def _thresholds(red: Red) -> dashboard.ThresholdsConfig:
    if red is NEVER_RED:
        green = models.Threshold(value=None, color="green")
        return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps([green])
    return red.thresholds()


def number(  # noqa: PLR0913 - a panel is its parts
    title: str,
    query: str,
    *,
    unit: str,
    description: str,
    red: Red = NEVER_RED,
    width: int = 4,
    decimals: int | None = None,
) -> stat.Panel:
    """One number, large, coloured by its thresholds."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(_thresholds(red))
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(4)
        .span(width)
        .with_target(_target(query, "", instant=True))
    )
    return panel if decimals is None else panel.decimals(decimals)


def graph(  # noqa: PLR0913 - a panel is its parts
    title: str,
    queries: Mapping[str, str],
    *,
    unit: str,
    description: str,
    red: Red = NEVER_RED,
    width: int = 12,
    stacked: bool = False,
    smallest: float | None = 0,
) -> timeseries.Panel:
    """Lines over time, or stacked bars; `queries` maps legends to queries."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .thresholds(_thresholds(red))
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
        .height(8)
        .span(width)
    )
    if smallest is not None:
        panel = panel.min(smallest)
    if red is not NEVER_RED:
        style = common_models.GraphTresholdsStyleMode.DASHED
        panel = panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
        if unit == "percentunit" and not red.below:
            panel = panel.axis_soft_max(red.at)  # or else the axis of a share of 0 ends at 10000 %
    if stacked:
        panel = (
            panel.draw_style(common_models.GraphDrawStyle.BARS)
            .fill_opacity(80)
            .stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
        )
    for name, (legend, query) in zip(ascii_uppercase, queries.items(), strict=False):
        panel = panel.with_target(_target(query, legend, name=name))
    return panel


def bars(  # noqa: PLR0913 - a panel is its parts
    title: str,
    query: str,
    *,
    legend: str,
    unit: str,
    description: str,
    red: Red = NEVER_RED,
    width: int = 6,
    link: tuple[str, str] | None = None,
) -> bargauge.Panel:
    """The largest values, one bar each; `link` is a title and an address."""
    # Grafana omits the name of a single bar unless the panel sets it
    name = re.sub(r"{{(\w+)}}", r"${__field.labels.\1}", legend)
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .display_name(name)
        .thresholds(_thresholds(red))
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(8)
        .span(width)
        .with_target(_target(query, legend, instant=True))
    )
    return panel if link is None else panel.data_links([_link(*link)])


def rows(  # noqa: PLR0913 - a panel is its parts
    title: str,
    query: str,
    *,
    unit: str,
    description: str,
    red: Red = NEVER_RED,
    width: int = 12,
    link: tuple[str, str] | None = None,
) -> table.Panel:
    """A table with a column for every label and one for the value."""
    hidden = {"Time": True, "__name__": True}
    # of the value alone: a label that looks like a number would be shown in the unit as well
    of_the_value = [models.DynamicConfigValue(id_val="unit", value=unit)]
    if red is not NEVER_RED:
        coloured = {"type": "color-text"}
        of_the_value.append(models.DynamicConfigValue(id_val="custom.cellOptions", value=coloured))
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .thresholds(_thresholds(red))
        .height(9)
        .span(width)
        .with_target(
            _target(query, "", instant=True).format(prometheus_models.PromQueryFormat.TABLE)
        )
        .with_transformation(
            models.DataTransformerConfig(id_val="organize", options={"excludeByName": hidden})
        )
        .override_by_regexp(".*", [_NARROW])
        .override_by_name("Value", of_the_value)
        .sort_by([common.TableSortByFieldState().display_name("Value").desc(desc=True)])
    )
    return panel if link is None else panel.data_links([_link(*link)])


def page(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[dashboard.QueryVariable | dashboard.TextBoxVariable],
) -> dashboard.Dashboard:
    """An empty dashboard with what all of them share."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Source").type("prometheus")
        )
        .link(
            dashboard.DashboardLink("Purposewatch")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(as_dropdown=True)
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Policies reloaded")
            .datasource(DATASOURCE)
            .enable(enable=True)
            .icon_color("blue")
            .expr("sum by (job, result) (changes(purposewatch_policy_reloads_total[1m])) > 0")
        )
    )
    for variable in variables:
        made = made.with_variable(variable)
    return made


def chosen(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """A variable with the values of a label; all of them at first."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def compliance_page() -> dashboard.TextBoxVariable:
    """Where the links to violations lead."""
    address = "http://localhost:8602"
    return (
        dashboard.TextBoxVariable("compliance_page")
        .label("Compliance page")
        .default_value(address)
        .current(models.VariableOption(selected=True, text=address, value=address))
    )


_EXEMPLIFIED = "histogram_quantile(0.99,"
"""Queries beside which single observations are shown that were traced: once in a panel."""


def _target(
    query: str, legend: str, *, name: str = "A", instant: bool = False
) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query).datasource(DATASOURCE)
    made = made.legend_format(legend).ref_id(name)
    if query.startswith(_EXEMPLIFIED):
        made = made.exemplar(exemplar=True)
    return made.instant() if instant else made.range()


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).url(url).target_blank(target_blank=True)
