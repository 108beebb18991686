"""Exports spans over OTLP with OpenTelemetry's SDK; nothing else here imports it.

The SDK's own thread exports in batches and drops what its queue can't hold, so that no service
waits for a collector. `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_CERTIFICATE` apply.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from purposewatch_runtime.traces.span import Attribute, Span, SpanKind

_EXPORT_SECONDS = 5
_DELAY_MS = 1_000
_KINDS: Final = {
    SpanKind.SERVER: trace.SpanKind.SERVER,
    SpanKind.PRODUCER: trace.SpanKind.PRODUCER,
    SpanKind.CONSUMER: trace.SpanKind.CONSUMER,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
}
_PROPAGATOR = TraceContextTextMapPropagator()


class OtlpSpan:
    """See `Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """See `Span`."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    @property
    def trace_id(self) -> str:
        """See `Span`."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def set(self, **attributes: Attribute) -> None:
        """See `Span`."""
        self._span.set_attributes(
            {name.replace("__", "."): value for name, value in attributes.items()}
        )

    def end(self, *, failed: bool = False) -> None:
        """See `Span`."""
        if failed:
            self._span.set_status(trace.Status(trace.StatusCode.ERROR))
        self._span.end()


class OtlpExporter:
    """See `Exporter`. Whoever calls it has decided what is sampled."""

    def __init__(self, endpoint: str, *, service: str, version: str) -> None:
        """`endpoint` is the whole address, for example `http://collector:4318/v1/traces`."""
        resource = Resource.create(
            {
                "service.namespace": "purposewatch",
                "service.name": f"purposewatch-{service}",
                "service.version": version,
            }
        )
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS),
                schedule_delay_millis=_DELAY_MS,
            )
        )
        self._tracer = self._provider.get_tracer("purposewatch", version)

    def start(
        self,
        name: str,
        kind: SpanKind,
        parent: str | None,
        attributes: Mapping[str, Attribute],
    ) -> Span:
        """See `Exporter`."""
        carrier = {} if parent is None else {"traceparent": parent}
        context = _PROPAGATOR.extract(carrier, context=Context())
        return OtlpSpan(
            self._tracer.start_span(name, context, _KINDS[kind], attributes=dict(attributes))
        )

    def close(self) -> None:
        """See `Exporter`."""
        self._provider.shutdown()
