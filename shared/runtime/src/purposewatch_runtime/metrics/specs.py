"""What the declaration of a metric says."""

from dataclasses import dataclass, field
from typing import Literal

Service = Literal["ingest", "auditor", "reporter", "connect"]

EVERY: tuple[Service, ...] = ("ingest", "auditor", "reporter")

Unit = Literal[
    "seconds", "unix seconds", "records", "events", "bytes", "count", "yes or no", "info"
]
"""What the value counts. `info` is always 1, the labels hold the information."""

OPEN_LABELS = frozenset(
    {
        "controller",
        "digest",
        "fact",
        "name",
        "publisher",
        "recipient",
        "role",
        "statement",
        "version",
    }
)
"""Labels whose values come from files that people write, or name things that were observed. The
code fixes all others."""

_MAX_SERIES = 2_000
_MAX_PARTITIONED_SERIES = 10_000


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
        """How many label sets are kept apart; further ones are counted as `_other`."""
        return _MAX_PARTITIONED_SERIES if "partition" in self.labels else _MAX_SERIES

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
