"""Metrics of the reporter."""

from purposewatch_runtime.metrics.specs import CounterSpec, GaugeSpec, MetricSpec

RECORDED_VERDICTS = CounterSpec(
    "purposewatch_recorded_verdicts",
    "Recorded verdicts. `kind` is `none` unless it is a violation.",
    ("reporter",),
    ("controller", "outcome", "kind"),
    unit="events",
)
RECORDED_ACCESSES = CounterSpec(
    "purposewatch_recorded_accesses",
    "Accesses that the events with recorded verdicts stand for: the sum of their counts.",
    ("reporter",),
    ("controller", "outcome", "kind"),
    unit="count",
)
RECORDED_VIOLATIONS = CounterSpec(
    "purposewatch_recorded_violations",
    "Recorded events that are violations or could not be judged, by what they are about.",
    ("reporter",),
    ("controller", "outcome", "kind", "role", "recipient", "publisher"),
    unit="events",
)
STATEMENT_DECISIONS = CounterSpec(
    "purposewatch_statement_decisions",
    "Decisions about data categories by the statement that decided or came nearest. `none` where "
    "no statement did.",
    ("reporter",),
    ("controller", "statement", "grade"),
    unit="count",
)
RECORDED_REDELIVERIES = CounterSpec(
    "purposewatch_recorded_redeliveries",
    "Verdicts, dead letters, gaps or facts of a position that was recorded before. They change "
    "nothing.",
    ("reporter",),
    unit="records",
)
RECORDED_DUPLICATES = CounterSpec(
    "purposewatch_recorded_duplicates",
    "Events and statements whose id was recorded before. `content` says whether the content was "
    "the same.",
    ("reporter",),
    ("content",),
    unit="events",
)
RECORDED_DEAD_LETTERS = CounterSpec(
    "purposewatch_recorded_dead_letters",
    "Recorded dead letters.",
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
    "Events with a recorded verdict.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_DEAD_LETTERS = GaugeSpec(
    "purposewatch_ledger_dead_letters",
    "Events with a recorded dead letter.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_UNACCOUNTED = GaugeSpec(
    "purposewatch_ledger_unaccounted",
    "Events before the last recorded one that have neither a verdict nor a dead letter.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_PENDING = GaugeSpec(
    "purposewatch_ledger_pending",
    "Events after the last recorded one, still in flight.",
    ("reporter",),
    ("partition",),
    unit="events",
)
LEDGER_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_ledger_oldest_pending_seconds",
    "Age of the oldest event without a verdict or dead letter.",
    ("reporter",),
    ("partition",),
    unit="seconds",
)
LEDGER_RECONCILED = GaugeSpec(
    "purposewatch_ledger_reconciled_timestamp_seconds",
    "When the ledger was last reconciled with Kafka.",
    ("reporter",),
    unit="unix seconds",
)
LEDGER_LOST = GaugeSpec(
    "purposewatch_ledger_lost",
    "Unaccounted records of earlier log epochs. Their log is gone, so they stay unaccounted.",
    ("reporter",),
    ("topic",),
    unit="records",
)
LOG_EPOCHS_STARTED = GaugeSpec(
    "purposewatch_log_epochs_started",
    "Log epochs that started because a partition's log was replaced, lost or rewritten.",
    ("reporter",),
    ("topic",),
    unit="count",
)
RAW_LEDGER_RECORDS = GaugeSpec(
    "purposewatch_raw_ledger_records",
    "Records in the partition of the raw topic since its ledger begins.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_ACCEPTED = GaugeSpec(
    "purposewatch_raw_ledger_accepted",
    "Raw records whose event has a recorded verdict.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_DEAD_LETTERS = GaugeSpec(
    "purposewatch_raw_ledger_dead_letters",
    "Raw records with a recorded dead letter, of ingest or of the auditor.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_UNACCOUNTED = GaugeSpec(
    "purposewatch_raw_ledger_unaccounted",
    "Raw records before the last recorded one that have neither a verdict nor a dead letter.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_PENDING = GaugeSpec(
    "purposewatch_raw_ledger_pending",
    "Raw records after the last recorded one, still in flight.",
    ("reporter",),
    ("partition",),
    unit="records",
)
RAW_LEDGER_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_raw_ledger_oldest_pending_seconds",
    "Age of the oldest raw record without a verdict or dead letter.",
    ("reporter",),
    ("partition",),
    unit="seconds",
)
OUTBOX_DEPTH = GaugeSpec(
    "purposewatch_outbox_depth",
    "Undelivered firing and resolved notifications.",
    ("reporter",),
    ("channel",),
    unit="count",
)
OUTBOX_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_outbox_oldest_seconds",
    "Age of the oldest undelivered notification.",
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
    "How long every delivery on the channel has failed. 0 while deliveries succeed.",
    ("reporter",),
    ("channel",),
    unit="seconds",
)
FINDINGS = GaugeSpec(
    "purposewatch_findings",
    "Findings (groups of violations of the same flow), firing or quiet.",
    ("reporter",),
    ("state", "severity"),
    unit="count",
)
GAPS = CounterSpec(
    "purposewatch_gaps",
    "Accesses that publishers saw and could not state as events, by why.",
    ("reporter",),
    ("kind", "publisher"),
    unit="count",
)
GAP_NAMES = GaugeSpec(
    "purposewatch_gap_names",
    "Distinct names (of datasets, services, terms) that the publisher's gaps have.",
    ("reporter",),
    ("kind", "publisher"),
    unit="count",
)
FLOWS = GaugeSpec(
    "purposewatch_flows",
    "Distinct flows that the flow ledger has.",
    ("reporter",),
    unit="count",
)
FLOW_EVENTS_OTHER = GaugeSpec(
    "purposewatch_flow_events_other",
    "Recorded events about flows beyond the limit of distinct flows, which are counted together.",
    ("reporter",),
    unit="events",
)
FLOW_COUNT_DIFFERENCE = GaugeSpec(
    "purposewatch_flow_count_difference",
    "By how many events the counts of flows differ from the verdicts that the ledger has recorded. "
    "Anything but 0 is a fault, and alerts.",
    ("reporter",),
    unit="events",
)
RECORDED_FACTS = CounterSpec(
    "purposewatch_recorded_facts",
    "Recorded statements of facts. A repeat is not counted.",
    ("reporter",),
    ("fact", "publisher"),
    unit="count",
)
LATE_FACTS = CounterSpec(
    "purposewatch_late_facts",
    "Recorded statements that would change which value of the fact earlier verdicts used.",
    ("reporter",),
    ("controller", "fact"),
    unit="count",
)
SHADOW_EVENTS = CounterSpec(
    "purposewatch_shadow_events",
    "Recorded events, by what a policy in shadow mode would change about them. Only tried.",
    ("reporter",),
    ("controller", "candidate", "change"),
    unit="count",
)
EXCEPTIONS = GaugeSpec(
    "purposewatch_exceptions",
    "Exceptions to policies: active, expiring (their end is announced), or expired within a week.",
    ("reporter",),
    ("state",),
    unit="count",
)
COUNTED_EVENTS = CounterSpec(
    "purposewatch_counted_events",
    "Events that a counting rule counted.",
    ("reporter",),
    ("rule",),
    unit="events",
)
COUNTING_LATE_EVENTS = CounterSpec(
    "purposewatch_counting_late_events",
    "Events that match a counting rule and were accepted too late after their own time to count.",
    ("reporter",),
    ("rule",),
    unit="events",
)
COUNTING_RELOAD_FAILED = GaugeSpec(
    "purposewatch_counting_reload_failed",
    "1 while the counting rules on disk are faulty and the last good ones are in use.",
    ("reporter",),
    unit="yes or no",
)
PUBLISHERS_OUT_OF_RHYTHM = GaugeSpec(
    "purposewatch_publishers_out_of_rhythm",
    "Publishers that are silent against their weekly rhythm (`silent`), or publish many times the "
    "usual (`surge`).",
    ("reporter",),
    ("state",),
    unit="count",
)

REPORTER: tuple[MetricSpec, ...] = (
    RECORDED_VERDICTS,
    RECORDED_ACCESSES,
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
    GAPS,
    GAP_NAMES,
    FLOWS,
    FLOW_EVENTS_OTHER,
    FLOW_COUNT_DIFFERENCE,
    RECORDED_FACTS,
    LATE_FACTS,
    SHADOW_EVENTS,
    EXCEPTIONS,
    COUNTED_EVENTS,
    COUNTING_LATE_EVENTS,
    COUNTING_RELOAD_FAILED,
    PUBLISHERS_OUT_OF_RHYTHM,
)
