"""Reads events from a stream of lines, one CloudEvents JSON object each, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from pydantic import ValidationError

from purposewatch_contract import CanonicalEvent, ErrorClass, SubmittedEvent
from purposewatch_contract.submission import FieldError, RefusedError, parse_json, read_event

__all__ = ["EventLine", "FaultyLine", "read_lines"]

Event: TypeAlias = SubmittedEvent | CanonicalEvent

MAX_LINE_BYTES = 1024 * 1024
"""The largest event that ingest accepts."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class EventLine:
    """A line that holds an event."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class FaultyLine:
    """A line that holds no valid event."""

    number: int
    errors: tuple[FieldError, ...]


def read_lines(stream: BinaryIO) -> Iterator[EventLine | FaultyLine]:
    """Yield what every line holds, numbered from 1. Empty lines are passed over."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            _skip_rest_of_line(stream)
            detail = f"is longer than {MAX_LINE_BYTES} bytes; put one event on each line"
            yield FaultyLine(number, (FieldError("", detail),))
            continue
        content = line.strip()
        if number == 1:
            content = content.removeprefix(_BYTE_ORDER_MARK).strip()
        if content:
            yield parse_line(number, content)


def parse_line(number: int, content: bytes) -> EventLine | FaultyLine:
    """Return the submitted or canonical event of one line, or what is wrong with it.

    A submitted event is read as ingest reads it: what is valid here is valid there.
    """
    try:
        document = parse_json(content)
        # only a canonical event has this attribute, and a submitted one may not
        if isinstance(document, dict) and "contentdigest" in document:
            return EventLine(number, CanonicalEvent.model_validate_json(content))
        return EventLine(number, read_event(document))
    except RefusedError as refusal:
        errors = refusal.errors
        if refusal.error_class is ErrorClass.NOT_JSON:
            # the place that it names lies within this one line
            detail = str(refusal).replace("(line 1 column", "(column")
            if "not valid JSON" in detail and content[:1] in {b"[", b"{", b"}", b"]"}:
                detail += "; put each event on one line of its own"
            errors = (FieldError("", detail),)
        return FaultyLine(number, errors)
    except ValidationError:
        detail = "is not a canonical event; only ingest writes them, check what changed it"
        return FaultyLine(number, (FieldError("", detail),))


def _skip_rest_of_line(stream: BinaryIO) -> None:
    while rest := stream.readline(MAX_LINE_BYTES):
        if rest.endswith(b"\n"):
            return
