"""Metrics of every service: the process, HTTP requests and Kafka consumers."""

from purposewatch_runtime.metrics.specs import (
    EVERY,
    CounterSpec,
    GaugeSpec,
    HistogramSpec,
    MetricSpec,
)

_DURATION = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

BUILD_INFO = GaugeSpec(
    "purposewatch_build_info",
    "Always 1. The label names the version.",
    (*EVERY, "connect"),
    ("version",),
    unit="info",
)

EVENT_LOOP_LAG_SECONDS = HistogramSpec(
    "purposewatch_event_loop_lag_seconds",
    "How late a timer of the event loop fires, which is how long the loop was blocked.",
    (*EVERY, "connect"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    unit="seconds",
)
LABELS_REPLACED = CounterSpec(
    "purposewatch_metric_labels_replaced",
    "New series that were counted as `_other` because the metric has too many series.",
    (*EVERY, "connect"),
    ("metric",),
    unit="count",
)
HTTP_REQUEST_SECONDS = HistogramSpec(
    "purposewatch_http_request_seconds",
    "Duration of HTTP requests by route template. Excludes probes and scrapes.",
    ("ingest", "reporter", "connect"),
    ("route", "status"),
    _DURATION,
    unit="seconds",
)
CONSUMER_RECORDS = CounterSpec(
    "purposewatch_consumer_records",
    "Records consumed and finished.",
    EVERY,
    ("topic",),
    unit="records",
)
CONSUMER_BATCH_RECORDS = HistogramSpec(
    "purposewatch_consumer_batch_records",
    "Records per batch.",
    EVERY,
    ("topic",),
    _BATCH,
    unit="records",
)
CONSUMER_BATCH_SECONDS = HistogramSpec(
    "purposewatch_consumer_batch_seconds",
    "Time from polling a batch to finishing it.",
    EVERY,
    ("topic",),
    _DURATION,
    unit="seconds",
)
CONSUMER_FAILURES = CounterSpec(
    "purposewatch_consumer_batch_failures",
    "Batches that failed and are retried, and new failures to decode records.",
    EVERY,
    ("topic",),
    unit="count",
)
CONSUMER_REBALANCES = CounterSpec(
    "purposewatch_consumer_rebalances",
    "Partition assignments received.",
    EVERY,
    ("topic",),
    unit="count",
)
CONSUMER_LAG = GaugeSpec(
    "purposewatch_consumer_lag_records",
    "Records in the partition that this process has not finished, measured on a timer.",
    EVERY,
    ("topic", "partition"),
    unit="records",
)
CONSUMER_STALLED_SECONDS = GaugeSpec(
    "purposewatch_consumer_stalled_seconds",
    "Seconds since the last finished batch while records wait. 0 when none wait.",
    EVERY,
    ("topic",),
    unit="seconds",
)
CONSUMER_STOPPED = GaugeSpec(
    "purposewatch_consumer_stopped",
    "1 when the consumer has stopped itself because too many records were bad.",
    EVERY,
    ("topic",),
    unit="yes or no",
)
KAFKA_CERTIFICATE_EXPIRY = GaugeSpec(
    "purposewatch_kafka_certificate_expiry_timestamp_seconds",
    "When the client certificate and the first of the authorities of the connection to Kafka "
    "expire, and until when signatures of the service's signing key count.",
    EVERY,
    ("certificate",),
    unit="unix seconds",
)
KAFKA_TOKEN_FAILING = GaugeSpec(
    "purposewatch_kafka_token_failing",
    "1 while the token for Kafka can't be renewed; it is used until it expires.",
    EVERY,
    unit="yes or no",
)
SIGNATURES_REFUSED = CounterSpec(
    "purposewatch_signatures_refused",
    "Records that were refused because their signature is missing or does not count.",
    EVERY,
    ("topic", "reason"),
    unit="records",
)
DEAD_LETTERS = CounterSpec(
    "purposewatch_dead_letters",
    "Records that were dead-lettered.",
    ("ingest", "auditor"),
    ("topic", "error_class"),
    unit="records",
)
TRACE_SPANS = CounterSpec(
    "purposewatch_trace_spans",
    "Spans of sampled events and requests; those over the limit per second are not started.",
    EVERY,
    ("result",),
    unit="count",
)
POLICY_BUNDLE_NUMBER = GaugeSpec(
    "purposewatch_policy_bundle_number",
    "Number of the policy bundle in use; the label has its digest.",
    EVERY,
    ("digest",),
    unit="info",
)
POLICY_BUNDLE_CHECKED = GaugeSpec(
    "purposewatch_policy_bundle_checked_timestamp_seconds",
    "When the source of the policy bundle last answered.",
    EVERY,
    unit="unix seconds",
)
POLICY_BUNDLE_REFUSED = GaugeSpec(
    "purposewatch_policy_bundle_refused",
    "1 while the newest policy bundle is refused and the one before stays in use.",
    EVERY,
    unit="yes or no",
)

COMMON: tuple[MetricSpec, ...] = (
    BUILD_INFO,
    EVENT_LOOP_LAG_SECONDS,
    LABELS_REPLACED,
    HTTP_REQUEST_SECONDS,
    CONSUMER_RECORDS,
    CONSUMER_BATCH_RECORDS,
    CONSUMER_BATCH_SECONDS,
    CONSUMER_FAILURES,
    CONSUMER_REBALANCES,
    CONSUMER_LAG,
    CONSUMER_STALLED_SECONDS,
    CONSUMER_STOPPED,
    KAFKA_CERTIFICATE_EXPIRY,
    KAFKA_TOKEN_FAILING,
    SIGNATURES_REFUSED,
    DEAD_LETTERS,
    TRACE_SPANS,
    POLICY_BUNDLE_NUMBER,
    POLICY_BUNDLE_CHECKED,
    POLICY_BUNDLE_REFUSED,
)
