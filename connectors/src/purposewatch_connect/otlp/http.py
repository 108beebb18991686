"""OTLP over HTTP: protobuf and JSON, plain or compressed."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeVar

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from purposewatch_connect.otlp.receiver import Receiver
from purposewatch_connect.otlp.requests import (
    JSON,
    PROTOBUF,
    RefusedRequestError,
    decode,
    encode,
    expand,
)
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.pipeline import SpoolError
from purposewatch_runtime.http import BodyRefusedError

M = TypeVar("M", bound=Message)

_RETRY_SECONDS = "5"


class OtlpHttp:
    """The routes `/v1/traces` and `/v1/logs`."""

    def __init__(self, receiver: Receiver, settings: OtlpSettings) -> None:
        self._receiver = receiver
        self._max_bytes = settings.connect_otlp_max_request_bytes
        token = settings.connect_otlp_token
        self._token = token.get_secret_value().encode() if token else None
        self._slots = asyncio.Semaphore(settings.connect_otlp_max_in_flight)
        self._wait = settings.connect_otlp_wait_timeout_seconds

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
            self._authorise(request)
            async with self._slot():
                body = await request.body()
                encoding = request.headers.get("content-encoding")
                response = await asyncio.to_thread(
                    self._handle, body, encoding, media_type, kind(), receive
                )
        except RefusedRequestError as error:
            return _refusal(error.status, str(error), answer_type)
        except BodyRefusedError as error:
            return _refusal(HTTPStatus(error.status_code), error.detail, answer_type)
        except ClientDisconnect:
            return _refusal(HTTPStatus.BAD_REQUEST, "the content ended too early", answer_type)
        except SpoolError as error:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error), answer_type)
        return Response(encode(response, answer_type), media_type=answer_type)

    def _authorise(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip().encode() if scheme.lower() == "bearer" else b""
        if self._token is not None and not hmac.compare_digest(given, self._token):
            raise RefusedRequestError(HTTPStatus.UNAUTHORIZED, "send the token as a bearer")

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Bound how many bodies are held at once; a request waits for its turn, but not long."""
        try:
            async with asyncio.timeout(self._wait):
                await self._slots.acquire()
        except TimeoutError:
            detail = "too many requests at once"
            raise RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None
        try:
            yield
        finally:
            self._slots.release()

    def _handle(
        self,
        body: bytes,
        encoding: str | None,
        media_type: str,
        request: M,
        receive: Callable[[M], Message],
    ) -> Message:
        expanded = expand(body, encoding, max_bytes=self._max_bytes)
        return receive(decode(expanded, media_type, request))


def _refusal(status: HTTPStatus, detail: str, media_type: str) -> Response:
    """Say why, as OTLP asks for: a `Status` in the request's encoding."""
    headers = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = _RETRY_SECONDS
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="purposewatch"'
    return Response(encode(Status(message=detail), media_type), status, headers, media_type)
