"""OTLP over gRPC."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from purposewatch_connect.connector import Certificate
from purposewatch_connect.otlp.grpc_certificate import GrpcCertificate
from purposewatch_connect.otlp.receiver import Receiver
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.pipeline import SpoolError
from purposewatch_connect.receiving import is_authorised
from purposewatch_runtime.service import FatalError

In = TypeVar("In", bound=Message)
Out = TypeVar("Out", bound=Message)

_THREADS = 4
"""Each receives one request at a time; the others wait, of which a few KiB are read."""
_WAITING = 16
"""Further ones are refused, and some exporters drop what is."""
_GRACE_SECONDS = 10.0


class OtlpGrpc:
    """A component that serves the trace and the logs service in threads of its own."""

    name = "OTLP/gRPC"

    def __init__(self, receiver: Receiver, settings: OtlpSettings, tls: Certificate | None) -> None:
        self._receiver = receiver
        self._settings = settings
        self._tls = tls
        self._server: grpc.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `FatalError` if the port is taken."""
        settings = self._settings
        host, port = settings.connect_host, settings.connect_otlp_grpc_port
        server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc"),
            maximum_concurrent_rpcs=_WAITING * settings.connect_max_in_flight,
            options=[
                ("grpc.max_receive_message_length", settings.connect_max_request_bytes),
                ("grpc.so_reuseport", 0),
            ],
        )
        server.add_generic_rpc_handlers(
            (
                _service("trace.v1.TraceService", self._export_spans, ExportTraceServiceRequest),
                _service("logs.v1.LogsService", self._export_logs, ExportLogsServiceRequest),
            )
        )
        try:
            self._listen(server, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError:
            message = (
                f"can't listen at port {port} of {host}; end what listens there, or set another "
                "one in PURPOSEWATCH_CONNECT_OTLP_GRPC_PORT"
            )
            raise FatalError(message) from None
        server.start()
        self._server = server

    def _listen(self, server: grpc.Server, address: str) -> None:
        files = self._settings.tls_files()
        if files is None or self._tls is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, GrpcCertificate(files, self._tls).credentials())

    async def stop(self) -> None:
        """Answer the requests that have begun, and accept no others."""
        if self._server is not None:
            await asyncio.to_thread(self._server.stop(_GRACE_SECONDS).wait)

    def _export_spans(
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        return self._export(self._receiver.export_spans, request, context)

    def _export_logs(
        self, request: ExportLogsServiceRequest, context: grpc.ServicerContext
    ) -> ExportLogsServiceResponse:
        return self._export(self._receiver.export_logs, request, context)

    def _export(
        self, receive: Callable[[In], Out], request: In, context: grpc.ServicerContext
    ) -> Out:
        metadata = {str(key): str(value) for key, value in context.invocation_metadata()}
        if not is_authorised(metadata.get("authorization", ""), self._settings.connect_token):
            _abort(context, grpc.StatusCode.UNAUTHENTICATED, "send the token as a bearer")
        try:
            return receive(request)
        except SpoolError as error:
            _abort(context, grpc.StatusCode.UNAVAILABLE, str(error))


def _service(
    name: str,
    export: Callable[[In, grpc.ServicerContext], Out],
    request: type[In],
) -> grpc.GenericRpcHandler:
    """One of OTLP's services; each has the one method `Export`."""
    handler: grpc.RpcMethodHandler[In, Out] = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=request.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler(
        f"opentelemetry.proto.collector.{name}", {"Export": handler}
    )


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, detail: str) -> NoReturn:
    context.abort(code, detail)
    raise AssertionError  # `abort` raises
