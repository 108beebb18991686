"""The part of the pipeline's dashboard about dead letters and the books."""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source.panels import NEVER_RED, Red, graph, number
from deploy.grafana.source.queries import INSTANCE, rate

_OVER_PROCESSES = "max without (instance, job)"


def add(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Append the rows."""
    return _books(_letters(made))


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
            description="Records set aside. From the raw topic it is a publisher's fault; from the "
            "events topic something else than the gate writes there. Red: more than one a second; "
            "runbook PurposewatchDeadLettersFast.",
        ),
        graph(
            "Dead letters booked",
            {
                "{{error_class}}": rate(
                    "purposewatch_recorded_dead_letters_total", "error_class", INSTANCE
                )
            },
            unit="rps",
            red=Red(1),
            description="What the reporter has booked of them. When it stays behind the graph "
            "beside it, the reporter lags on the dead-letters topic.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _books(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Books"))

    def gauge(name: str, books: str = "books") -> str:
        return f"{_OVER_PROCESSES} (purposewatch_{books}_{name}{{{INSTANCE}}})"

    for panel in (
        graph(
            "Open events",
            {
                "unaccounted, partition {{partition}}": gauge("unaccounted"),
                "under way, partition {{partition}}": gauge("pending"),
            },
            unit="short",
            description="Under way: no verdict yet. Unaccounted: passed over, which must not be; "
            "runbook PurposewatchEventsUnaccounted.",
        ),
        graph(
            "Oldest open event",
            {"partition {{partition}}": gauge("oldest_open_seconds")},
            unit="s",
            red=Red(300, orange=60),
            description="How long the oldest event without a verdict has waited. Red: more than 5 "
            "minutes; runbook PurposewatchVerdictsLate.",
        ),
        graph(
            "Open raw records",
            {
                "unaccounted, partition {{partition}}": gauge("unaccounted", "raw_books"),
                "under way, partition {{partition}}": gauge("pending", "raw_books"),
            },
            unit="short",
            description="The same for the raw topic: a record is settled once its event's verdict "
            "or its dead letter is booked; runbook PurposewatchRawUnaccounted.",
        ),
        graph(
            "Oldest open raw record",
            {"partition {{partition}}": gauge("oldest_open_seconds", "raw_books")},
            unit="s",
            red=Red(300, orange=60),
            description="How long the oldest raw record has waited. Red: more than 5 minutes; look "
            "at the lag of the raw topic, then at the events' graph above.",
        ),
        graph(
            "Repeats, duplicates, conflicts",
            {
                "repeats": rate("purposewatch_recorded_redeliveries_total", "", INSTANCE),
                "ids, {{content}} content": rate(
                    "purposewatch_recorded_duplicates_total", "content", INSTANCE
                ),
            },
            unit="eps",
            red=NEVER_RED,
            description="Repeats follow a restart and change nothing. Ids with the same content "
            "are publishers' retries. Ids with different content are a publisher's defect; runbook "
            "PurposewatchIdConflicts.",
        ),
        graph(
            "New pages, and records lost",
            {
                "pages, {{topic}}": "max by (topic) (purposewatch_log_epochs_started)",
                "records lost, {{topic}}": "max by (topic) (purposewatch_ledger_lost)",
            },
            unit="short",
            description="A new page begins when a topic is not the one that the books were about. "
            "Any step upwards: runbooks PurposewatchLogReplaced and PurposewatchRecordsLost.",
        ),
        number(
            "Since the books were compared with Kafka",
            "time() - max(purposewatch_ledger_reconciled_timestamp_seconds)",
            unit="s",
            red=Red(120, orange=30),
            width=24,
            decimals=0,
            description="The reporter does it every second or so. Red: more than two minutes ago; "
            "until then nobody knows whether all is accounted for; runbook "
            "PurposewatchLedgerNotReconciled.",
        ),
    ):
        made = made.with_panel(panel)
    return made
