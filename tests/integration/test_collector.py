"""The shipped configuration in a real OpenTelemetry collector, with the receivers behind it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind

from purposewatch_connect.otlp.app import build_app
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import serving
from tests.harness.ports import take_port
from tests.harness.process import Server
from tests.unit.connect.spools import MemorySpool

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "otelcol" / "otelcol-purposewatch"
SHIPPED = ROOT / "connectors" / "examples" / "collector.yaml"
TOKEN = "a-token"
RESOURCE = Resource({"service.name": "portal"})
QUERY = {
    "db.system.name": "postgresql",
    "db.namespace": "portal|public",
    "db.collection.name": "members",
    "db.operation.name": "SELECT",
}
STATED = {"purposewatch.data_categories": ["user.name"]}


class Collector(Server):
    """A collector with the shipped configuration, in which addresses and a directory differ."""

    def __init__(self, program: str, directory: Path, target: str) -> None:
        self.grpc_port = take_port()
        port = take_port()
        protocols = {
            "grpc": {"endpoint": f"127.0.0.1:{self.grpc_port}"},
            "http": {"endpoint": f"127.0.0.1:{port}"},
        }
        own = {
            "receivers": {"otlp": {"protocols": protocols}},
            "extensions": {"file_storage": {"directory": str(directory / "queue")}},
            "exporters": {
                "otlp_http/purposewatch": {
                    "endpoint": target,
                    "retry_on_failure": {"initial_interval": "100ms", "max_interval": "500ms"},
                }
            },
            "service": {"telemetry": {"metrics": {"level": "none"}}},
        }
        (directory / "queue").mkdir()
        (directory / "own.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
        command = [program, "--config", str(SHIPPED), "--config", str(directory / "own.yaml")]
        super().__init__(command, {"PURPOSEWATCH_CONNECT_TOKEN": TOKEN}, port=port)

    async def wait_listening(self) -> None:
        """Return once it takes requests."""
        await self.wait_ready("/", status=404)

    def exporter(self, transport: str = "http") -> SpanExporter:
        """An exporter of the SDK that sends to it."""
        if transport == "grpc":
            return GrpcSpanExporter(f"127.0.0.1:{self.grpc_port}", insecure=True)
        return OTLPSpanExporter(f"{self.base_url}/v1/traces")


@dataclass
class Pipeline:
    """The collector, and what stands behind it."""

    collector: Collector
    port: int
    spool: MemorySpool

    @asynccontextmanager
    async def receivers(self) -> AsyncIterator[None]:
        """Let the receivers run."""
        settings = OtlpSettings(
            connect_mapping_file=ROOT / "connectors" / "examples" / "mapping.yaml",
            policies_dir=ROOT / "policies",
            connect_otlp_grpc_port=take_port(),
            connect_token=TOKEN,
        )
        app, supervisor = build_app(settings, spool_of=lambda _: self.spool)
        with serving(app, HttpLimits(), port=self.port):
            async with supervisor:
                yield

    async def records(self) -> dict[str, float]:
        """How many records the receivers counted, by result."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            text = (await client.get("/metrics")).text
        return {
            line.partition('result="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("purposewatch_connect_records_total{")
        }

    async def until(self, reached: Callable[[], bool], *, seconds: float = 20) -> None:
        """Wait for something to become true, with a bound."""
        try:
            async with asyncio.timeout(seconds):
                while not reached():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"it did not happen in time; the collector says:\n{self.collector.logs}")


def program() -> str:
    """The collector that `make collector` built, or one that is installed."""
    if BUILT.exists():
        return str(BUILT)
    found = shutil.which("otelcol-contrib")
    if found is None:
        pytest.skip("no OpenTelemetry collector here: build one with `make collector`")
    return found


@pytest_asyncio.fixture
async def pipeline(tmp_path: Path) -> AsyncIterator[Pipeline]:
    """A running collector, and receivers that do not run yet."""
    port = take_port()
    async with Collector(program(), tmp_path, f"http://127.0.0.1:{port}") as collector:
        await collector.wait_listening()
        yield Pipeline(collector, port, MemorySpool())


@contextmanager
def traced(exporter: SpanExporter) -> Iterator[Callable[..., None]]:
    """Records spans, and exports them in one request when the block ends."""
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    tracer = provider.get_tracer("test")

    def record(attributes: dict[str, Any], kind: SpanKind = SpanKind.CLIENT) -> None:
        tracer.start_span("span", kind=kind, attributes=attributes).end()

    try:
        yield record
    finally:
        provider.shutdown()


