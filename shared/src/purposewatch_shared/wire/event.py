"""Reads canonical events: the envelope each time, the flow when it is new."""

import re
from datetime import datetime
from typing import Literal

import msgspec

from purposewatch_shared import terms
from purposewatch_shared.event import MAX_ORIGIN, CanonicalEvent
from purposewatch_shared.wire.flow import FlowReader, ReadFlow
from purposewatch_shared.wire.texts import INSTANT, body, is_traceparent

# One match is several times as fast as seven. INVARIANT: none of the seven matches a line break,
# so that the breaks in the text are those between its fields.
_ENVELOPE = re.compile(
    "\n".join(
        (
            body(terms.IDENTIFIER_PATTERN),
            body(terms.SOURCE_PATTERN),
            body(terms.PUBLISHER_PATTERN),
            body(terms.DIGEST_PATTERN),
            body(terms.ORIGIN_PATTERN),
            INSTANT,
            INSTANT,
        )
    )
)


class EventHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What an event says about itself, as `CanonicalEvent` has it. Times are RFC 3339."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["purposewatch.data_access.v1"]
    time: str
    publisher: str
    acceptedtime: str
    contentdigest: str
    origin: str
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = None
    dataschema: Literal["urn:purposewatch:schema:canonical-event:1.0"] = (
        "urn:purposewatch:schema:canonical-event:1.0"
    )


class WireEvent(msgspec.Struct, frozen=True, gc=False):
    """A canonical event. Valid, and safe to put into JSON text without escapes."""

    head: EventHead
    flow: ReadFlow
    subject: str
    time: datetime
    accepted_time: datetime


class EventReader:
    """Reads one event after the other, and knows flows again."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(EventHead).decode
        self._flows = FlowReader()

    def read(self, value: bytes) -> WireEvent:
        """The event; raises `pydantic.ValidationError` for what `CanonicalEvent` refuses."""
        try:
            return self._read(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._from_model(CanonicalEvent.model_validate_json(value))

    def _read(self, value: bytes) -> WireEvent:
        head = self._decode(value)
        envelope = (
            f"{head.id}\n{head.source}\n{head.publisher}\n{head.contentdigest}\n{head.origin}\n"
            f"{head.time}\n{head.acceptedtime}"
        )
        if (
            _ENVELOPE.fullmatch(envelope) is None
            or len(head.origin) > MAX_ORIGIN
            or not is_traceparent(head.traceparent)
        ):
            message = "has a field that is not as the schema says"
            raise ValueError(message)
        flow, subject = self._flows.read(bytes(head.data))
        return WireEvent(
            head,
            flow,
            subject,
            datetime.fromisoformat(head.time),
            datetime.fromisoformat(head.acceptedtime),
        )

    def _from_model(self, event: CanonicalEvent) -> WireEvent:
        flow, subject = self._flows.from_model(event.data)
        head = EventHead(
            specversion=event.specversion,
            id=event.id,
            source=event.source,
            type=event.type,
            time=event.time.isoformat(),
            publisher=event.publisher,
            acceptedtime=event.acceptedtime.isoformat(),
            contentdigest=event.contentdigest,
            origin=event.origin,
            data=msgspec.Raw(),
            traceparent=event.traceparent,
        )
        return WireEvent(head, flow, subject, event.time, event.acceptedtime)
