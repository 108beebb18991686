"""What a metric's declaration says; the declarations themselves stand in `metrics`."""

from dataclasses import dataclass, field
from typing import Literal

Service = Literal["ingest", "auditor", "reporter"]

Unit = Literal[
    "seconds", "unix seconds", "records", "events", "bytes", "count", "yes or no", "info"
]
"""What the value counts. `info` is always 1: the labels say it. `yes or no` is 1 or 0."""

OPEN_LABELS = frozenset(
    {"controller", "role", "recipient", "publisher", "statement", "version", "digest"}
)
"""Labels whose values come from files that people write. All others are fixed by the code."""

_MOST_SERIES = 2_000
_MOST_PARTITIONED = 10_000


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric's declaration. Names follow Prometheus' conventions (base units, `_total`)."""

    name: str
    help: str
    services: tuple[Service, ...]
    labels: tuple[str, ...] = ()
    unit: Unit = field(kw_only=True)

    @property
    def series_limit(self) -> int:
        """How many label sets are kept apart; what comes after is counted as `_other`."""
        return _MOST_PARTITIONED if "partition" in self.labels else _MOST_SERIES

    @property
    def exported_name(self) -> str:
        """The name as Prometheus sees it, a histogram's without `_bucket`, `_sum`, `_count`."""
        return self.name


@dataclass(frozen=True, slots=True)
class CounterSpec(MetricSpec):
    """Only ever goes up; exported with the suffix `_total`."""

    @property
    def exported_name(self) -> str:
        """With the suffix that the client library adds."""
        return f"{self.name}_total"


@dataclass(frozen=True, slots=True)
class GaugeSpec(MetricSpec):
    """Goes up and down."""


@dataclass(frozen=True, slots=True)
class HistogramSpec(MetricSpec):
    """A distribution over fixed buckets."""

    buckets: tuple[float, ...] = ()
