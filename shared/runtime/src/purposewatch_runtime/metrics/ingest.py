"""Metrics of ingest."""

from purposewatch_runtime.metrics.specs import CounterSpec, GaugeSpec, MetricSpec

INGEST_ACCEPTED = CounterSpec(
    "purposewatch_ingest_events_accepted",
    "Events acknowledged in the events topic.",
    ("ingest",),
    ("publisher", "transport"),
    unit="events",
)
INGEST_REFUSED = CounterSpec(
    "purposewatch_ingest_events_refused",
    "Events rejected over HTTP or dead-lettered from the raw topic.",
    ("ingest",),
    ("publisher", "transport", "error_class"),
    unit="events",
)
INGEST_PUBLISHERS_RELOAD_FAILED = GaugeSpec(
    "purposewatch_ingest_publishers_reload_failed",
    "1 while the register of publishers on disk is invalid and the last valid one is in use.",
    ("ingest",),
    unit="yes or no",
)

INGEST: tuple[MetricSpec, ...] = (
    INGEST_ACCEPTED,
    INGEST_REFUSED,
    INGEST_PUBLISHERS_RELOAD_FAILED,
)
