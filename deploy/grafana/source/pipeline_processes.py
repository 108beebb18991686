"""The rows of the pipeline dashboard about alert delivery and each process."""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source.panels import Red, graph, rows
from deploy.grafana.source.queries import INSTANCE, or_zero, quantile, rate

_OURS = 'job=~"purposewatch-.+"'
_EACH = "{{job}} {{instance}}"


def add(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Append the rows."""
    return _processes(_delivery(made))


def _delivery(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Alert delivery"))
    for panel in (
        graph(
            "Undelivered alerts",
            {"{{channel}}": or_zero("max by (channel) (purposewatch_outbox_depth)", "channel")},
            unit="short",
            red=Red(100, orange=10),
            width=6,
            description="Alerts that a channel's receiver has not accepted yet. Red: more than "
            "100. Runbook: PurposewatchOutboxWaiting.",
        ),
        graph(
            "Oldest undelivered alert",
            {
                "{{channel}}": or_zero(
                    "max by (channel) (purposewatch_outbox_oldest_seconds)", "channel"
                )
            },
            unit="s",
            red=Red(600, orange=120),
            width=6,
            description="Red: an alert has been undelivered for ten minutes. Runbook: "
            "PurposewatchOutboxWaiting.",
        ),
        graph(
            "Failing channels",
            {
                "{{channel}}": or_zero(
                    "max by (channel) (purposewatch_alert_channel_failing_seconds)", "channel"
                )
            },
            unit="s",
            red=Red(600, orange=120),
            width=6,
            description="How long a channel has accepted no alert. Red: more than 10 minutes. "
            "Runbook: PurposewatchAlertChannelDead.",
        ),
        graph(
            "Delivery attempts",
            {
                "{{channel}} {{result}}": or_zero(
                    rate("purposewatch_alert_deliveries_total", "channel, result", INSTANCE),
                    "channel, result",
                )
            },
            unit="ops",
            width=6,
            description="If there are only failures, the receiver is down or rejects everything. "
            "Runbook: PurposewatchAlertChannelDead.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _processes(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Processes"))
    files = f"process_open_fds{{{_OURS}, {INSTANCE}}} / process_max_fds{{{_OURS}, {INSTANCE}}}"
    for panel in (
        graph(
            "CPU",
            {_EACH: rate("process_cpu_seconds_total", "job, instance", _OURS, INSTANCE)},
            unit="percentunit",
            red=Red(0.95, orange=0.8),
            description="1 is one core, the most that one process can use. Red: the process is at "
            "its limit. Add another, up to the number of partitions.",
        ),
        graph(
            "Event loop lag",
            {
                f"{_EACH} p99": quantile(
                    0.99, "purposewatch_event_loop_lag_seconds", "job, instance", INSTANCE
                )
            },
            unit="s",
            red=Red(0.5, orange=0.1),
            description="How late timers fire. Red: the process is overloaded or blocked. "
            "Runbook: PurposewatchEventLoopSlow.",
        ),
        graph(
            "Memory",
            {_EACH: f"process_resident_memory_bytes{{{_OURS}, {INSTANCE}}}"},
            unit="bytes",
            red=Red(480 * 2**20, orange=400 * 2**20),
            description="The containers' limit is 512 MB. Red: close to it. Restart the process, "
            "and report what grew.",
        ),
        graph(
            "Open files and connections",
            {_EACH: files},
            unit="percentunit",
            red=Red(0.8, orange=0.5),
            description="Share of the process's limit. Red: above 80 %. Runbook: "
            "PurposewatchFilesRunningOut.",
        ),
        rows(
            "Uptime and version",
            "max by (job, instance, version) (purposewatch_build_info"
            f"{{{_OURS}, {INSTANCE}}} * on (job, instance) group_left () (time() - "
            f"process_start_time_seconds{{{_OURS}}}))",
            unit="s",
            description="Every process with its version and age. If an age keeps returning to "
            "seconds, the process keeps crashing; read its log. If two versions stay, a rollout "
            "is stuck.",
        ),
        rows(
            "Metrics with too many series",
            or_zero(
                f"max by (job, metric) (purposewatch_metric_labels_replaced_total{{{INSTANCE}}})"
            ),
            unit="short",
            red=Red(1),
            description="How often a new label set was counted as `_other`. Red: at least once. "
            "Runbook: PurposewatchLabelsReplaced.",
        ),
    ):
        made = made.with_panel(panel)
    return made
