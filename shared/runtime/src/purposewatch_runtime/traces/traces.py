"""Starts spans, and has them exported in the background."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka.rejected import Record
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.settings import TraceSettings
from purposewatch_runtime.traces.sampling import SpanBudget, is_sampled
from purposewatch_runtime.traces.span import Attribute, Exporter, Span, SpanKind

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

_HEADER = "traceparent"
_FAILED = 500
"""The lowest status of a response that tells of a failure, and not of a refusal."""

_log = get_logger(__name__)


class Spans(dict[int, Span]):
    """The spans of a sequence, by number; most numbers have none."""

    def headers(self, number: int) -> Headers:
        """The headers that carry the trace on, for the record of this number."""
        span = self.get(number)
        return () if span is None else ((_HEADER, span.traceparent.encode()),)


class Traces:
    """The spans of one service. Without an exporter, nothing is sampled and next to nothing done.

    A trace is sampled where the parent's `traceparent` says so. A request without a parent begins
    a sampled trace with the probability `ratio`.
    """

    name = "traces"

    def __init__(
        self,
        exporter: Exporter | None = None,
        *,
        ratio: float = 0.0,
        budget: SpanBudget | None = None,
        on_span: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_span` is called with `started` or `over_limit`."""
        self._exporter = exporter
        self._ratio = ratio
        self._budget = budget or SpanBudget(1)
        self._on_span = on_span

    @property
    def is_on(self) -> bool:
        """Whether anything is traced."""
        return self._exporter is not None

    async def start(self) -> None:
        """Nothing: the exporter connects when it has spans."""

    async def stop(self) -> None:
        """Export what is left."""
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.close)

    @contextmanager
    def request(self, name: str, traceparent: str | None) -> Iterator[Span | None]:
        """The span of a request, below the one that its header names; `None` if not sampled."""
        span = None
        if self._exporter is not None:
            begins = traceparent is None and random.random() < self._ratio  # noqa: S311
            if begins or is_sampled(traceparent):
                span = self._start(name, SpanKind.SERVER, traceparent, {})
        with _ending([] if span is None else [span]):
            yield span

    @contextmanager
    def records(self, name: str, records: Sequence[Record]) -> Iterator[Spans]:
        """The spans of the records of a batch that are sampled, while the batch is processed."""
        spans = Spans()
        if self._exporter is not None:
            for number, record in enumerate(records):
                parent = _traceparent_of(record.headers)
                if is_sampled(parent) and (
                    span := self._start(name, SpanKind.CONSUMER, parent, _position(record))
                ):
                    spans[number] = span
        with _ending(spans.values()):
            yield spans

    @contextmanager
    def each(
        self,
        name: str,
        kind: SpanKind,
        parents: Sequence[str | None],
        attributes: Mapping[str, Attribute],
    ) -> Iterator[Spans]:
        """A span for each sampled parent; equal parents share one."""
        spans = Spans()
        by_parent: dict[str, Span | None] = {}
        if self._exporter is not None:
            for number, parent in enumerate(parents):
                if parent is None or not is_sampled(parent):
                    continue
                if parent not in by_parent:
                    by_parent[parent] = self._start(name, kind, parent, attributes)
                if span := by_parent[parent]:
                    spans[number] = span
        with _ending([span for span in by_parent.values() if span]):
            yield spans

    def _start(
        self, name: str, kind: SpanKind, parent: str | None, attributes: Mapping[str, Attribute]
    ) -> Span | None:
        if self._exporter is None:
            return None
        if not self._budget.take(time.monotonic()):
            self._on_span("over_limit")
            return None
        self._on_span("started")
        return self._exporter.start(name, kind, parent, attributes)


@contextmanager
def _ending(spans: Iterable[Span]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.end(failed=getattr(error, "status", _FAILED) >= _FAILED)
        raise
    for span in spans:
        span.end()


def _traceparent_of(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    for name, value in headers:
        if name == _HEADER and value is not None:
            return value.decode("ascii", "replace")
    return None


def _position(record: Record) -> Mapping[str, Attribute]:
    """Where a record is, in the words of OpenTelemetry's conventions for messaging."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }


NO_TRACES = Traces()
"""Traces nothing."""


def build_traces(
    settings: TraceSettings, *, service: str, version: str, metric_set: m.MetricSet
) -> Traces:
    """What the settings ask for."""
    metric_set.start_at_zero(m.TRACE_SPANS, [("started",), ("over_limit",)])
    if settings.traces_endpoint is None:
        return NO_TRACES
    from purposewatch_runtime.traces.otlp import OtlpExporter  # noqa: PLC0415 - it is optional

    counter = metric_set.counter(m.TRACE_SPANS)
    _log.info("traces on", ratio=settings.traces_ratio)
    return Traces(
        OtlpExporter(str(settings.traces_endpoint), service=service, version=version),
        ratio=settings.traces_ratio,
        budget=SpanBudget(settings.traces_spans_per_second),
        on_span=lambda result: counter.labels(result).inc(),
    )
