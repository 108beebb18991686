"""OTLP over HTTP and gRPC, on real sockets, with the exporters of the OpenTelemetry SDK."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind

from purposewatch_connect.connector import Connector
from purposewatch_connect.otlp.app import build_app
from purposewatch_connect.otlp.receiver import Receiver
from purposewatch_connect.otlp.records import OtlpReader
from purposewatch_connect.otlp.requests import JSON, decode
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import read_to_end, serving
from tests.harness.ports import take_port
from tests.unit.connect.spools import MemorySpool

ROOT = Path(__file__).parents[4]
TOKEN = "a-token"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
MAX_BYTES = 65_536
SPAN = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "name": "select",
    "kind": 3,
    "startTimeUnixNano": "1772439300000000000",
    "attributes": [
        {"key": "db.system.name", "value": {"stringValue": "postgresql"}},
        {"key": "db.namespace", "value": {"stringValue": "portal|public"}},
        {"key": "db.collection.name", "value": {"stringValue": "members"}},
        {"key": "db.operation.name", "value": {"stringValue": "SELECT"}},
        {"key": "purposewatch.subject_id", "value": {"stringValue": "m-7"}},
    ],
}


def request_of(*spans: dict[str, Any], service: str = "portal") -> dict[str, Any]:
    """A request in OTLP's JSON."""
    named = {"key": "service.name", "value": {"stringValue": service}}
    return {
        "resourceSpans": [
            {"resource": {"attributes": [named]}, "scopeSpans": [{"spans": list(spans)}]}
        ]
    }


