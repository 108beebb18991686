"""OTLP over HTTP: protobuf and JSON, plain or compressed."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from purposewatch_connect.otlp.receiver import Receiver
from purposewatch_connect.otlp.requests import (
    JSON,
    PROTOBUF,
    decode,
    encode,
)
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.receiving import ReceivingEdge, RefusedRequestError, refusal_headers

M = TypeVar("M", bound=Message)


class OtlpHttp:
    """The routes `/v1/traces` and `/v1/logs`."""

    def __init__(self, receiver: Receiver, settings: OtlpSettings) -> None:
        self._receiver = receiver
        self._edge = ReceivingEdge(settings)

    def routes(self) -> list[Route]:
        """The routes, for the application."""
        return [
            Route("/v1/traces", self.export_spans, methods=["POST"]),
            Route("/v1/logs", self.export_logs, methods=["POST"]),
        ]

    async def export_spans(self, request: Request) -> Response:
        """Receive spans."""
        return await self._export(request, ExportTraceServiceRequest, self._receiver.export_spans)

    async def export_logs(self, request: Request) -> Response:
        """Receive log records."""
        return await self._export(request, ExportLogsServiceRequest, self._receiver.export_logs)

    async def _export(
        self, request: Request, kind: Callable[[], M], receive: Callable[[M], Message]
    ) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        answer_type = JSON if media_type == JSON else PROTOBUF
        try:
            async with self._edge.body(request) as body:
                response = await asyncio.to_thread(
                    self._handle, body, request, media_type, kind(), receive
                )
        except RefusedRequestError as error:
            return _refusal(error.status, str(error), answer_type)
        return Response(encode(response, answer_type), media_type=answer_type)

    def _handle(
        self,
        body: bytes,
        request: Request,
        media_type: str,
        message: M,
        receive: Callable[[M], Message],
    ) -> Message:
        return receive(decode(self._edge.expand(body, request), media_type, message))


def _refusal(status: HTTPStatus, detail: str, media_type: str) -> Response:
    """Say why, as OTLP asks for: a `Status` in the request's encoding."""
    content = encode(Status(message=detail), media_type)
    return Response(content, status, refusal_headers(status), media_type)
