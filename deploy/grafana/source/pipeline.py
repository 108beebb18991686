"""The dashboard for on-call: is every event audited, in time, with headroom?"""

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.source import pipeline_facts, pipeline_ledger, pipeline_processes
from deploy.grafana.source.panels import Red, chosen, graph, number, page
from deploy.grafana.source.queries import INSTANCE, counted, or_zero, quantile, rate

_LATE = "purposewatch:audit_late:ratio_rate1h"
_LETTERS = "purposewatch:dead_letters:ratio_rate1h"
_OVER_PROCESSES = "max without (instance, job)"


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    made = page(
        "purposewatch-pipeline",
        "Purposewatch: pipeline health",
        "The objectives, the path of an event from ingest to the ledger, and the processes. "
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
    return pipeline_processes.add(pipeline_facts.add(pipeline_ledger.add(upper)))


def _objectives(made: dashboard.Dashboard) -> dashboard.Dashboard:
    made = made.with_row(dashboard.Row("Objectives"))
    for panel in (
        number(
            "Late verdicts, 1 h",
            or_zero(f"({_LATE} >= 0)"),
            unit="percentunit",
            red=Red(0.0144, orange=0.001),
            decimals=3,
            description="Share of events whose verdict came later than 5 s after acceptance; the "
            "objective is 0.1 %. Red: the 30-day error budget is spent in two days. Runbook: "
            "PurposewatchAuditLateFast.",
        ),
        number(
            "Dead letters, 1 h",
            or_zero(f"({_LETTERS} >= 0)"),
            unit="percentunit",
            red=Red(0.144, orange=0.01),
            decimals=3,
            description="Share of consumed records that became dead letters; the objective is 1 "
            "%. Red: the 30-day error budget is spent in two days. Runbook: "
            "PurposewatchDeadLettersFast.",
        ),
        number(
            "Unaccounted",
            f"(sum({_OVER_PROCESSES} (purposewatch_ledger_unaccounted)) or vector(0)) + "
            f"(sum({_OVER_PROCESSES} (purposewatch_raw_ledger_unaccounted)) or vector(0))",
            unit="short",
            red=Red(1),
            description="Events and raw records with neither a verdict nor a dead letter; the "
            "objective is none. Red: at least one. Runbooks: PurposewatchEventsUnaccounted, "
            "PurposewatchRawUnaccounted.",
        ),
        number(
            "Targets down",
            'count(up{job=~"purposewatch-.+"} == 0) or vector(0)',
            unit="short",
            red=Red(1),
            description="Targets that Prometheus cannot scrape. Red: at least one. Runbook: "
            "PurposewatchTargetDown.",
        ),
        number(
            "Consumers stopped",
            "sum(purposewatch_consumer_stopped) or vector(0)",
            unit="short",
            red=Red(1),
            description="Consumers that stopped themselves because too many records were bad. "
            "Red: at least one. Runbook: PurposewatchConsumerStopped.",
        ),
        number(
            "Consumer lag",
            "sum(topic:purposewatch_consumer_lag_records:sum) or vector(0)",
            unit="short",
            red=Red(100_000, orange=1_000),
            description="Lag over all topics. Red: more than 100,000. Check below whether it "
            "grows; if so, follow the runbook PurposewatchConsumerLagGrowing.",
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
                "recorded": rate("purposewatch_recorded_verdicts_total", "", INSTANCE),
            },
            unit="eps",
            description="The three lines coincide while nothing lags. If one falls below the line "
            "before it, that service lags: see the lag below.",
        ),
        graph(
            "Rejected events",
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
            description="By publisher and reason. Red: more than 10 per second, usually after a "
            "publisher's release. Runbook: PurposewatchPublisherRefused.",
        ),
        graph(
            "HTTP requests by status",
            {"{{job}} {{status}}": rate(requests, "job, status", INSTANCE)},
            unit="reqps",
            stacked=True,
            description="Requests to ingest and to the reporter. 4xx: the caller must correct "
            "something. 503: Kafka or the database is unavailable. 500: a defect. Runbook: "
            "PurposewatchHttpErrors.",
        ),
        graph(
            "HTTP error rate",
            {
                "{{job}}": f"({failed} or 0 * {answered}) / {answered}",
            },
            unit="percentunit",
            red=Red(0.05, orange=0.01),
            description="Share of requests answered with 5xx. Red: above 5 %. Runbook: "
            "PurposewatchHttpErrors.",
        ),
        graph(
            "Requests that ingest did not handle",
            {
                "{{publisher}} {{reason}}": rate(
                    "purposewatch_ingest_requests_refused_total", "publisher, reason", INSTANCE
                ),
                "no registered key": rate("purposewatch_ingest_keys_refused_total", "", INSTANCE),
            },
            unit="reqps",
            width=24,
            description="share, queue_full: the publisher asks for more than its share; rate, "
            "quota, paused: for more than the register lets it send. Others are not affected. "
            "capacity: all publishers together ask for more than this process of ingest handles; "
            "start another. No registered key: the log has the addresses.",
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
            "Latency from acceptance to verdict",
            {
                "p50": quantile(0.5, accept, "", INSTANCE),
                "p99": quantile(0.99, accept, "", INSTANCE),
                "p99.9": quantile(0.999, accept, "", INSTANCE),
            },
            unit="s",
            red=Red(5, orange=1),
            description="The objective is 99.9 % within 5 s (red line). If it is exceeded, look "
            "at lag and batch duration. Runbook: PurposewatchAuditLateFast.",
        ),
        graph(
            "Latency from access to verdict",
            {
                "p50": quantile(0.5, event, "", INSTANCE),
                "p99": quantile(0.99, event, "", INSTANCE),
            },
            unit="s",
            red=Red(300, orange=60),
            description="By the publisher's clock, so it includes the time before publishing. "
            "Red: more than 5 minutes. If the latency from acceptance to verdict is fine, the "
            "delay is at the publisher.",
        ),
        graph(
            "HTTP request duration",
            {"{{job}} p99": quantile(0.99, "purposewatch_http_request_seconds", "job", INSTANCE)},
            unit="s",
            red=Red(2.5, orange=0.5),
            width=24,
            description="How long callers wait. At ingest that is mostly the time until Kafka "
            "acknowledges. Red: more than 2.5 s. Look at Kafka, then at the event loop lag below.",
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
            description="Records not yet consumed. Growing: more records arrive than are "
            "consumed, runbook PurposewatchConsumerLagGrowing. Constant above 0: the consumer is "
            "stuck, runbook PurposewatchConsumerStuck.",
        ),
        graph(
            "Lag by partition",
            {"{{topic}} {{partition}}": f"sum by (topic, partition) ({lag})"},
            unit="short",
            red=Red(100_000, orange=1_000),
            description="If a single partition lags, one key has most of the events or one "
            "process is slow. The next row shows which instance owns it.",
        ),
        graph(
            "Records consumed",
            {
                "{{job}} {{instance}} {{topic}}": rate(
                    "purposewatch_consumer_records_total", "job, instance, topic", INSTANCE
                )
            },
            unit="rps",
            description="Per process. A process at 0 while others work has no partitions or is "
            "stuck. Runbook: PurposewatchConsumerStuck.",
        ),
        graph(
            "Batch duration",
            {"{{job}} {{topic}} p99": quantile(0.99, seconds, "job, topic", INSTANCE)},
            unit="s",
            red=Red(5, orange=1),
            description="From receiving a batch to finishing it. Red: more than 5 s. In the "
            "reporter the database is slow, elsewhere Kafka.",
        ),
        graph(
            "Batch size",
            {"{{job}} {{topic}} p50": quantile(0.5, size, "job, topic", INSTANCE)},
            unit="short",
            description="Batches grow with the load. If they are always at their limit, the "
            "consumer has no headroom: add a process, up to the number of partitions.",
        ),
        graph(
            "Stalled consumers",
            {
                "{{job}} {{instance}} {{topic}}": "max by (job, instance, topic) "
                f"(purposewatch_consumer_stalled_seconds{{{INSTANCE}}})"
            },
            unit="s",
            red=Red(300, orange=60),
            description="How long a consumer has finished nothing although records are pending. "
            "Red: more than 5 minutes. Runbook: PurposewatchConsumerStuck.",
        ),
        graph(
            "Partitions by process",
            {
                "{{job}} {{instance}} {{topic}}": "count by (job, instance, topic) "
                f"(purposewatch_consumer_lag_records{{{INSTANCE}}})"
            },
            unit="short",
            description="How many partitions each process owns. A process without any is a "
            "standby. Two that keep exchanging theirs are a rebalance storm. Runbook: "
            "PurposewatchRebalanceStorm.",
        ),
        graph(
            "Rebalances and failed batches",
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
            description="Within five minutes. Every rollout causes a few rebalances. Red: more "
            "than five. Runbooks: PurposewatchRebalanceStorm, PurposewatchConsumerRetrying.",
        ),
    ):
        made = made.with_panel(panel)
    return made