@dataclass
class Receivers:
    """Both receivers, and the spool behind them."""

    spool: MemorySpool
    http: str
    grpc: str

    def post(self, content: bytes | dict[str, Any], **headers: str) -> httpx.Response:
        """Post to `/v1/traces`."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return httpx.post(
            f"{self.http}/v1/traces",
            content=body,
            headers={"content-type": "application/json"} | HEADERS | headers,
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receivers() -> AsyncIterator[Receivers]:
    """The whole application with the example mapping."""
    spool = MemorySpool()
    settings = OtlpSettings(
        connect_mapping_file=ROOT / "connectors" / "examples" / "mapping.yaml",
        policies_dir=ROOT / "policies",
        connect_otlp_grpc_port=take_port(),
        connect_token=TOKEN,
        connect_max_request_bytes=MAX_BYTES,
        connect_body_timeout_seconds=1,
    )
    app, supervisor = build_app(settings, spool_of=lambda _: spool)
    with serving(app, HttpLimits()) as server:
        async with supervisor:
            async with asyncio.timeout(10):
                while not (await supervisor.check()).ok:
                    await asyncio.sleep(0.01)
            yield Receivers(
                spool,
                f"http://127.0.0.1:{server.port}",
                f"127.0.0.1:{settings.connect_otlp_grpc_port}",
            )


@pytest.fixture(autouse=True)
def empty(receivers: Receivers) -> None:
    """Each test begins with an empty spool."""
    receivers.spool.accesses.clear()
    receivers.spool.is_full = False


def span_exporter(receivers: Receivers, transport: str) -> SpanExporter:
    if transport == "grpc":
        return GrpcSpanExporter(receivers.grpc, insecure=True, headers=HEADERS)
    compression = Compression.Gzip if transport == "http-gzip" else Compression.NoCompression
    return OTLPSpanExporter(f"{receivers.http}/v1/traces", headers=HEADERS, compression=compression)


def test_identical_spans_of_a_request_are_one_event_with_a_window() -> None:
    """A request that is sent again gives the same event; one that says more gives another."""
    settings = OtlpSettings(
        connect_mapping_file=ROOT / "connectors" / "examples" / "mapping.yaml",
        policies_dir=ROOT / "policies",
        connect_aggregate_seconds=60,
    )
    spool = MemorySpool()
    connector = Connector("otlp", settings, lambda _: spool, window=settings.aggregation_window)
    receiver = Receiver(OtlpReader(b"secret"), connector.pipeline, lambda: datetime.now(UTC))
    spans = [{**SPAN, "spanId": f"eee19b7ec3c1b17{number}"} for number in range(4)]
    for number in (3, 3, 4):
        document = json.dumps(request_of(*spans[:number])).encode()
        receiver.export_spans(decode(document, JSON, ExportTraceServiceRequest()))
    first, again, more = spool.accesses
    assert first == again
    assert (first.count, first.subject_id, more.count) == (3, "m-7", 4)
    assert more.id != first.id


@pytest.mark.parametrize("transport", ["http", "http-gzip", "grpc"])
def test_spans_of_the_sdk_become_accesses(receivers: Receivers, transport: str) -> None:
    """A query, a call, a message and a stated access, exported by the SDK as they end."""
    provider = TracerProvider(resource=Resource({"service.name": "portal"}))
    provider.add_span_processor(SimpleSpanProcessor(span_exporter(receivers, transport)))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span(
        "select",
        kind=SpanKind.CLIENT,
        attributes={
            "db.system.name": "postgresql",
            "db.namespace": "portal|public",
            "db.collection.name": "members",
            "db.operation.name": "SELECT",
            "purposewatch.subject_id": "m-7",
        },
    ) as span:
        trace = f"{span.get_span_context().trace_id:032x}"
    with tracer.start_as_current_span(
        "POST",
        kind=SpanKind.CLIENT,
        attributes={
            "http.request.method": "POST",
            "server.address": "api.mail-provider.example",
            "app.member.id": "m-8",
        },
    ):
        pass
    with tracer.start_as_current_span(
        "publish",
        kind=SpanKind.PRODUCER,
        attributes={
            "messaging.system": "kafka",
            "messaging.destination.name": "visits",
            "messaging.operation.type": "send",
            "app.visitor.id": "v-1",
        },
    ):
        pass
    with tracer.start_as_current_span(
        "report",
        attributes={
            "purposewatch.data_categories": ["user.name", "user.contact"],
            "purposewatch.operation": "share",
            "purposewatch.recipient": "third_party.partner",
            "purposewatch.subject_id": "m-9",
            "purposewatch.retention_days": 30,
            "purposewatch.fact.consent.marketing": True,
        },
    ):
        pass
    with tracer.start_as_current_span("unrelated"):
        pass
    provider.shutdown()

    query, call, message, stated = receivers.spool.accesses
    assert (query.subject_id, query.operation, query.role) == ("m-7", "use", "member_employee")
    assert query.service == "portal"
    assert query.traceparent is not None
    assert trace in query.traceparent
    assert (call.subject_id, call.operation, call.recipient) == (
        "m-8",
        "share",
        "processor.messaging",
    )
    assert (message.subject_id, message.operation, message.role) == ("v-1", "store", "visitor")
    assert stated.data_categories == ("user.name", "user.contact")
    assert (stated.recipient, stated.retention_days) == ("third_party.partner", 30)
    assert stated.facts == {"consent.marketing": True}


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_log_records_of_the_sdk_become_accesses(receivers: Receivers, transport: str) -> None:
    """A log record that states an access is one; the same record is the same event."""
    exporter: LogRecordExporter = (
        OTLPLogExporter(f"{receivers.http}/v1/logs", headers=HEADERS)
        if transport == "http"
        else GrpcLogExporter(receivers.grpc, insecure=True, headers=HEADERS)
    )
    provider = LoggerProvider(resource=Resource({"service.name": "portal"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    repeats = Repeat(exporter)
    provider.add_log_record_processor(repeats)
    provider.get_logger("test").emit(
        timestamp=1_772_439_300_000_000_000,
        body="exported",
        attributes={
            "purposewatch.data_categories": "user.name, user.contact",
            "purposewatch.subject_id": "m-9",
        },
    )
    provider.shutdown()

    first, again = receivers.spool.accesses
    assert first == again
    assert first.data_categories == ("user.name", "user.contact")


class Repeat(LogRecordProcessor):
    """Exports each record once more, as an exporter that got no answer does."""

    def __init__(self, exporter: LogRecordExporter) -> None:
        self._exporter = exporter

    def on_emit(self, log_record: Any) -> None:
        """Export it."""
        SimpleLogRecordProcessor(self._exporter).on_emit(log_record)

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing waits."""
        return True


def test_json_has_its_ids_in_hex(receivers: Receivers) -> None:
    """OTLP differs in that from protobuf's own JSON; fields that are not known are ignored."""
    answer = receivers.post(request_of(SPAN | {"unknownField": 1}))

    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    (access,) = receivers.spool.accesses
    assert access.traceparent == "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-00"


def test_a_repeated_request_has_the_same_event_ids(receivers: Receivers) -> None:
    """An exporter that got no answer sends its spans again."""
    receivers.post(request_of(SPAN))
    receivers.post(request_of(SPAN))

    first, again = receivers.spool.accesses
    assert first.id == again.id


