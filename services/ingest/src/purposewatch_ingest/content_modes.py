"""CloudEvents content modes: how an event is laid out in an HTTP request or a Kafka record.

Follows the CloudEvents 1.0 protocol bindings for HTTP and for Kafka. Whatever the mode, the
result is one JSON text per event, as if it had been sent in structured mode.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final
from urllib.parse import unquote

import msgspec

from purposewatch_contract import FACT_TYPE, ErrorClass, is_traceparent
from purposewatch_contract.submission import FieldError, RefusedError, parse_json

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
BINARY = "application/json"

MAX_ATTRIBUTES: Final = 32

_FACT = FACT_TYPE.encode()
_ESCAPE = b"\\u"
_STRUCTURED = STRUCTURED.encode()
_BINARY = BINARY.encode()
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode

_ATTRIBUTE = re.compile(r"[a-z0-9]{1,40}")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


class ContentMode(Enum):
    """How the content type says that the events are laid out."""

    STRUCTURED = STRUCTURED
    BATCHED = BATCHED
    BINARY = BINARY


def mode_of_request(headers: Mapping[str, str]) -> ContentMode | None:
    """The mode of an HTTP request; `None` if its content type is not accepted.

    An event may leave its `datacontenttype` out; in binary mode it then has no content type.
    """
    has_attributes = "ce-specversion" in headers
    return content_mode(headers.get("content-type", BINARY if has_attributes else ""))


def content_mode(content_type: str) -> ContentMode | None:
    """The mode that a content type stands for; `None` for one that is not accepted."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "us-ascii"}:
            return None
    return next((mode for mode in ContentMode if mode.value == media_type), None)


def http_attributes(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The context attributes among HTTP headers: `ce-` names, percent-encoded values."""
    return _attributes(
        (name[3:].decode("latin-1").lower(), _decode_http_value(value))
        for name, value in headers
        if name[:3].lower() == b"ce-"
    )


def kafka_attributes(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """The context attributes among Kafka headers: `ce_` names, UTF-8 values."""
    return _attributes(
        (name[3:], _decode_kafka_value(value)) for name, value in headers if name[:3] == "ce_"
    )


def events_in_request(
    mode: ContentMode,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
    *,
    otherwise: Mapping[str, str] | None = None,
) -> list[bytes]:
    """The events of an HTTP request, in order; `RefusedError` if they can't be separated.

    In binary mode, `otherwise` has the attributes for a request without any.
    """
    if mode is ContentMode.BINARY:
        return [_join_binary(http_attributes(headers) or dict(otherwise or {}), body)]
    return [body] if mode is ContentMode.STRUCTURED else _split_batch(body)


def event_in_record(headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> bytes:
    """The event of a Kafka record; `RefusedError` if there is none."""
    if value is None:
        detail = "the record has no value; publish a CloudEvents JSON object"
        raise RefusedError(ErrorClass.EMPTY, FieldError("", detail))
    content_type = next(
        (value for name, value in headers if name.lower() == "content-type" and value),
        # a plain producer sends no headers, and an event may leave its `datacontenttype` out
        _BINARY if any(name == "ce_specversion" for name, _ in headers) else _STRUCTURED,
    )
    if content_type == _STRUCTURED:
        return value
    mode = content_mode(content_type.decode("latin-1"))
    if mode is ContentMode.BINARY:
        attributes = kafka_attributes(headers)
        # Without attributes it is an event in JSON under its plain media type.
        return _join_binary(attributes, value) if attributes else value
    if mode is ContentMode.STRUCTURED:
        return value
    detail = f"the record's content type is not accepted; use `{STRUCTURED}`, one event per record"
    raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail))


def is_fact(event: bytes) -> bool:
    """Whether the `type` of an event in JSON says that it states a fact.

    Almost every event is told by looking for the type's text; only with it, or with an escape that
    could stand for a part of it, the event is parsed.
    """
    if _FACT not in event and _ESCAPE not in event:
        return False
    try:
        document = parse_json(event)
    except RefusedError:
        return False  # whoever admits it says what is wrong
    return isinstance(document, dict) and document.get("type") == FACT_TYPE


def traceparent_of(headers: Iterable[tuple[str, str | bytes | None]]) -> str | None:
    """The transport's trace context; as W3C demands, a faulty one is ignored."""
    for name, value in headers:
        if name.lower() == "traceparent" and value is not None:
            text = value if isinstance(value, str) else value.decode("latin-1")
            if is_traceparent(text):
                return text
    return None


def _join_binary(attributes: dict[str, str], body: bytes) -> bytes:
    """One event in binary mode: its attributes, and a body that is its `data`."""
    parse_json(body)  # with the body's own positions in the error, and nothing beside one value
    return msgspec.json.encode(attributes)[:-1] + b',"data":' + body + b"}"


def _split_batch(body: bytes) -> list[bytes]:
    try:
        return [bytes(event) for event in _decode_batch(body)]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        events = parse_json(body)
    if not isinstance(events, list):
        detail = f"the content must be a JSON array of events; send one event as `{STRUCTURED}`"
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail))
    return [msgspec.json.encode(event) for event in events]


def _attributes(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, value in pairs:
        if not _ATTRIBUTE.fullmatch(name):
            detail = "a header's name is not an attribute; use lower-case letters and digits"
        elif name == "data":
            detail = "a header is called `data`; send the data of an event as the content"
        elif name in attributes:
            detail = f"the attribute `{name}` is in two headers; send it once"
        elif len(attributes) == MAX_ATTRIBUTES:
            detail = f"there are more than {MAX_ATTRIBUTES} attributes; remove some"
        else:
            attributes[name] = value
            continue
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail))
    return attributes


def _decode_http_value(value: bytes) -> str:
    # The binding has consumers undo quoting first and percent-encoding second.
    text = _QUOTED.sub(
        lambda quoted: re.sub(r"\\(.)", r"\1", quoted.group()[1:-1]), value.decode("latin-1")
    )
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        detail = "a `ce-` header does not decode to UTF-8; percent-encode the UTF-8 bytes"
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail)) from None


def _decode_kafka_value(value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        detail = "a `ce_` header is not UTF-8; encode it as UTF-8"
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail)) from None