async def export(exporter: SpanExporter, *spans: dict[str, Any]) -> None:
    """Export spans in one request."""

    def send() -> None:
        with traced(exporter) as record:
            for attributes in spans:
                record(attributes)

    await asyncio.to_thread(send)


def query(member: str) -> dict[str, Any]:
    """A query of one member's row."""
    return {**QUERY, "purposewatch.subject_id": member}


def _export_a_mixture(collector: Collector, transport: str) -> None:
    with traced(collector.exporter(transport)) as record:
        record({"http.request.method": "GET", "http.route": "/members"}, SpanKind.SERVER)
        record({"code.function": "render"}, SpanKind.INTERNAL)
        record({"rpc.system": "grpc"})
        record(query("m-1"))
        record(
            {
                "http.request.method": "POST",
                "server.address": "api.mail-provider.example",
                "app.member.id": "m-2",
            }
        )
        record(
            {
                "messaging.system": "kafka",
                "messaging.destination.name": "visits",
                "messaging.operation.type": "receive",
                "app.visitor.id": "v-3",
            },
            SpanKind.CONSUMER,
        )
        record({"aws.s3.bucket": "portal-uploads", "aws.s3.key": "a", "rpc.method": "GetObject"})
        record({**STATED, "purposewatch.subject_id": "m-4"}, SpanKind.INTERNAL)


def _export_logs(collector: Collector) -> None:
    provider = LoggerProvider(resource=RESOURCE)
    exporter = OTLPLogExporter(f"{collector.base_url}/v1/logs")
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("test")
    for number, attributes in enumerate(
        [{"code.function": "render"}, query("m-5"), {**STATED, "purposewatch.subject_id": "m-6"}]
    ):
        logger.emit(
            body="a line", timestamp=1_772_439_300_000_000_000 + number, attributes=attributes
        )
    provider.shutdown()


@pytest.mark.parametrize("transport", ["http", "grpc"])
async def test_what_is_about_accesses_is_forwarded(pipeline: Pipeline, transport: str) -> None:
    """Spans and log records; the receivers get nothing that they would ignore."""
    async with pipeline.receivers():
        await asyncio.to_thread(_export_a_mixture, pipeline.collector, transport)
        await asyncio.to_thread(_export_logs, pipeline.collector)
        await pipeline.until(lambda: len(pipeline.spool.accesses) >= 7)
        subjects = sorted(each.subject_id for each in pipeline.spool.accesses)
        assert subjects == ["every-member", "m-1", "m-2", "m-4", "m-5", "m-6", "v-3"]
        assert await pipeline.records() == {"read": 7.0, "ignored": 0.0, "unreadable": 0.0}


async def test_nothing_is_lost_while_the_connector_is_away_or_full(pipeline: Pipeline) -> None:
    """Nor when the collector is killed meanwhile; a repeat has the same event id."""
    collector, spool = pipeline.collector, pipeline.spool
    await export(collector.exporter(), query("m-1"))
    await pipeline.until(lambda: "Will retry" in collector.logs)
    collector.kill()
    collector.start()
    await collector.wait_listening()
    await export(collector.exporter(), query("m-2"))
    spool.is_full = True
    async with pipeline.receivers():
        await pipeline.until(lambda: "HTTP Status Code 503" in collector.logs)
        assert not spool.accesses
        spool.is_full = False
        await pipeline.until(lambda: len({each.id for each in spool.accesses}) >= 2)
    assert {each.subject_id for each in spool.accesses} == {"m-1", "m-2"}


async def test_a_partial_success_is_not_sent_again(pipeline: Pipeline) -> None:
    """The collector says what was rejected and why; the rest is accepted once."""
    stated = {**STATED, "purposewatch.subject_id": "m-2", "purposewatch.purpose": "unheard_of"}
    async with pipeline.receivers():
        await export(pipeline.collector.exporter(), query("m-1"), stated)
        await pipeline.until(lambda: "Partial success" in pipeline.collector.logs)
        assert "unknown_purpose" in pipeline.collector.logs
        await asyncio.sleep(1)
        assert await pipeline.records() == {"read": 2.0, "ignored": 0.0, "unreadable": 0.0}
    assert [each.subject_id for each in pipeline.spool.accesses] == ["m-1"]


async def test_large_requests_are_divided(pipeline: Pipeline) -> None:
    """Into ones that the receivers take: an exporter drops what is refused as too large."""
    spans = [{**query(f"m-{number}"), "app.payload": "x" * 60_000} for number in range(100)]
    async with pipeline.receivers():
        await export(pipeline.collector.exporter(), *spans)
        await pipeline.until(lambda: len(pipeline.spool.accesses) >= len(spans))
    assert len({each.subject_id for each in pipeline.spool.accesses}) == len(spans)
