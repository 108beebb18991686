"""OTLP over gRPC."""

import asyncio
import hmac
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

from purposewatch_connect.otlp.receiver import Receiver
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.pipeline import SpoolError
from purposewatch_runtime.service import FatalError

In = TypeVar("In", bound=Message)
Out = TypeVar("Out", bound=Message)

_THREADS = 4
_GRACE_SECONDS = 10.0


class OtlpGrpc:
    """A component that serves the trace and the logs service in threads of its own."""

    name = "OTLP/gRPC"

    def __init__(self, receiver: Receiver, settings: OtlpSettings) -> None:
        self._receiver = receiver
        self._settings = settings
        token = settings.connect_otlp_token
        self._token = token.get_secret_value().encode() if token else None
        self._server: grpc.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `FatalError` if the port is taken."""
        settings = self._settings
        host, port = settings.connect_otlp_grpc_host, settings.connect_otlp_grpc_port
        server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc"),
            maximum_concurrent_rpcs=settings.connect_otlp_max_in_flight,
            options=[
                ("grpc.max_receive_message_length", settings.connect_otlp_max_request_bytes),
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
            server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError:
            message = (
                f"can't listen at port {port} of {host}; end what listens there, or set another "
                "one in PURPOSEWATCH_CONNECT_OTLP_GRPC_PORT"
            )
            raise FatalError(message) from None
        server.start()
        self._server = server

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
        if self._token is not None and not _has_token(context, self._token):
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


def _has_token(context: grpc.ServicerContext, expected: bytes) -> bool:
    metadata = {str(key): value for key, value in context.invocation_metadata()}
    scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), expected)


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, detail: str) -> NoReturn:
    context.abort(code, detail)
    raise AssertionError  # `abort` raises
