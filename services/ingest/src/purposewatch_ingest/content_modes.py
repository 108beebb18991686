"""CloudEvents content modes: how an event is laid out in an HTTP request or a Kafka record.

Follows the CloudEvents 1.0 protocol bindings for HTTP and for Kafka. Whatever the mode, the
result is one plain JSON object per event, as if it had been sent in structured mode.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final
from urllib.parse import unquote

from purposewatch_contract import ErrorClass
from purposewatch_contract.submission import FieldError, RefusedError, parse_json

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
BINARY = "application/json"

MAX_ATTRIBUTES: Final = 32

_ATTRIBUTE = re.compile(r"[a-z0-9]{1,40}")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


class ContentMode(Enum):
    """How the content type says that the events are laid out."""

    STRUCTURED = STRUCTURED
    BATCHED = BATCHED
    BINARY = BINARY


def content_mode(content_type: str) -> ContentMode | None:
    """The mode that a content type stands for; `None` for one that is not taken."""
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


def read_binary(attributes: dict[str, str], body: bytes) -> dict[str, object]:
    """One event in binary mode: attributes apart, the body is its `data`."""
    return {**attributes, "data": parse_json(body)}


def read_batch(body: bytes) -> list[object]:
    """The events of a batch, in order."""
    events = parse_json(body)
    if not isinstance(events, list):
        detail = f"the content must be a JSON array of events; send one event as `{STRUCTURED}`"
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail))
    return events


def _attributes(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, value in pairs:
        if not _ATTRIBUTE.fullmatch(name):
            detail = (
                "a header names no CloudEvents attribute; these are lower-case letters and digits"
            )
        elif name == "data":
            detail = "a header is called `data`; the data of an event is the content itself"
        elif name in attributes:
            detail = f"the attribute `{name}` stands in two headers; send it once"
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
        detail = "a `ce_` header is not UTF-8; encode it so"
        raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail)) from None
