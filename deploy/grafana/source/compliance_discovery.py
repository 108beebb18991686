"""The row of the compliance dashboard about discovery and counting rules."""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source.panels import Red, bars, graph, number
from deploy.grafana.source.queries import counted, or_zero, rate

_OUT_OF_RHYTHM = "purposewatch_publishers_out_of_rhythm"


def add(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Append the row; it is about all controllers."""
    late = counted("purposewatch_counting_late_events_total", "rule")
    made = made.with_row(dashboard.Row("Discovery and counting rules"))
    for panel in (
        graph(
            "Events that counting rules count",
            {"{{rule}}": or_zero(rate("purposewatch_counted_events_total", "rule"), "rule")},
            unit="eps",
            description="Events per second that match a counting rule, whether or not they exceed "
            "it. A rule without any names a flow that does not happen. The page *Discovery* shows "
            "which rules were exceeded, when, and by which publisher.",
        ),
        bars(
            "Counted too late",
            or_zero(f"topk(15, {late})", "rule"),
            legend="{{rule}}",
            unit="short",
            width=12,
            description="Events that match a rule, and that ingest accepted too long after their "
            "own time for it to count them. If there are many, find out which publisher is late, "
            "or raise PURPOSEWATCH_REPORTER_COUNTING_LATE_MINUTES.",
        ),
        number(
            "Silent publishers",
            f'max({_OUT_OF_RHYTHM}{{state="silent"}}) or vector(0)',
            unit="short",
            red=Red(1),
            description="Publishers without an event in hours in which events are usual. Red: at "
            "least one. Ask its team whether it runs, and whether its events wait in its spool.",
        ),
        number(
            "Surging publishers",
            f'max({_OUT_OF_RHYTHM}{{state="surge"}}) or vector(0)',
            unit="short",
            red=Red(1),
            description="Publishers with many times their usual events. Red: at least one. Ask its "
            "team whether it is a backfill, a loop, or a mass export.",
        ),
        number(
            "Invalid counting rules",
            "sum(purposewatch_counting_reload_failed) or vector(0)",
            unit="short",
            red=Red(1),
            description="Reporters that continue with the last valid rules because the file on "
            "disk is invalid. Red: at least one. Runbook: PurposewatchCountingReloadFailed.",
        ),
    ):
        made = made.with_panel(panel)
    return made