def test_the_sender_is_told_of_what_it_stated_in_vain(receivers: Receivers) -> None:
    """A partial success names the gaps; a span that states nothing is not a fault of its sender."""
    stated = SPAN | {
        "attributes": [
            {"key": "purposewatch.data_categories", "value": {"stringValue": "user.nonsense"}},
            {"key": "purposewatch.subject_id", "value": {"stringValue": "m-7"}},
        ]
    }
    unmapped = SPAN | {
        "attributes": [
            {"key": "db.system.name", "value": {"stringValue": "redis"}},
            {"key": "db.collection.name", "value": {"stringValue": "salaries"}},
        ]
    }
    answer = receivers.post(request_of(stated, unmapped, SPAN))

    assert answer.json() == {
        "partialSuccess": {
            "rejectedSpans": "1",
            "errorMessage": "no event was made: unknown_term user.nonsense",
        }
    }
    assert len(receivers.spool.accesses) == 1
    metrics = httpx.get(f"{receivers.http}/metrics").text
    sample = 'purposewatch_connect_gaps_total{connector="otlp",kind="%s",name="%s"}'
    assert sample % ("unmapped_dataset", "salaries") in metrics
    assert sample % ("unknown_term", "user.nonsense") in metrics


def test_unreadable_spans_are_gaps(receivers: Receivers) -> None:
    """No time, no ids, or a fact that is neither true nor false."""
    fact = {"key": "purposewatch.fact.consent.marketing", "value": {"stringValue": "maybe"}}
    for change in (
        {"startTimeUnixNano": "0"},
        {"traceId": ""},
        {"attributes": [*SPAN["attributes"], fact]},  # type: ignore[misc]  # a list
    ):
        assert receivers.post(request_of(SPAN | change)).status_code == 200
    assert receivers.spool.accesses == []


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff", {"content-type": "application/x-protobuf"}, 400),
        (b"x", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-9], {"content-encoding": "gzip"}, 400),
        (b"{}", {"content-encoding": "br"}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b" " * (MAX_BYTES + 1), {}, 413),
        (gzip.compress(b" " * (MAX_BYTES + 1), mtime=0), {"content-encoding": "gzip"}, 413),
        (b"{}", {"authorization": "Bearer other"}, 401),
        (b"{}", {"authorization": ""}, 401),
    ],
)
def test_bad_requests_are_refused(
    receivers: Receivers, content: bytes, headers: dict[str, str], status: int
) -> None:
    """With a status that says not to repeat them, and nothing of the content in the answer."""
    answer = receivers.post(content, **headers)

    assert status == answer.status_code
    assert receivers.spool.accesses == []


def test_a_full_spool_asks_to_try_again(receivers: Receivers) -> None:
    """Nothing is acknowledged before it is in the spool."""
    receivers.spool.is_full = True
    answer = receivers.post(request_of(SPAN))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    with grpc.insecure_channel(receivers.grpc) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            export(channel, ExportTraceServiceRequest.FromString(protobuf_of(SPAN)))
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_slow_body_can_be_sent_again(receivers: Receivers) -> None:
    """With a status that exporters send again after; they drop what gets a 408."""
    address = receivers.http.removeprefix("http://").split(":")
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: connect\r\nContent-Length: 10\r\n"
        f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n{{"
    )
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = read_to_end(connection).decode(errors="replace").lower()
    assert answer.startswith("http/1.1 503 ")
    assert "retry-after: 5" in answer


def test_many_requests_at_once_wait_over_grpc(receivers: Receivers) -> None:
    """Not all exporters send again what is refused."""
    request = ExportTraceServiceRequest.FromString(protobuf_of(SPAN))
    with grpc.insecure_channel(receivers.grpc) as channel, ThreadPoolExecutor(64) as threads:
        answers = [threads.submit(export, channel, request) for _ in range(64)]
        assert {type(each.result(20)) for each in answers} == {ExportTraceServiceResponse}
    assert len(receivers.spool.accesses) == len(answers)


def test_grpc_has_its_bounds(receivers: Receivers) -> None:
    """A wrong token and a request that is too large, also once expanded, are refused."""
    large = ExportTraceServiceRequest()
    large.resource_spans.add().schema_url = " " * (MAX_BYTES + 1)
    with grpc.insecure_channel(receivers.grpc) as channel:
        for request, token, compression, code in (
            (ExportTraceServiceRequest(), "other", None, grpc.StatusCode.UNAUTHENTICATED),
            (large, TOKEN, None, grpc.StatusCode.RESOURCE_EXHAUSTED),
            (large, TOKEN, grpc.Compression.Gzip, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                export(channel, request, token, compression)
            assert raised.value.code() is code


def protobuf_of(*spans: dict[str, Any]) -> bytes:
    document = json.dumps(request_of(*spans)).encode()
    return decode(document, JSON, ExportTraceServiceRequest()).SerializeToString()


def export(
    channel: grpc.Channel,
    request: ExportTraceServiceRequest,
    token: str = TOKEN,
    compression: grpc.Compression | None = None,
) -> ExportTraceServiceResponse:
    call = channel.unary_unary(
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        request_serializer=ExportTraceServiceRequest.SerializeToString,
        response_deserializer=ExportTraceServiceResponse.FromString,
    )
    metadata = (("authorization", f"Bearer {token}"),)
    return call(request, timeout=10, metadata=metadata, compression=compression)
