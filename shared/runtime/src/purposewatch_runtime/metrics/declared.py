"""Every metric that Purposewatch exports, declared in one place.

Label values come from enumerations, the vocabulary or the register of publishers, never from free
text, so that the number of label sets is bounded whatever arrives. docs/metrics.md is generated
from this module. It is long because it is a list: every metric is found in one place.
"""

from purposewatch_policy import Kind, Outcome
from purposewatch_runtime.metrics.specs import (
    CounterSpec,
    GaugeSpec,
    HistogramSpec,
    MetricSpec,
    Service,
)

EVERY: tuple[Service, ...] = ("ingest", "auditor", "reporter")

OBJECTIVE_SECONDS = 5.0
"""An event counts as audited in time when its verdict is confirmed this soon after acceptance."""

UNJUDGED = "_unjudged"
"""Label for what no policy is known of, or may be outside the vocabulary; no name begins so."""

OUTCOMES: tuple[tuple[str, str], ...] = (
    (str(Outcome.PERMITTED), "none"),
    (str(Outcome.UNKNOWN), "none"),
    *((str(Outcome.VIOLATION), str(kind)) for kind in Kind),
)
"""Every pair of the labels `outcome` and `kind` that a verdict can have."""

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_DURATION = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

BUILD_INFO = GaugeSpec(
    "purposewatch_build_info",
    "Always 1; the label names the version.",
    EVERY,
    ("version",),
    unit="info",
)

EVENT_LOOP_LAG_SECONDS = HistogramSpec(
    "purposewatch_event_loop_lag_seconds",
    "How much later than asked a timer of the event loop fires: time in which nothing else ran.",
    EVERY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    unit="seconds",
)
LABELS_REPLACED = CounterSpec(
    "purposewatch_metric_labels_replaced",
    "Times that a metric had too many series and a new one was counted as `_other`.",
    EVERY,
    ("metric",),
    unit="count",
)
HTTP_REQUEST_SECONDS = HistogramSpec(
    "purposewatch_http_request_seconds",
    "Duration of HTTP requests by the route's template; probes and scrapes left out.",
    ("ingest", "reporter"),
    ("route", "status"),
    _DURATION,
    unit="seconds",
)

