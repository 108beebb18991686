"""The dashboard of on-call: is every event audited, in time, and is there room?"""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source import pipeline_ledger, pipeline_processes
from deploy.grafana.source.panels import Red, chosen, graph, number, page
from deploy.grafana.source.queries import INSTANCE, counted, or_zero, quantile, rate

_LATE = "purposewatch:audit_late:ratio_rate1h"
_LETTERS = "purposewatch:dead_letters:ratio_rate1h"
_OVER_PROCESSES = "max without (instance, job)"


def build() -> dashboard.Dashboard:
    """Put the dashboard together."""
    made = page(
        "purposewatch-pipeline",
        "Purposewatch: pipeline health",
        "The objectives, then the way of an event from the gate to the books, then the processes. "
        "docs/operating.md says what to look at, docs/runbooks what to do.",
        [
            chosen(
                "instance",
                "Instance",
                'label_values(up{job=~"purposewatch-.+"}, instance)',
            )
        ],
    )
    upper = _consumers(_latency(_flow(_objectives(made))))
    return pipeline_processes.add(pipeline_ledger.add(upper))


def _objectives(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Objectives"))
    for panel in (
        number(
            "Late, 1 h",
            or_zero(f"({_LATE} >= 0)"),
            unit="percentunit",
            red=Red(0.0144, orange=0.001),
            decimals=3,
            description="Share of events with a verdict later than 5 s after acceptance; the "
            "objective is 0.1 %. Red: the 30-day budget is gone in two days; runbook "
            "PurposewatchAuditLateFast.",
        ),
        number(
            "Dead letters, 1 h",
            or_zero(f"({_LETTERS} >= 0)"),
            unit="percentunit",
            red=Red(0.144, orange=0.01),
            decimals=3,
            description="Share of records taken in that became dead letters; the objective is 1 %. "
            "Red: the 30-day budget is gone in two days; runbook PurposewatchDeadLettersFast.",
        ),
        number(
            "Unaccounted",
            f"(sum({_OVER_PROCESSES} (purposewatch_ledger_unaccounted)) or vector(0)) + "
            f"(sum({_OVER_PROCESSES} (purposewatch_raw_ledger_unaccounted)) or vector(0))",
            unit="short",
            red=Red(1),
            description="Events and raw records with neither a verdict nor a dead letter; the "
            "objective is none. Red: at least one; runbooks PurposewatchEventsUnaccounted and "
            "PurposewatchRawUnaccounted.",
        ),
        number(
            "Not answering",
            'count(up{job=~"purposewatch-.+"} == 0) or vector(0)',
            unit="short",
            red=Red(1),
            description="Targets that Prometheus can not scrape. Red: at least one; runbook "
            "PurposewatchTargetDown.",
        ),
        number(
            "Consumers stopped",
            "sum(purposewatch_consumer_stopped) or vector(0)",
            unit="short",
            red=Red(1),
            description="Consumers that stopped themselves because too many records were bad. Red: "
            "at least one; runbook PurposewatchConsumerStopped.",
        ),
        number(
            "Records waiting",
            "sum(topic:purposewatch_consumer_lag_records:sum) or vector(0)",
            unit="short",
            red=Red(100_000, orange=1_000),
            description="Lag over all topics. Red: more than 100,000. Look below whether it grows; "
            "if so, runbook PurposewatchConsumerLagGrowing.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _flow(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Throughput"))
    requests = "purposewatch_http_request_seconds_count"
    answered = rate(requests, "job", INSTANCE)
    failed = rate(requests, "job", INSTANCE, 'status=~"5.."')
    for panel in (
        graph(
            "Events through the pipeline",
            {
                "accepted": rate("purposewatch_ingest_events_accepted_total", "", INSTANCE),
                "audited": rate("purposewatch_verdicts_total", "", INSTANCE),
                "booked": rate("purposewatch_recorded_verdicts_total", "", INSTANCE),
            },
            unit="eps",
            description="The three lines lie on each other while everything flows. When one falls "
            "behind the line before it, that service lags: see the lag below.",
        ),
        graph(
            "Refused events",
            {
                "{{publisher}} {{error_class}}": or_zero(
                    rate(
                        "purposewatch_ingest_events_refused_total",
                        "publisher, error_class",
                        INSTANCE,
                    ),
                    "publisher, error_class",
                )
            },
            unit="eps",
            red=Red(10),
            description="By publisher and reason. Red: more than 10 a second. It is usually one "
            "publisher's release; runbook PurposewatchPublisherRefused.",
        ),
        graph(
            "HTTP requests by status",
            {"{{job}} {{status}}": rate(requests, "job, status", INSTANCE)},
            unit="reqps",
            stacked=True,
            description="Requests to the gate and to the reporter. 4xx are the caller's fault, 503 "
            "is Kafka or the database, 500 a defect; runbook PurposewatchHttpErrors.",
        ),
        graph(
            "HTTP errors",
            {
                "{{job}}": f"({failed} or 0 * {answered}) / {answered}",
            },
            unit="percentunit",
            red=Red(0.05, orange=0.01),
            description="Share of requests answered with 5xx. Red: above 5 %; runbook "
            "PurposewatchHttpErrors.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _latency(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Latency"))
    accept, event = (
        "purposewatch_accept_to_verdict_seconds",
        "purposewatch_event_to_verdict_seconds",
    )
    for panel in (
        graph(
            "From acceptance to verdict",
            {
                "half within": quantile(0.5, accept, "", INSTANCE),
                "99 % within": quantile(0.99, accept, "", INSTANCE),
                "99.9 % within": quantile(0.999, accept, "", INSTANCE),
            },
            unit="s",
            red=Red(5, orange=1),
            description="The objective is 99.9 % within 5 s (red line). Above it: look at lag and "
            "batches; runbook PurposewatchAuditLateFast.",
        ),
        graph(
            "From the access itself to verdict",
            {
                "half within": quantile(0.5, event, "", INSTANCE),
                "99 % within": quantile(0.99, event, "", INSTANCE),
            },
            unit="s",
            red=Red(300, orange=60),
            description="By the publisher's clock, so it holds what the publisher waited. Red: "
            "more than 5 minutes. When acceptance to verdict is fine, the delay is at the "
            "publisher.",
        ),
        graph(
            "HTTP requests",
            {
                "{{job}} 99 % within": quantile(
                    0.99, "purposewatch_http_request_seconds", "job", INSTANCE
                )
            },
            unit="s",
            red=Red(2.5, orange=0.5),
            width=24,
            description="How long callers wait. At the gate it is mostly Kafka's confirmation. "
            "Red: more than 2.5 s; look at Kafka, then at the event loop below.",
        ),
    ):
        made = made.with_panel(panel)
    return made


def _consumers(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Consumers"))
    lag = f"purposewatch_consumer_lag_records{{{INSTANCE}}}"
    seconds, size = "purposewatch_consumer_batch_seconds", "purposewatch_consumer_batch_records"
    for panel in (
        graph(
            "Lag by topic",
            {"{{job}} {{topic}}": f"sum by (job, topic) ({lag})"},
            unit="short",
            red=Red(100_000, orange=1_000),
            description="Records yet to be taken in. Growing: more arrives than is taken in; "
            "runbook PurposewatchConsumerLagGrowing. Flat above 0: stuck; runbook "
            "PurposewatchConsumerStuck.",
        ),
        graph(
            "Lag by partition",
            {"{{topic}} {{partition}}": f"sum by (topic, partition) ({lag})"},
            unit="short",
            red=Red(100_000, orange=1_000),
            description="One partition alone: a key that has most of the events, or one process "
            "that is slow. See which instance has it in the next row.",
        ),
        graph(
            "Records taken in",
            {
                "{{job}} {{instance}} {{topic}}": rate(
                    "purposewatch_consumer_records_total", "job, instance, topic", INSTANCE
                )
            },
            unit="rps",
            description="Per process. A process at 0 while others work has no partitions, or is "
            "stuck; runbook PurposewatchConsumerStuck.",
        ),
        graph(
            "Duration of batches",
            {"{{job}} {{topic}} 99 % within": quantile(0.99, seconds, "job, topic", INSTANCE)},
            unit="s",
            red=Red(5, orange=1),
            description="From taking a batch in to having finished it. Red: more than 5 s. At the "
            "reporter it is the database, elsewhere Kafka.",
        ),
        graph(
            "Records in a batch",
            {"{{job}} {{topic}} half have at most": quantile(0.5, size, "job, topic", INSTANCE)},
            unit="short",
            description="Batches grow with the load; at their limit all the time, the consumer has "
            "no reserve: add a process, up to the number of partitions.",
        ),
        graph(
            "Without progress",
            {
                "{{job}} {{instance}} {{topic}}": "max by (job, instance, topic) "
                f"(purposewatch_consumer_stalled_seconds{{{INSTANCE}}})"
            },
            unit="s",
            red=Red(300, orange=60),
            description="How long a consumer has finished nothing although records wait. Red: more "
            "than 5 minutes; runbook PurposewatchConsumerStuck.",
        ),
        graph(
            "Partitions by process",
            {
                "{{job}} {{instance}} {{topic}}": "count by (job, instance, topic) "
                f"(purposewatch_consumer_lag_records{{{INSTANCE}}})"
            },
            unit="short",
            description="Who has how many partitions. A process without any is a reserve; two that "
            "exchange theirs for ever are a storm; runbook PurposewatchRebalanceStorm.",
        ),
        graph(
            "Rebalances, and batches put back",
            {
                "{{job}} {{topic}} rebalances": counted(
                    "purposewatch_consumer_rebalances_total", "job, topic", INSTANCE, window="5m"
                ),
                "{{job}} {{topic}} failures": counted(
                    "purposewatch_consumer_batch_failures_total",
                    "job, topic",
                    INSTANCE,
                    window="5m",
                ),
            },
            unit="short",
            red=Red(5),
            description="In five minutes. A few rebalances belong to every rollout. Red: again and "
            "again; runbooks PurposewatchRebalanceStorm and PurposewatchConsumerRetrying.",
        ),
    ):
        made = made.with_panel(panel)
    return made
