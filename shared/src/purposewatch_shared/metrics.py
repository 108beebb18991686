"""Every metric that Purposewatch exports, declared in one place.

A service builds a `MetricSet` for itself and asks it for the instruments declared here. Label
values come from enumerations, the vocabulary or the register of publishers, never from free
text, so that a label set stays bounded whatever arrives.
"""

from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

Service = Literal["ingest", "auditor", "reporter"]
EVERY: tuple[Service, ...] = ("ingest", "auditor", "reporter")


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric's declaration. Names follow Prometheus' conventions (base units, `_total`)."""

    name: str
    help: str
    services: tuple[Service, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterSpec(MetricSpec):
    """Only ever goes up; exported with the suffix `_total`."""


@dataclass(frozen=True, slots=True)
class GaugeSpec(MetricSpec):
    """Goes up and down."""


@dataclass(frozen=True, slots=True)
class HistogramSpec(MetricSpec):
    """A distribution over fixed buckets."""

    buckets: tuple[float, ...] = ()


_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_DURATION = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

BUILD_INFO = GaugeSpec(
    "purposewatch_build_info", "Always 1; the label names the version.", EVERY, ("version",)
)

# --- every consumer -----------------------------------------------------------------------------
CONSUMER_RECORDS = CounterSpec(
    "purposewatch_consumer_records", "Records taken in and finished.", EVERY, ("topic",)
)
CONSUMER_BATCH_RECORDS = HistogramSpec(
    "purposewatch_consumer_batch_records", "Records per batch.", EVERY, ("topic",), _BATCH
)
CONSUMER_BATCH_SECONDS = HistogramSpec(
    "purposewatch_consumer_batch_seconds",
    "Time from taking a batch in to having finished it.",
    EVERY,
    ("topic",),
    _DURATION,
)
CONSUMER_FAILURES = CounterSpec(
    "purposewatch_consumer_batch_failures",
    "Batches that failed and were put back to be tried again.",
    EVERY,
    ("topic",),
)
CONSUMER_REBALANCES = CounterSpec(
    "purposewatch_consumer_rebalances", "Partition assignments received.", EVERY, ("topic",)
)
CONSUMER_LAG = GaugeSpec(
    "purposewatch_consumer_lag_records",
    "Records in the partition that this process has yet to take in.",
    EVERY,
    ("topic", "partition"),
)
CONSUMER_STOPPED = GaugeSpec(
    "purposewatch_consumer_stopped",
    "1 when the consumer has stopped itself because too many records were bad.",
    EVERY,
    ("topic",),
)
DEAD_LETTERS = CounterSpec(
    "purposewatch_dead_letters",
    "Records set aside as dead letters.",
    ("ingest", "auditor"),
    ("topic", "error_class"),
)

# --- ingest -------------------------------------------------------------------------------------
INGEST_ACCEPTED = CounterSpec(
    "purposewatch_ingest_events_accepted",
    "Events confirmed in the events topic.",
    ("ingest",),
    ("publisher", "transport"),
)
INGEST_REFUSED = CounterSpec(
    "purposewatch_ingest_events_refused",
    "Events refused over HTTP or dead-lettered from the raw topic.",
    ("ingest",),
    ("publisher", "transport", "error_class"),
)
INGEST_PUBLISHERS_RELOAD_FAILED = GaugeSpec(
    "purposewatch_ingest_publishers_reload_failed",
    "1 while the register of publishers on disk is faulty and the last good one is in use.",
    ("ingest",),
)
INGEST_REQUEST_SECONDS = HistogramSpec(
    "purposewatch_ingest_http_request_seconds",
    "Duration of HTTP requests.",
    ("ingest",),
    ("route", "status"),
    _DURATION,
)

# --- auditor ------------------------------------------------------------------------------------
VERDICTS = CounterSpec(
    "purposewatch_verdicts",
    "Verdicts confirmed in the verdicts topic; kind is `none` unless a violation.",
    ("auditor",),
    ("controller", "outcome", "kind"),
)
ACCEPT_TO_VERDICT_SECONDS = HistogramSpec(
    "purposewatch_accept_to_verdict_seconds",
    "Time from the gate's acceptance to the confirmed verdict.",
    ("auditor",),
    (),
    _LATENCY,
)
EVENT_TO_VERDICT_SECONDS = HistogramSpec(
    "purposewatch_event_to_verdict_seconds",
    "Time from the access itself, by the publisher's clock, to the confirmed verdict.",
    ("auditor",),
    (),
    _LATENCY,
)
POLICY_INFO = GaugeSpec(
    "purposewatch_policy_info",
    "1 for every policy version loaded.",
    ("auditor",),
    ("controller", "version", "digest"),
)
POLICY_RELOADS = CounterSpec(
    "purposewatch_policy_reloads",
    "Reloads of the policy directory after a change.",
    ("ingest", "auditor"),
    ("result",),
)
POLICY_RELOAD_FAILED = GaugeSpec(
    "purposewatch_policy_reload_failed",
    "1 while the files on disk are faulty and the last good version is in use.",
    ("ingest", "auditor"),
)

# --- reporter -----------------------------------------------------------------------------------
BOOKED = CounterSpec(
    "purposewatch_booked_verdicts",
    "Verdicts booked; kind is `none` unless a violation.",
    ("reporter",),
    ("controller", "outcome", "kind"),
)
BOOKED_REPEATS = CounterSpec(
    "purposewatch_booked_repeats",
    "Verdicts or dead letters of a position that was booked before; they change nothing.",
    ("reporter",),
)
BOOKED_DUPLICATES = CounterSpec(
    "purposewatch_booked_duplicates",
    "Events whose id was booked before; `content` tells the same from different content.",
    ("reporter",),
    ("content",),
)
BOOKED_DEAD_LETTERS = CounterSpec(
    "purposewatch_booked_dead_letters", "Dead letters booked.", ("reporter",), ("error_class",)
)
BOOKS_EVENTS = GaugeSpec(
    "purposewatch_books_events", "Events in the partition.", ("reporter",), ("partition",)
)
BOOKS_VERDICTS = GaugeSpec(
    "purposewatch_books_verdicts", "Events with a booked verdict.", ("reporter",), ("partition",)
)
BOOKS_DEAD_LETTERS = GaugeSpec(
    "purposewatch_books_dead_letters",
    "Events with a booked dead letter.",
    ("reporter",),
    ("partition",),
)
BOOKS_UNACCOUNTED = GaugeSpec(
    "purposewatch_books_unaccounted",
    "Events before the last booked one that have neither a verdict nor a dead letter.",
    ("reporter",),
    ("partition",),
)
BOOKS_PENDING = GaugeSpec(
    "purposewatch_books_pending",
    "Events behind the last booked one, still under way.",
    ("reporter",),
    ("partition",),
)
BOOKS_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_books_oldest_open_seconds",
    "How long the oldest event without a verdict or dead letter has been open.",
    ("reporter",),
    ("partition",),
)
OUTBOX_DEPTH = GaugeSpec(
    "purposewatch_outbox_depth", "Alerts waiting for delivery.", ("reporter",), ("channel",)
)
OUTBOX_OLDEST_SECONDS = GaugeSpec(
    "purposewatch_outbox_oldest_seconds",
    "Age of the oldest alert waiting for delivery.",
    ("reporter",),
    ("channel",),
)
ALERT_DELIVERIES = CounterSpec(
    "purposewatch_alert_deliveries",
    "Attempts to deliver an alert.",
    ("reporter",),
    ("channel", "result"),
)

DECLARED: tuple[MetricSpec, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, MetricSpec)
)


class MetricSet:
    """One service's instruments on a registry of their own."""

    def __init__(self, service: Service, *, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for spec in DECLARED:
            if service not in spec.services:
                continue
            if isinstance(spec, CounterSpec):
                self._counters[spec.name] = Counter(
                    spec.name, spec.help, spec.labels, registry=self.registry
                )
            elif isinstance(spec, HistogramSpec):
                self._histograms[spec.name] = Histogram(
                    spec.name, spec.help, spec.labels, buckets=spec.buckets, registry=self.registry
                )
            else:
                self._gauges[spec.name] = Gauge(
                    spec.name, spec.help, spec.labels, registry=self.registry
                )
        self.gauge(BUILD_INFO).labels(version).set(1)

    def counter(self, spec: CounterSpec) -> Counter:
        """The counter of this declaration; KeyError if it is not declared for this service."""
        return self._counters[spec.name]

    def gauge(self, spec: GaugeSpec) -> Gauge:
        """The gauge of this declaration; KeyError if it is not declared for this service."""
        return self._gauges[spec.name]

    def histogram(self, spec: HistogramSpec) -> Histogram:
        """The histogram of this declaration; KeyError if it is not declared for this service."""
        return self._histograms[spec.name]
