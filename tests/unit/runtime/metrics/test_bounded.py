"""However many values a label is given, the number of series stays bounded."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import (
    OPEN_LABELS,
    CounterSpec,
    GaugeSpec,
    HistogramSpec,
    MetricSpec,
)
from purposewatch_runtime.metrics import specs as specs_module
from purposewatch_runtime.metrics.bounded import BoundedHistogram

if TYPE_CHECKING:
    from prometheus_client.metrics import MetricWrapperBase

LABELLED = [spec for spec in m.DECLARED if spec.labels]
MIXED = [
    spec
    for spec in LABELLED
    if isinstance(spec, CounterSpec) and 0 < len(OPEN_LABELS & set(spec.labels)) < len(spec.labels)
]


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that are reached soon; the rule is the same for every limit."""
    monkeypatch.setattr(specs_module, "_MAX_SERIES", 40)
    monkeypatch.setattr(specs_module, "_MAX_PARTITIONED_SERIES", 200)


def series(metric_set: m.MetricSet, spec: MetricSpec) -> int:
    """How many label sets are exported for a metric."""
    return len(
        {
            tuple(value for name, value in sample.labels.items() if name != "le")
            for metric in metric_set.registry.collect()
            if metric.name == spec.name
            for sample in metric.samples
        }
    )


def test_a_million_values_make_a_bounded_number_of_series() -> None:
    """What is not kept apart is still counted, under `_other`."""
    metric_set = m.MetricSet("reporter", version="1")
    counter = metric_set.counter(m.RECORDED_VIOLATIONS)
    outcomes = itertools.cycle(m.OUTCOMES)
    for number in range(1_000_000):
        outcome, kind = next(outcomes)
        counter.labels("acme", outcome, kind, f"role{number}", "first_party", "crm").inc()

    limit = m.RECORDED_VIOLATIONS.series_limit
    assert series(metric_set, m.RECORDED_VIOLATIONS) == limit + len(m.OUTCOMES)
    values = [
        sample.value
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    ]
    assert sum(values) == 1_000_000
    replaced = {"metric": m.RECORDED_VIOLATIONS.name}
    name = m.LABELS_REPLACED.exported_name
    assert metric_set.registry.get_sample_value(name, replaced) > limit  # type: ignore[operator]


@pytest.mark.parametrize("spec", LABELLED, ids=lambda spec: spec.name)
def test_every_metric_is_bounded(spec: MetricSpec, small_limits: None) -> None:
    """Also one whose labels should be fixed, in case they are not."""
    metric_set = m.MetricSet(spec.services[0], version="1")
    made: MetricWrapperBase
    if isinstance(spec, CounterSpec):
        made = metric_set.counter(spec)
    elif isinstance(spec, HistogramSpec):
        made = metric_set.histogram(spec)
    else:
        assert isinstance(spec, GaugeSpec)
        made = metric_set.gauge(spec)
    for number in range(3 * spec.series_limit):
        made.labels(*(f"{name}-{number}" for name in spec.labels))

    assert series(metric_set, spec) <= 2 * spec.series_limit + 1


@pytest.mark.parametrize("spec", MIXED, ids=lambda spec: spec.name)
def test_fixed_labels_are_kept_when_open_ones_are_not(
    spec: CounterSpec, small_limits: None
) -> None:
    """Violations of too many roles still differ by kind."""
    fixed = set(spec.labels) - OPEN_LABELS
    metric_set = m.MetricSet(spec.services[0], version="1")
    counter = metric_set.counter(spec)
    for number in range(spec.series_limit + 1):
        counter.labels(*("x" if n in fixed else f"{n}-{number}" for n in spec.labels)).inc()

    labels = {name: "x" if name in fixed else "_other" for name in spec.labels}
    assert metric_set.registry.get_sample_value(spec.exported_name, labels) == 1


def test_a_removed_series_does_not_count(small_limits: None) -> None:
    """Partitions come and go with rebalances; those that are gone do not count."""
    metric_set = m.MetricSet("auditor", version="1")
    gauge = metric_set.gauge(m.CONSUMER_LAG)
    for number in range(2 * m.CONSUMER_LAG.series_limit):
        gauge.labels("events", str(number)).set(1)
        gauge.remove("events", str(number))
    gauge.remove("events", "0")
    gauge.labels("events", "last").set(7)

    labels = {"topic": "events", "partition": "last"}
    assert series(metric_set, m.CONSUMER_LAG) == 1
    assert metric_set.registry.get_sample_value(m.CONSUMER_LAG.name, labels) == 7


def test_counters_start_at_zero() -> None:
    """So that the first event is an increase."""
    metric_set = m.MetricSet("auditor", version="1")
    metric_set.start_at_zero(m.VERDICTS, [("acme", *outcome) for outcome in m.OUTCOMES])

    labels = {"controller": "acme", "outcome": "violation", "kind": "prohibited"}
    assert metric_set.registry.get_sample_value("purposewatch_verdicts_total", labels) == 0


@given(st.lists(st.floats(-1, 400) | st.sampled_from([0.0, 0.005, 1.0, 300.0]), max_size=60))
def test_many_observations_at_once_are_as_many_single_ones(amounts: list[float]) -> None:
    """The same buckets, count and sum; a negative amount counts as 0."""
    buckets = m.ACCEPT_TO_VERDICT_SECONDS.buckets
    single, at_once = (BoundedHistogram("x", "x", buckets=buckets, registry=None) for _ in range(2))
    for amount in amounts:
        single.observe(max(0.0, amount))

    at_once.observe_many(amounts)

    for expected, found in zip(_samples(single), _samples(at_once), strict=True):
        assert expected[0] == found[0]
        assert expected[1] == pytest.approx(found[1])


def _samples(histogram: BoundedHistogram) -> list[tuple[str, float]]:
    return [
        (sample.name + sample.labels.get("le", ""), sample.value)
        for family in histogram.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
