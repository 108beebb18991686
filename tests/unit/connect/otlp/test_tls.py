"""The receivers over TLS, with client certificates."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from pydantic import ValidationError

from purposewatch_connect.connector import Certificate
from purposewatch_connect.otlp.app import build_app
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_runtime.http import HttpLimits
from purposewatch_runtime.service import watch_tls
from tests.harness.certificates import Authority
from tests.harness.http_server import serving
from tests.harness.ports import take_port
from tests.unit.connect.spools import MemorySpool

ROOT = Path(__file__).parents[4]
STATED = {"purposewatch.data_categories": ["user.name"], "purposewatch.subject_id": "m-7"}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class Receivers:
    """Both receivers, and a certificate that they know."""

    authority: Authority
    client: Path
    certificate: Certificate
    spool: MemorySpool
    http: str
    grpc_port: int

    def credentials(self, client: Path | None) -> grpc.ChannelCredentials:
        """What a client of gRPC trusts, and presents."""
        own = None if client is None else client.read_bytes()
        return grpc.ssl_channel_credentials(self.authority.cafile.read_bytes(), own, own)

    def exporter(self, transport: str) -> SpanExporter:
        """An exporter of the SDK that presents the certificate."""
        if transport == "grpc":
            return GrpcSpanExporter(
                f"localhost:{self.grpc_port}", credentials=self.credentials(self.client)
            )
        return OTLPSpanExporter(
            f"{self.http}/v1/traces",
            certificate_file=str(self.authority.cafile),
            client_certificate_file=str(self.client),
            client_key_file=str(self.client),
        )

    def grpc_certificate(self) -> bytes | None:
        """The certificate that gRPC serves."""
        context = self.authority.client(self.client)
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection(("127.0.0.1", self.grpc_port), timeout=5) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as secured,
        ):
            return secured.getpeercert(binary_form=True)


def settings_with(**stated: object) -> OtlpSettings:
    """Settings of the receivers, with the example mapping."""
    return OtlpSettings.model_validate(
        {
            "connect_mapping_file": ROOT / "connectors" / "examples" / "mapping.yaml",
            "policies_dir": ROOT / "policies",
            "connect_otlp_grpc_port": take_port(),
            **stated,
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receivers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Receivers]:
    """The whole application."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    settings = settings_with(
        connect_tls_certfile=authority.issue("localhost", x509.DNSName("localhost")),
        connect_tls_client_cafile=authority.cafile,
    )
    certificate = watch_tls(settings.tls_files(), interval_seconds=60)
    assert certificate is not None
    spool = MemorySpool()
    app, supervisor = build_app(settings, certificate, spool_of=lambda _: spool)
    with serving(app, HttpLimits(), lambda: certificate.current) as server:
        async with supervisor, asyncio.timeout(30):
            while not (await supervisor.check()).ok:
                await asyncio.sleep(0.01)
            yield Receivers(
                authority,
                authority.issue("collector"),
                certificate,
                spool,
                f"https://localhost:{server.port}",
                settings.connect_otlp_grpc_port,
            )


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_an_exporter_with_a_certificate_is_heard(
    receivers: Receivers, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the SDK's own exporters."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # would come before the exporter's
        monkeypatch.delenv(name, raising=False)
    receivers.spool.accesses.clear()
    provider = TracerProvider(resource=Resource({"service.name": "portal"}))
    provider.add_span_processor(SimpleSpanProcessor(receivers.exporter(transport)))
    with provider.get_tracer("test").start_as_current_span("export", attributes=STATED):
        pass
    assert [each.subject_id for each in receivers.spool.accesses] == ["m-7"]


def test_nobody_else_is_heard(receivers: Receivers) -> None:
    """Probes and metrics need no certificate."""
    context = receivers.authority.client()
    refused = httpx.post(f"{receivers.http}/v1/traces", verify=context, json={})
    assert refused.status_code == HTTPStatus.UNAUTHORIZED
    assert httpx.get(f"{receivers.http}/readyz", verify=context).status_code == HTTPStatus.OK

    target, credentials = f"localhost:{receivers.grpc_port}", receivers.credentials(None)
    with grpc.secure_channel(target, credentials) as channel:
        export: grpc.UnaryUnaryMultiCallable[ExportTraceServiceRequest, bytes]
        export = channel.unary_unary(
            EXPORT, request_serializer=ExportTraceServiceRequest.SerializeToString
        )
        with pytest.raises(grpc.RpcError):
            export(ExportTraceServiceRequest(), timeout=5)


def test_a_renewed_certificate_is_served(receivers: Receivers) -> None:
    """Without a restart; a faulty one is not."""
    first = receivers.grpc_certificate()
    certfile = receivers.authority.issue("localhost", x509.DNSName("localhost"))
    assert receivers.grpc_certificate() == first
    assert receivers.certificate.refresh()
    second = receivers.grpc_certificate()
    assert second != first
    certfile.write_text("not a certificate", encoding="utf-8")
    assert not receivers.certificate.refresh()
    assert receivers.grpc_certificate() == second


@pytest.mark.parametrize("name", ["connect_tls_keyfile", "connect_tls_client_cafile"])
def test_tls_needs_a_certificate(name: str) -> None:
    """Without one, nothing would be encrypted."""
    assert settings_with().tls_files() is None
    with pytest.raises(ValidationError, match="TLS_CERTFILE"):
        settings_with(**{name: "file.pem"})
