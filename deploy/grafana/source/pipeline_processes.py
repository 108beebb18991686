"""The lower half of the pipeline's dashboard: the delivery of alerts, and each process."""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source.panels import Red, graph, rows
from deploy.grafana.source.queries import INSTANCE, or_zero, quantile, rate

_OURS = 'job=~"purposewatch-.+"'
_EACH = "{{job}} {{instance}}"


def add(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Append the rows."""
    return _processes(_delivery(made))


def _delivery(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Delivery of alerts"))
    for panel in (
        graph(
            "Alerts waiting",
            {"{{channel}}": or_zero("max by (channel) (purposewatch_outbox_depth)", "channel")},
            unit="short",
            red=Red(100, orange=10),
            width=6,
            description="Alerts that a channel's receiver does not have yet. Red: more than 100; "
            "runbook PurposewatchOutboxWaiting.",
        ),
        graph(
            "Oldest waiting alert",
            {
                "{{channel}}": or_zero(
                    "max by (channel) (purposewatch_outbox_oldest_seconds)", "channel"
                )
            },
            unit="s",
            red=Red(600, orange=120),
            width=6,
            description="Red: nobody was told for ten minutes; runbook PurposewatchOutboxWaiting.",
        ),
        graph(
            "Channels that take nothing",
            {
                "{{channel}}": or_zero(
                    "max by (channel) (purposewatch_alert_channel_failing_seconds)", "channel"
                )
            },
            unit="s",
            red=Red(600, orange=120),
            width=6,
            description="How long a channel has taken no alert that it was given. Red: more than "
            "10 minutes; runbook PurposewatchAlertChannelDead.",
        ),
        graph(
            "Attempts to deliver",
            {
                "{{channel}} {{result}}": or_zero(
                    rate("purposewatch_alert_deliveries_total", "channel, result", INSTANCE),
                    "channel, result",
                )
            },
            unit="ops",
            width=6,
            description="Only failures: the receiver is away or refuses everything; runbook "
            "PurposewatchAlertChannelDead.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _processes(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Processes"))
    files = f"process_open_fds{{{_OURS}, {INSTANCE}}} / process_max_fds{{{_OURS}, {INSTANCE}}}"
    for panel in (
        graph(
            "Processor time",
            {_EACH: rate("process_cpu_seconds_total", "job, instance", _OURS, INSTANCE)},
            unit="percentunit",
            red=Red(0.95, orange=0.8),
            description="1 is a whole processor, which is all that one process can use. Red: it is "
            "at its limit; add another, up to the number of partitions.",
        ),
        graph(
            "Lateness of the event loop",
            {
                f"{_EACH} 99 % within": quantile(
                    0.99, "purposewatch_event_loop_lag_seconds", "job, instance", INSTANCE
                )
            },
            unit="s",
            red=Red(0.5, orange=0.1),
            description="How much later than asked a timer fires. Red: the process has too much to "
            "do or is blocked; runbook PurposewatchEventLoopSlow.",
        ),
        graph(
            "Memory",
            {_EACH: f"process_resident_memory_bytes{{{_OURS}, {INSTANCE}}}"},
            unit="bytes",
            red=Red(480 * 2**20, orange=400 * 2**20),
            description="The containers' limit is 512 MB. Red: close to it; a restart helps for "
            "the moment, a report of what grew helps for good.",
        ),
        graph(
            "Open files and connections",
            {_EACH: files},
            unit="percentunit",
            red=Red(0.8, orange=0.5),
            description="Share of what the process may open. Red: above 80 %; runbook "
            "PurposewatchFilesRunningOut.",
        ),
        rows(
            "Up since, and version",
            "max by (job, instance, version) (purposewatch_build_info"
            f"{{{_OURS}, {INSTANCE}}} * on (job, instance) group_left () (time() - "
            f"process_start_time_seconds{{{_OURS}}}))",
            unit="s",
            description="Every process with its version and age. Ages of seconds again and again: "
            "it keeps dying; read its log. Two versions for long: a rollout is stuck.",
        ),
        rows(
            "Metrics with too many series",
            or_zero(
                f"max by (job, metric) (purposewatch_metric_labels_replaced_total{{{INSTANCE}}})"
            ),
            unit="short",
            red=Red(1),
            description="How often a new label set was counted as `_other` instead. Red: any; "
            "runbook PurposewatchLabelsReplaced.",
        ),
    ):
        made = made.with_panel(panel)
    return made