# --- every consumer -----------------------------------------------------------------------------
CONSUMER_RECORDS = CounterSpec(
    "purposewatch_consumer_records",
    "Records taken in and finished.",
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
    "Time from taking a batch in to having finished it.",
    EVERY,
    ("topic",),
    _DURATION,
    unit="seconds",
)
CONSUMER_FAILURES = CounterSpec(
    "purposewatch_consumer_batch_failures",
    "Batches that failed and were put back to be tried again.",
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
    "Records in the partition that this process has yet to finish, asked of Kafka on a timer.",
    EVERY,
    ("topic", "partition"),
    unit="records",
)
CONSUMER_STALLED_SECONDS = GaugeSpec(
    "purposewatch_consumer_stalled_seconds",
    "Seconds since the last finished batch while records wait; 0 when none wait.",
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
DEAD_LETTERS = CounterSpec(
    "purposewatch_dead_letters",
    "Records set aside as dead letters.",
    ("ingest", "auditor"),
    ("topic", "error_class"),
    unit="records",
)

# --- ingest -------------------------------------------------------------------------------------
INGEST_ACCEPTED = CounterSpec(
    "purposewatch_ingest_events_accepted",
    "Events confirmed in the events topic.",
    ("ingest",),
    ("publisher", "transport"),
    unit="events",
)
INGEST_REFUSED = CounterSpec(
    "purposewatch_ingest_events_refused",
    "Events refused over HTTP or dead-lettered from the raw topic.",
    ("ingest",),
    ("publisher", "transport", "error_class"),
    unit="events",
)
INGEST_PUBLISHERS_RELOAD_FAILED = GaugeSpec(
    "purposewatch_ingest_publishers_reload_failed",
    "1 while the register of publishers on disk is faulty and the last good one is in use.",
    ("ingest",),
    unit="yes or no",
)


# --- auditor ------------------------------------------------------------------------------------
VERDICTS = CounterSpec(
    "purposewatch_verdicts",
    "Verdicts confirmed in the verdicts topic; kind is `none` unless a violation.",
    ("auditor",),
    ("controller", "outcome", "kind"),
    unit="events",
)
ACCEPT_TO_VERDICT_SECONDS = HistogramSpec(
    "purposewatch_accept_to_verdict_seconds",
    "Time from the gate's acceptance to the confirmed verdict.",
    ("auditor",),
    (),
    _LATENCY,
    unit="seconds",
)
EVENT_TO_VERDICT_SECONDS = HistogramSpec(
    "purposewatch_event_to_verdict_seconds",
    "Time from the access itself, by the publisher's clock, to the confirmed verdict.",
    ("auditor",),
    (),
    _LATENCY,
    unit="seconds",
)
POLICY_INFO = GaugeSpec(
    "purposewatch_policy_info",
    "1 for every policy version loaded.",
    ("auditor",),
    ("controller", "version", "digest"),
    unit="info",
)
POLICY_RELOADS = CounterSpec(
    "purposewatch_policy_reloads",
    "Reloads of the policy directory after a change.",
    ("ingest", "auditor"),
    ("result",),
    unit="count",
)
POLICY_RELOAD_FAILED = GaugeSpec(
    "purposewatch_policy_reload_failed",
    "1 while the files on disk are faulty and the last good version is in use.",
    ("ingest", "auditor"),
    unit="yes or no",
)
POLICY_IN_FORCE = GaugeSpec(
    "purposewatch_policy_in_force",
    "1 while this version of the controller's policy is in force, 0 before and after.",
    ("auditor",),
    ("controller", "version"),
    unit="yes or no",
)
POLICY_LOADED = GaugeSpec(
    "purposewatch_policy_loaded_timestamp_seconds",
    "When the policies or vocabularies in use were loaded.",
    ("ingest", "auditor"),
    unit="unix seconds",
)

# --- reporter -----------------------------------------------------------------------------------
RECORDED_VERDICTS = CounterSpec(
    "purposewatch_recorded_verdicts",
    "Verdicts booked; kind is `none` unless a violation.",
    ("reporter",),
    ("controller", "outcome", "kind"),
    unit="events",
)
RECORDED_VIOLATIONS = CounterSpec(
    "purposewatch_recorded_violations",
    "Booked events that are violations or could not be judged, by what they were about.",
    ("reporter",),
    ("controller", "outcome", "kind", "role", "recipient", "publisher"),
    unit="events",
)
STATEMENT_DECISIONS = CounterSpec(
    "purposewatch_statement_decisions",
    "Decisions about data categories by the statement that decided, or came nearest; `none` where "
    "no statement did.",
    ("reporter",),
    ("controller", "statement", "grade"),
    unit="count",
)
RECORDED_REDELIVERIES = CounterSpec(
    "purposewatch_recorded_redeliveries",
    "Verdicts or dead letters of a position that was booked before; they change nothing.",
    ("reporter",),
    unit="records",
)
RECORDED_DUPLICATES = CounterSpec(
    "purposewatch_recorded_duplicates",
    "Events whose id was booked before; `content` tells the same from different content.",
    ("reporter",),
    ("content",),
    unit="events",
)
RECORDED_DEAD_LETTERS = CounterSpec(
    "purposewatch_recorded_dead_letters",
    "Dead letters booked.",
    ("reporter",),
    ("error_class",),
    unit="records",
)
LEDGER_EVENTS = GaugeSpec(
    "purposewatch_ledger_events",
    "Events in the partition.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_VERDICTS = GaugeSpec(
    "purposewatch_ledger_verdicts",
    "Events with a booked verdict.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_DEAD_LETTERS = GaugeSpec(
    "purposewatch_ledger_dead_letters",
    "Events with a booked dead letter.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_UNACCOUNTED = GaugeSpec(
    "purposewatch_ledger_unaccounted",
    "Events before the last booked one that have neither a verdict nor a dead letter.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_PENDING = GaugeSpec(
    "purposewatch_ledger_pending",
    "Events behind the last booked one, still under way.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_ledger_oldest_pending_seconds",
    "How long the oldest event without a verdict or dead letter has been open.",
    ("reporter",),
    ("partition",),
    unit="seconds",
)
LEDGER_RECONCILED = GaugeSpec(
    "purposewatch_ledger_reconciled_timestamp_seconds",
    "When the books were last compared with Kafka.",
    ("reporter",),
    unit="unix seconds",
)
LEDGER_LOST = GaugeSpec(
    "purposewatch_ledger_lost",
    "Records of pages whose log is gone that were never accounted for; nobody can any more.",
    ("reporter",),
    ("topic",),
    unit="records",
)
LOG_EPOCHS_STARTED = GaugeSpec(
    "purposewatch_log_epochs_started",
    "Pages opened because a partition's log was not the one that the books were about.",
    ("reporter",),
    ("topic",),
    unit="count",
)
RAW_LEDGER_RECORDS = GaugeSpec(
    "purposewatch_raw_ledger_records",
    "Records in the partition of the raw topic since its books begin.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_ACCEPTED = GaugeSpec(
    "purposewatch_raw_ledger_accepted",
    "Raw records whose event has a booked verdict.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_DEAD_LETTERS = GaugeSpec(
    "purposewatch_raw_ledger_dead_letters",
    "Raw records with a booked dead letter, the gate's or the auditor's.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_UNACCOUNTED = GaugeSpec(
    "purposewatch_raw_ledger_unaccounted",
    "Raw records before the last booked one that have neither a verdict nor a dead letter.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_PENDING = GaugeSpec(
    "purposewatch_raw_ledger_pending",
    "Raw records behind the last booked one, still under way.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_raw_ledger_oldest_pending_seconds",
    "How long the oldest raw record without a verdict or dead letter has been open.",
    ("reporter",),
    ("partition",),
    unit="seconds",
)
OUTBOX_DEPTH = GaugeSpec(
    "purposewatch_outbox_depth",
    "Beginnings and ends of alerts that a receiver has yet to be told.",
    ("reporter",),
    ("channel",),
    unit="count",
)
OUTBOX_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_outbox_oldest_seconds",
    "How long the oldest beginning or end of an alert has been waiting to be told.",
    ("reporter",),
    ("channel",),
    unit="seconds",
)
ALERT_DELIVERIES = CounterSpec(
    "purposewatch_alert_deliveries",
    "Attempts to deliver an alert.",
    ("reporter",),
    ("channel", "result"),
    unit="count",
)
ALERT_CHANNEL_FAILING_SECONDS = GaugeSpec(
    "purposewatch_alert_channel_failing_seconds",
    "How long a channel has taken no alert that it was given; 0 while it works.",
    ("reporter",),
    ("channel",),
    unit="seconds",
)
FINDINGS = GaugeSpec(
    "purposewatch_findings",
    "Findings (groups of equal violations), firing or quiet.",
    ("reporter",),
    ("state", "severity"),
    unit="count",
)

