"""The two encodings of OTLP over HTTP, and what is answered."""

import base64
import json
from http import HTTPStatus
from typing import TypeVar

from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from purposewatch_connect.receiving import RefusedRequestError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_UNREADABLE = (
    *(DecodeError, ParseError, ValueError, TypeError, AttributeError, RecursionError),
    SystemError,  # from protobuf, for a name that UTF-8 can't express
)

M = TypeVar("M", bound=Message)
Request = ExportTraceServiceRequest | ExportLogsServiceRequest
Response = ExportTraceServiceResponse | ExportLogsServiceResponse


def decode(body: bytes, media_type: str, request: M) -> M:
    """Read a request in either encoding. Raises `RefusedRequestError`, which quotes nothing."""
    try:
        if media_type == PROTOBUF:
            request.ParseFromString(body)
            return request
        if media_type == JSON:
            document = json.loads(body)
            if isinstance(document, dict):
                return _with_ids(ParseDict(document, request, ignore_unknown_fields=True))
            raise TypeError  # as for every document that is not a request
    except _UNREADABLE:
        detail = "the content is not an OTLP request in this encoding"
        raise RefusedRequestError(HTTPStatus.BAD_REQUEST, detail) from None
    detail = f"use `Content-Type: {PROTOBUF}` or `{JSON}`"
    raise RefusedRequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def _with_ids(request: M) -> M:
    """Correct the trace and span ids: OTLP has them in hex, where protobuf's JSON has base64.

    Hex of these lengths is valid base64 as well, so that encoding the bytes again gives the hex.
    """
    records = (
        *(
            span
            for resource in getattr(request, "resource_spans", ())
            for scope in resource.scope_spans
            for span in scope.spans
        ),
        *(
            record
            for resource in getattr(request, "resource_logs", ())
            for scope in resource.scope_logs
            for record in scope.log_records
        ),
    )
    for record in records:
        record.trace_id = bytes.fromhex(base64.b64encode(record.trace_id).decode())
        record.span_id = bytes.fromhex(base64.b64encode(record.span_id).decode())
    return request


def encode(response: Message, media_type: str) -> bytes:
    """Write a response in the request's encoding."""
    return MessageToJson(response).encode() if media_type == JSON else response.SerializeToString()
