"""Metrics are declared once, under names that Prometheus' conventions allow."""

import pytest

from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import (
    HistogramSpec,
    MetricSpec,
    auditor,
    common,
    connect,
    ingest,
    reporter,
)


def test_names_are_unique_and_prefixed() -> None:
    """No two declarations share a name, and every name begins with the project's."""
    names = [spec.name for spec in m.DECLARED]

    assert len(names) == len(set(names))
    assert all(name.startswith("purposewatch_") for name in names)


@pytest.mark.parametrize("spec", m.DECLARED, ids=lambda spec: spec.name)
def test_declaration_is_whole(spec: MetricSpec) -> None:
    """Every metric says what it means, who exports it, and a histogram has its buckets."""
    assert spec.help.endswith(".")
    assert spec.services
    assert not spec.name.endswith("_total")
    if isinstance(spec, HistogramSpec):
        assert sorted(set(spec.buckets)) == list(spec.buckets)
        assert spec.buckets


def test_units_are_in_the_names() -> None:
    """Seconds end in `_seconds`, and nothing else does."""
    for spec in m.DECLARED:
        is_time = spec.unit in {"seconds", "unix seconds"}
        assert spec.name.endswith("_seconds") == is_time, spec.name


def test_the_objective_can_be_measured_exactly() -> None:
    """The latency's histogram has a bucket that ends at the objective."""
    assert m.OBJECTIVE_SECONDS in m.ACCEPT_TO_VERDICT_SECONDS.buckets
    assert m.OBJECTIVE_SECONDS in m.EVENT_TO_VERDICT_SECONDS.buckets


def test_service_exports_only_its_own() -> None:
    """A service that asks for a metric that is not declared for it gets an error at start."""
    auditor = m.MetricSet("auditor", version="1")

    with pytest.raises(KeyError):
        auditor.counter(m.INGEST_ACCEPTED)
    assert auditor.registry.get_sample_value("purposewatch_build_info", {"version": "1"}) == 1


def test_every_declaration_is_listed() -> None:
    """A metric that is declared but not listed would be exported by no service."""
    declared = [
        value
        for module in (common, ingest, auditor, reporter, connect)
        for value in vars(module).values()
        if isinstance(value, MetricSpec)
    ]

    assert list(m.DECLARED) == declared
