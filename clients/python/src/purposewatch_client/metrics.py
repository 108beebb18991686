"""The client's counts as Prometheus metrics, read when they are scraped.

Needs the package `prometheus-client`, the extra `prometheus`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from purposewatch_client.client import Client
from purposewatch_client.gap_counter import gap_counts

__all__ = ["register_metrics"]

_PREFIX = "purposewatch_client"


def register_metrics(client: Client, registry: CollectorRegistry = REGISTRY) -> None:
    """Add the client's metrics to a registry. A scrape costs a look into the spool's directory."""
    registry.register(_ClientCollector(client))


class _ClientCollector(Collector):
    def __init__(self, client: Client) -> None:
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """Everything, as of now."""
        stats = self._client.stats()
        yield _counter("events_recorded", "Events written to the spool.", stats.recorded)
        yield _counter("events_sent", "Events that ingest acknowledged.", stats.sent)
        yield _counter("facts_sent", "Facts that ingest acknowledged.", stats.facts_sent)
        yield _counter("gaps_sent", "Gaps that ingest acknowledged.", stats.gaps_sent)
        yield _counter("events_invalid", "Calls with a wrong field.", stats.invalid)
        yield _by_reason("events_refused", "Events that ingest refused.", stats.refused)
        yield _by_reason("events_dropped", "Events that were not recorded.", stats.dropped)
        yield _by_reason("requests_failed", "Requests that are repeated.", stats.failures)
        yield _counter("spool_damaged", "Damaged places skipped in segments.", stats.damaged)
        yield _counter("spool_torn", "Segments with an unfinished record.", stats.torn)
        yield _gauge("events_queued", "Events of this process that are not settled.", stats.queued)
        yield _gauge("spool_bytes", "Unsettled bytes in the directory.", stats.spool_bytes)
        yield _gauge(
            "spool_oldest_seconds", "Age of the oldest unsettled event.", stats.oldest_seconds
        )
        yield _gaps()


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}_{name}", about, value=value)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", about, value=value)


def _gaps() -> Metric:
    about = "Accesses that integrations saw and could not state as events."
    labels = ("integration", "kind")
    family = CounterMetricFamily(f"{_PREFIX}_gaps", about, labels=labels)
    counts: Counter[tuple[str, str]] = Counter()
    for (integration, kind, _), value in gap_counts().items():
        counts[integration, kind] += value
    for key, value in counts.items():
        family.add_metric(key, value)
    return family


def _by_reason(name: str, about: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", about, labels=("reason",))
    for reason, value in values.items():
        family.add_metric((reason,), value)
    return family
