"""Metrics of ingest."""

from purposewatch_runtime.metrics.specs import CounterSpec, GaugeSpec, MetricSpec

INGEST_ACCEPTED = CounterSpec(
    "purposewatch_ingest_events_accepted",
    "Events acknowledged in the events topic.",
    ("ingest",),
    ("publisher", "transport"),
    unit="events",
)
INGEST_FACTS_ACCEPTED = CounterSpec(
    "purposewatch_ingest_facts_accepted",
    "Statements of facts acknowledged in the facts topic.",
    ("ingest",),
    ("publisher", "transport"),
    unit="records",
)
INGEST_REFUSED = CounterSpec(
    "purposewatch_ingest_events_refused",
    "Events and facts rejected over HTTP or dead-lettered from the raw topic.",
    ("ingest",),
    ("publisher", "transport", "error_class"),
    unit="events",
)
INGEST_BODY_BYTES = GaugeSpec(
    "purposewatch_ingest_body_bytes",
    "Memory held for request bodies that are received or handled.",
    ("ingest",),
    ("publisher",),
    unit="bytes",
)
INGEST_REQUESTS = GaugeSpec(
    "purposewatch_ingest_requests",
    "Requests that wait (`waiting`) for memory or a slot, or hold slots (`handling`).",
    ("ingest",),
    ("publisher", "state"),
    unit="count",
)
INGEST_REQUESTS_REFUSED = CounterSpec(
    "purposewatch_ingest_requests_refused",
    "Requests answered 503 because their publisher was over its share (`queue_full`, `share`) or "
    "ingest was full (`capacity`), or 429 because the publisher has reached its rate (`rate`) or "
    "quota (`quota`) or is paused (`paused`).",
    ("ingest",),
    ("publisher", "reason"),
    unit="count",
)
INGEST_DECISIONS = CounterSpec(
    "purposewatch_ingest_decisions",
    "Events that publishers asked about before publishing them, by what was decided.",
    ("ingest",),
    ("publisher", "outcome"),
    unit="events",
)
INGEST_KEYS_REFUSED = CounterSpec(
    "purposewatch_ingest_keys_refused",
    "Requests without a registered key or certificate or a valid token. Some are logged.",
    ("ingest",),
    unit="count",
)
INGEST_PUBLISHERS_RELOAD_FAILED = GaugeSpec(
    "purposewatch_ingest_publishers_reload_failed",
    "1 while the register of publishers on disk is invalid and the last valid one is in use.",
    ("ingest",),
    unit="yes or no",
)

INGEST: tuple[MetricSpec, ...] = (
    INGEST_ACCEPTED,
    INGEST_FACTS_ACCEPTED,
    INGEST_REFUSED,
    INGEST_BODY_BYTES,
    INGEST_REQUESTS,
    INGEST_REQUESTS_REFUSED,
    INGEST_DECISIONS,
    INGEST_KEYS_REFUSED,
    INGEST_PUBLISHERS_RELOAD_FAILED,
)
