"""The rows of the pipeline dashboard about dead letters and the ledger."""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source.panels import NEVER_RED, Red, graph, number
from deploy.grafana.source.queries import INSTANCE, rate

_OVER_PROCESSES = "max without (instance, job)"


def add(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Append the rows."""
    return _ledger(_letters(made))


def _letters(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Dead letters"))
    for panel in (
        graph(
            "Dead letters by reason",
            {
                "{{topic}} {{error_class}}": rate(
                    "purposewatch_dead_letters_total", "topic, error_class", INSTANCE
                )
            },
            unit="rps",
            red=Red(1),
            description="Records dead-lettered. From the raw topic: a publisher's fault. From the "
            "events topic: a producer other than ingest writes to it. Red: more than one per "
            "second. Runbook: PurposewatchDeadLettersFast.",
        ),
        graph(
            "Dead letters recorded",
            {
                "{{error_class}}": rate(
                    "purposewatch_recorded_dead_letters_total", "error_class", INSTANCE
                )
            },
            unit="rps",
            red=Red(1),
            description="Dead letters that the reporter has recorded. If it stays below the graph "
            "beside it, the reporter lags on the dead-letters topic.",
        ),
        graph(
            "Records that no service can have written",
            {
                "verdicts and dead letters": rate(
                    "purposewatch_recorded_dead_letters_total",
                    "",
                    INSTANCE,
                    'error_class="suspect"',
                ),
                "events of unregistered publishers": rate(
                    "purposewatch_unregistered_publisher_events_total", "", INSTANCE
                ),
            },
            unit="rps",
            red=Red(0.001),
            width=24,
            description="Somebody else than the services writes to their topics. Red: any. "
            "Runbooks: PurposewatchSuspectRecords, PurposewatchUnregisteredPublisher.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _ledger(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Ledger"))

    def gauge(name: str, ledger: str = "ledger") -> str:
        return f"{_OVER_PROCESSES} (purposewatch_{ledger}_{name}{{{INSTANCE}}})"

    for panel in (
        graph(
            "Pending and unaccounted events",
            {
                "unaccounted, partition {{partition}}": gauge("unaccounted"),
                "pending, partition {{partition}}": gauge("pending"),
            },
            unit="short",
            description="Pending: no verdict yet. Unaccounted: skipped, which must never happen. "
            "Runbook: PurposewatchEventsUnaccounted.",
        ),
        graph(
            "Oldest pending event",
            {"partition {{partition}}": gauge("oldest_pending_seconds")},
            unit="s",
            red=Red(300, orange=60),
            description="How long the oldest event without a verdict has been pending. Red: more "
            "than 5 minutes. Runbook: PurposewatchVerdictsLate.",
        ),
        graph(
            "Pending and unaccounted raw records",
            {
                "unaccounted, partition {{partition}}": gauge("unaccounted", "raw_ledger"),
                "pending, partition {{partition}}": gauge("pending", "raw_ledger"),
            },
            unit="short",
            description="The same for the raw topic: a record is accounted for once its event's "
            "verdict or its dead letter is recorded. Runbook: PurposewatchRawUnaccounted.",
        ),
        graph(
            "Oldest pending raw record",
            {"partition {{partition}}": gauge("oldest_pending_seconds", "raw_ledger")},
            unit="s",
            red=Red(300, orange=60),
            description="How long the oldest raw record has been pending. Red: more than 5 "
            "minutes. Look at the lag of the raw topic, then at the pending events above.",
        ),
        graph(
            "Redeliveries, duplicates, conflicts",
            {
                "redeliveries": rate("purposewatch_recorded_redeliveries_total", "", INSTANCE),
                "ids, {{content}} content": rate(
                    "purposewatch_recorded_duplicates_total", "content", INSTANCE
                ),
            },
            unit="eps",
            red=NEVER_RED,
            description="Redeliveries follow a restart and change nothing. Ids with the same "
            "content are publishers' retries. Ids with different content are a publisher's "
            "defect. Runbook: PurposewatchIdConflicts.",
        ),
        graph(
            "Log epochs and records lost",
            {
                "epochs started, {{topic}}": "max by (topic) (purposewatch_log_epochs_started)",
                "records lost, {{topic}}": "max by (topic) (purposewatch_ledger_lost)",
            },
            unit="short",
            description="A log epoch is started when a topic's log was replaced. If either line "
            "rises, follow the runbooks PurposewatchLogReplaced and PurposewatchRecordsLost.",
        ),
        number(
            "Time since the last reconciliation",
            "time() - max(purposewatch_ledger_reconciled_timestamp_seconds)",
            unit="s",
            red=Red(120, orange=30),
            width=24,
            decimals=0,
            description="The reporter reconciles the ledger with Kafka about every second. Red: "
            "more than two minutes ago, so missing events go unnoticed. Runbook: "
            "PurposewatchLedgerNotReconciled.",
        ),
    ):
        made = made.with_panel(panel)
    return made
