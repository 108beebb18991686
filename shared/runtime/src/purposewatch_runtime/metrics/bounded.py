"""Instruments with a bounded number of series, whatever label values they are given.

Label values are bounded by their origin (an enumeration, the vocabulary, the register of
publishers). This is the safety net: a record forged past ingest, or a vocabulary of ten thousand
roles, must not fill the monitoring system.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Self

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Exemplar

from purposewatch_runtime.metrics.specs import OPEN_LABELS

OTHER = "_other"
"""Replaces label values beyond the limit."""


class _Bounded(MetricWrapperBase):
    """INVARIANT: at most `limit` label sets as given, as many with `_other`, and one more.

    The first `limit` label sets are kept apart. In further ones the open labels are replaced by
    `_other`, and all labels once `limit` of those exist, too.
    """

    _limit = 0
    _on_full: Callable[[], None]
    _children: dict[tuple[object, ...], Self]
    _replaced: set[tuple[object, ...]]

    def bound(self, limit: int, on_full: Callable[[], None]) -> None:
        """Set the limit; `on_full` is called whenever labels of a new label set are replaced."""
        self._limit = limit
        self._on_full = on_full
        self._children = {}
        self._replaced = set()

    def labels(self, *values: object, **_: object) -> Self:
        """The series of these label values, in order, or the one that they share with others."""
        child = self._children.get(values)
        if child is not None:
            return child
        kept = values
        if len(self._children) - len(self._replaced) >= self._limit:
            kept = self._without_open_labels(values)
            self._on_full()
        self._children[kept] = child = super().labels(*kept)
        return child

    def _without_open_labels(self, values: tuple[object, ...]) -> tuple[object, ...]:
        kept = tuple(
            OTHER if name in OPEN_LABELS else value
            for name, value in zip(self._labelnames, values, strict=True)
        )
        if kept not in self._replaced and len(self._replaced) >= self._limit:
            kept = (OTHER,) * len(kept)
        self._replaced.add(kept)
        return kept

    def remove(self, *values: Any) -> None:
        """Remove a series, if it exists."""
        if self._children.pop(values, None) is not None:
            self._replaced.discard(values)
            super().remove(*values)

    def clear(self) -> None:
        """Remove every series."""
        self._children.clear()
        self._replaced.clear()
        super().clear()


class BoundedCounter(_Bounded, Counter):
    """A counter with a bounded number of series."""


class BoundedGauge(_Bounded, Gauge):
    """A gauge with a bounded number of series."""


class BoundedHistogram(_Bounded, Histogram):
    """A histogram with a bounded number of series."""

    def observe_many(self, amounts: Sequence[float]) -> None:
        """Observe each amount, at a fraction of the cost; a negative one counts as 0."""
        ordered = sorted(amounts)
        negative = bisect_left(ordered, 0.0)
        self._sum.inc(sum(ordered[negative:]))
        below = 0
        for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
            up_to = bisect_right(ordered, bound)
            if up_to > below:
                bucket.inc(up_to - below)
                below = up_to

    def show_example(self, amount: float, trace_id: str) -> None:
        """Let the trace of one observation stand for its bucket, as an exemplar."""
        bucket = self._buckets[bisect_left(self._upper_bounds, amount)]
        bucket.set_exemplar(Exemplar({"trace_id": trace_id}, amount, time.time()))
