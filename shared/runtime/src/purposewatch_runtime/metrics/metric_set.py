"""The instruments of one service."""

from collections.abc import Iterable, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from purposewatch_runtime.metrics.bounded import BoundedCounter, BoundedGauge, BoundedHistogram
from purposewatch_runtime.metrics.common import BUILD_INFO, LABELS_REPLACED
from purposewatch_runtime.metrics.declared import DECLARED
from purposewatch_runtime.metrics.specs import (
    CounterSpec,
    GaugeSpec,
    HistogramSpec,
    MetricSpec,
    Service,
)


class MetricSet:
    """The instruments of one service, on a registry of their own.

    Counters start at 0 where their labels are known: Prometheus sees no increase in a series that
    it has not seen before.
    """

    def __init__(self, service: Service, *, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._counters: dict[str, BoundedCounter] = {}
        self._gauges: dict[str, BoundedGauge] = {}
        self._histograms: dict[str, BoundedHistogram] = {}
        for spec in DECLARED:
            if service in spec.services:
                self._add(spec)
        self.gauge(BUILD_INFO).labels(version).set(1)

    def counter(self, spec: CounterSpec) -> BoundedCounter:
        """The counter of this declaration; KeyError if it is not declared for this service."""
        return self._counters[spec.name]

    def gauge(self, spec: GaugeSpec) -> BoundedGauge:
        """The gauge of this declaration; KeyError if it is not declared for this service."""
        return self._gauges[spec.name]

    def histogram(self, spec: HistogramSpec) -> BoundedHistogram:
        """The histogram of this declaration; KeyError if it is not declared for this service."""
        return self._histograms[spec.name]

    def start_at_zero(self, spec: CounterSpec, label_sets: Iterable[Sequence[str]]) -> None:
        """Export these label sets with 0 before anything is counted."""
        for values in label_sets:
            self.counter(spec).labels(*values)

    def _add(self, spec: MetricSpec) -> None:
        made: BoundedCounter | BoundedGauge | BoundedHistogram
        if isinstance(spec, CounterSpec):
            made = BoundedCounter(spec.name, spec.help, spec.labels, registry=self.registry)
            self._counters[spec.name] = made
        elif isinstance(spec, HistogramSpec):
            made = BoundedHistogram(
                spec.name, spec.help, spec.labels, buckets=spec.buckets, registry=self.registry
            )
            self._histograms[spec.name] = made
        else:
            made = BoundedGauge(spec.name, spec.help, spec.labels, registry=self.registry)
            self._gauges[spec.name] = made
        made.bound(spec.series_limit, partial(self._count_replaced, spec))

    def _count_replaced(self, spec: MetricSpec) -> None:
        if spec is not LABELS_REPLACED:
            self.counter(LABELS_REPLACED).labels(spec.name).inc()
