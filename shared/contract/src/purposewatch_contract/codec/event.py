"""Reads canonical events in the gate's own notation, in one match; leaves others to the model."""

import re
from datetime import datetime

import msgspec

from purposewatch_contract import terms
from purposewatch_contract.codec.flow import FlowReader, ReadFlow
from purposewatch_contract.codec.repeats import Moments, Senders
from purposewatch_contract.codec.texts import INSTANT, body
from purposewatch_contract.event import CANONICAL_SCHEMA, EVENT_TYPE, MAX_ORIGIN, CanonicalEvent

_BEFORE_FLOW = '","data":'
_BEHIND_FLOW = ',"subject":"'

# INVARIANT: what matches is, once its flow is found valid and its repeats are checked, a whole
# JSON text with every field once, and none but the flow's could be read in another way.
_EVENT = re.compile(
    r'\{"specversion":"1\.0"'
    rf',"id":"({body(terms.IDENTIFIER_PATTERN)})"'
    r',"source":"([^"]*)"'
    rf',"type":"{re.escape(EVENT_TYPE)}"'
    rf',"time":"({INSTANT})"'
    r',"datacontenttype":"application/json"'
    rf',"dataschema":"{re.escape(CANONICAL_SCHEMA)}"'
    r',"publisher":"([^"]*)"'
    r',"acceptedtime":"([^"]*)"'
    rf',"contentdigest":"({body(terms.DIGEST_PATTERN)})"'
    rf',"origin":"(?P<origin>{body(terms.ORIGIN_PATTERN)}){_BEFORE_FLOW}'
    # Everything, then back to the last comma that fits: several times as fast as stepping forward.
    # A group around it would make each step back slow.
    rf'\{{(?s:.*){_BEHIND_FLOW}(?P<subject>{body(terms.PSEUDONYM_PATTERN)})"\}}'
    rf'(?:,"traceparent":"({body(terms.TRACEPARENT_PATTERN)})")?\}}'
).fullmatch


class DecodedEvent(msgspec.Struct, frozen=True, gc=False):
    """A canonical event. Valid, and safe to put into JSON text without escapes."""

    flow: ReadFlow
    subject: str
    id: str
    source: str
    publisher: str
    content_digest: str
    origin: str
    traceparent: str | None
    time: datetime
    accepted_time: datetime
    time_text: str
    """RFC 3339, as it is to be passed on; so is `accepted_text`."""
    accepted_text: str


class EventReader:
    """Reads one event after the other, and knows again what repeats."""

    def __init__(self) -> None:
        self._flows = FlowReader()
        self._moments = Moments()
        self._senders = Senders()

    def read(self, value: bytes) -> DecodedEvent:
        """The event; raises `pydantic.ValidationError` for what `CanonicalEvent` refuses."""
        try:
            return self._read(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._from_model(CanonicalEvent.model_validate_json(value))

    def _read(self, value: bytes) -> DecodedEvent:
        whole = value.decode("ascii")
        match = _EVENT(whole)
        if match is None:
            message = "is not written as the gate writes it"
            raise ValueError(message)
        name, source, time, publisher, accepted, digest, origin, subject, trace = match.groups()
        start, end = match.end("origin") + len(_BEFORE_FLOW), match.start("subject")
        text = whole[start : end - len(_BEHIND_FLOW)]
        if len(origin) > MAX_ORIGIN:
            message = "has too long an origin"
            raise ValueError(message)
        if (source, publisher) not in self._senders:
            self._senders.meet(source, publisher)
        return DecodedEvent(
            self._flows.recognise(text) or self._flows.read(text, subject),
            subject,
            name,
            source,
            publisher,
            digest,
            origin,
            trace,
            datetime.fromisoformat(time),
            self._moments[accepted],
            time,
            accepted,
        )

    def _from_model(self, event: CanonicalEvent) -> DecodedEvent:
        return DecodedEvent(
            self._flows.from_model(event.data),
            event.data.subject,
            event.id,
            event.source,
            event.publisher,
            event.contentdigest,
            event.origin,
            event.traceparent,
            event.time,
            event.acceptedtime,
            event.time.isoformat(),
            event.acceptedtime.isoformat(),
        )