DECLARED: tuple[MetricSpec, ...] = (
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
    DEAD_LETTERS,
    INGEST_ACCEPTED,
    INGEST_REFUSED,
    INGEST_PUBLISHERS_RELOAD_FAILED,
    VERDICTS,
    ACCEPT_TO_VERDICT_SECONDS,
    EVENT_TO_VERDICT_SECONDS,
    POLICY_INFO,
    POLICY_RELOADS,
    POLICY_RELOAD_FAILED,
    POLICY_IN_FORCE,
    POLICY_LOADED,
    RECORDED_VERDICTS,
    RECORDED_VIOLATIONS,
    STATEMENT_DECISIONS,
    RECORDED_REDELIVERIES,
    RECORDED_DUPLICATES,
    RECORDED_DEAD_LETTERS,
    LEDGER_EVENTS,
    LEDGER_VERDICTS,
    LEDGER_DEAD_LETTERS,
    LEDGER_UNACCOUNTED,
    LEDGER_PENDING,
    LEDGER_OLDEST_SECONDS,
    LEDGER_RECONCILED,
    LEDGER_LOST,
    LOG_EPOCHS_STARTED,
    RAW_LEDGER_RECORDS,
    RAW_LEDGER_ACCEPTED,
    RAW_LEDGER_DEAD_LETTERS,
    RAW_LEDGER_UNACCOUNTED,
    RAW_LEDGER_PENDING,
    RAW_LEDGER_OLDEST_SECONDS,
    OUTBOX_DEPTH,
    OUTBOX_OLDEST_SECONDS,
    ALERT_DELIVERIES,
    ALERT_CHANNEL_FAILING_SECONDS,
    FINDINGS,
)
"""Every metric; a test fails when one of this module is missing here."""
