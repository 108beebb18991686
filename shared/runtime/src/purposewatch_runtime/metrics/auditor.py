"""Metrics of the auditor, and of the policies that ingest loads, too."""

from purposewatch_runtime.metrics.specs import CounterSpec, GaugeSpec, HistogramSpec, MetricSpec

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

VERDICTS = CounterSpec(
    "purposewatch_verdicts",
    "Verdicts acknowledged in the verdicts topic. `kind` is `none` unless it is a violation.",
    ("auditor",),
    ("controller", "outcome", "kind"),
    unit="events",
)
UNREGISTERED_EVENTS = CounterSpec(
    "purposewatch_unregistered_publisher_events",
    "Audited events whose publisher is not registered: ingest can't have written them.",
    ("auditor",),
    unit="events",
)
ACCEPT_TO_VERDICT_SECONDS = HistogramSpec(
    "purposewatch_accept_to_verdict_seconds",
    "Time from acceptance by ingest to the acknowledged verdict.",
    ("auditor",),
    (),
    _LATENCY,
    unit="seconds",
)
EVENT_TO_VERDICT_SECONDS = HistogramSpec(
    "purposewatch_event_to_verdict_seconds",
    "Time from the access itself, by the publisher's clock, to the acknowledged verdict.",
    ("auditor",),
    (),
    _LATENCY,
    unit="seconds",
)
POLICY_INFO = GaugeSpec(
    "purposewatch_policy_info",
    "1 for every loaded policy version.",
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
    "1 while the files on disk are invalid and the last valid version is in use.",
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

FACT_RECORDS = ("statement", "tombstone", "unreadable")
FACT_RESTARTS = ("replaced", "stale", "corrupt")

FACTS_APPLIED = CounterSpec(
    "purposewatch_facts_applied",
    "Records of the facts topic that were applied to the auditor's state, or could not be read.",
    ("auditor",),
    ("record",),
    unit="records",
)
FACTS_BEHIND = GaugeSpec(
    "purposewatch_facts_behind_records",
    "Records of the facts topic that are not in the auditor's state yet.",
    ("auditor",),
    ("partition",),
    unit="records",
)
FACTS_WAIT_SECONDS = HistogramSpec(
    "purposewatch_facts_wait_seconds",
    "How long a batch with events that depend on facts waited for the state to be current.",
    ("auditor",),
    (),
    _LATENCY,
    unit="seconds",
)
FACTS_RESTORE_SECONDS = GaugeSpec(
    "purposewatch_facts_restore_seconds",
    "How long the state took to be current after partitions were last assigned.",
    ("auditor",),
    unit="seconds",
)
FACTS_STATE_BYTES = GaugeSpec(
    "purposewatch_facts_state_bytes",
    "Size of the auditor's state of facts on disk.",
    ("auditor",),
    unit="bytes",
)
FACTS_STATE_RESTARTS = CounterSpec(
    "purposewatch_facts_state_restarts",
    "States that were given up and restored: the topic was replaced, the state was too old to be "
    "continued (stale), or it was corrupt.",
    ("auditor",),
    ("reason",),
    unit="count",
)
FACTS_SUPERSEDED_REMOVED = CounterSpec(
    "purposewatch_facts_superseded_removed",
    "Tombstones that the auditor wrote for statements of facts that were superseded long ago.",
    ("auditor",),
    unit="records",
)

AUDITOR: tuple[MetricSpec, ...] = (
    VERDICTS,
    UNREGISTERED_EVENTS,
    ACCEPT_TO_VERDICT_SECONDS,
    EVENT_TO_VERDICT_SECONDS,
    POLICY_INFO,
    POLICY_RELOADS,
    POLICY_RELOAD_FAILED,
    POLICY_IN_FORCE,
    POLICY_LOADED,
    FACTS_APPLIED,
    FACTS_BEHIND,
    FACTS_WAIT_SECONDS,
    FACTS_RESTORE_SECONDS,
    FACTS_STATE_BYTES,
    FACTS_STATE_RESTARTS,
    FACTS_SUPERSEDED_REMOVED,
)
