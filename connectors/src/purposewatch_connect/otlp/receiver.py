"""Receives requests of OTLP, whatever the transport: maps them and publishes what they become."""

from collections.abc import Callable, Iterable
from datetime import datetime

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from purposewatch_connect.mapping import Gap
from purposewatch_connect.otlp.records import OtlpReader, ReadRecord
from purposewatch_connect.pipeline import Input, Pipeline

_MAX_NAMED = 5


class Receiver:
    """Answers a request once every access of it is in the spool. Safe to call from any thread."""

    def __init__(
        self, reader: OtlpReader, pipeline: Pipeline, clock: Callable[[], datetime]
    ) -> None:
        self._reader = reader
        self._pipeline = pipeline
        self._clock = clock

    def export_spans(self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        """Receive spans. Raises `SpoolError`: the sender has to try again."""
        rejected, message = self._publish(self._reader.spans(request, self._clock()))
        response = ExportTraceServiceResponse()
        if rejected:
            response.partial_success.rejected_spans = rejected
            response.partial_success.error_message = message
        return response

    def export_logs(self, request: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
        """Receive log records. Raises `SpoolError`: the sender has to try again."""
        rejected, message = self._publish(self._reader.logs(request, self._clock()))
        response = ExportLogsServiceResponse()
        if rejected:
            response.partial_success.rejected_log_records = rejected
            response.partial_success.error_message = message
        return response

    def _publish(self, records: Iterable[ReadRecord]) -> tuple[int, str]:
        """Publish; return how many records asked for an event that there is not, and why."""
        read = ignored = unreadable = rejected = 0
        reasons: dict[str, None] = {}
        about: list[ReadRecord] = []
        for record in records:
            if record.observations or record.gaps:
                about.append(record)
            else:
                ignored += 1
        results = self._pipeline.publish([Input(each.observations, each.gaps) for each in about])
        for record, published in zip(about, results, strict=True):
            read += bool(record.observations)
            unreadable += not record.observations
            if record.is_stated and not published.accesses:
                rejected += 1
                reasons.update(dict.fromkeys(map(_reason, published.gaps)))
        self._pipeline.count_records(read, "read")
        self._pipeline.count_records(ignored, "ignored")
        self._pipeline.count_records(unreadable, "unreadable")
        return rejected, f"no event was made: {', '.join(list(reasons)[:_MAX_NAMED])}"


def _reason(gap: Gap) -> str:
    return f"{gap.kind} {gap.name}"
