"""Canonical events in ingest's own notation, decoded in one match; others are left to the model."""

import re
from datetime import datetime

import msgspec

from purposewatch_contract import terms
from purposewatch_contract.codec.caches import SenderCache, TimestampCache
from purposewatch_contract.codec.flow import FlowDecoder, count_text
from purposewatch_contract.codec.interface import DecodedEvent
from purposewatch_contract.codec.patterns import COUNT, INSTANT, unanchored
from purposewatch_contract.codec.reference import ReferenceEventCodec
from purposewatch_contract.event import CANONICAL_SCHEMA, EVENT_TYPE, MAX_ORIGIN

_BEFORE_FLOW = '","data":'
_BEFORE_SUBJECT = ',"subject":"'

# INVARIANT: a text that matches is, once its flow, source, publisher and time of acceptance are
# found valid, a whole JSON text with every field once, and only the flow has more than one reading.
_EVENT = re.compile(
    r'\{"specversion":"1\.0"'
    rf',"id":"({unanchored(terms.IDENTIFIER_PATTERN)})"'
    r',"source":"([^"]*)"'
    rf',"type":"{re.escape(EVENT_TYPE)}"'
    rf',"time":"({INSTANT})"'
    r',"datacontenttype":"application/json"'
    rf',"dataschema":"{re.escape(CANONICAL_SCHEMA)}"'
    r',"publisher":"([^"]*)"'
    r',"acceptedtime":"([^"]*)"'
    rf',"contentdigest":"({unanchored(terms.DIGEST_PATTERN)})"'
    rf',"origin":"(?P<origin>{unanchored(terms.ORIGIN_PATTERN)}){_BEFORE_FLOW}'
    # Match everything, then backtrack to the last comma that fits: several times as fast as
    # stepping forward. A group around it would make each step back slow.
    rf'\{{(?s:.*){_BEFORE_SUBJECT}(?P<subject>{unanchored(terms.PSEUDONYM_PATTERN)})"'
    rf'(?:,"count":({COUNT}))?\}}'
    rf'(?:,"traceparent":"({unanchored(terms.TRACEPARENT_PATTERN)})")?\}}'
).fullmatch


class FastEventCodec:
    """Decodes and encodes canonical events; caches flows, senders and times of acceptance."""

    def __init__(self) -> None:
        self._reference = ReferenceEventCodec()
        self._flows = FlowDecoder()
        self._timestamps = TimestampCache()
        self._senders = SenderCache()

    def decode(self, value: bytes) -> DecodedEvent:
        """See `EventCodec`."""
        try:
            whole = value.decode("ascii")
            match = _EVENT(whole)
            if match is not None and len(match["origin"]) <= MAX_ORIGIN:
                (event_id, source, time, publisher, accepted, digest, origin, subject,
                 count, trace) = match.groups()  # fmt: skip
                start, end = match.end("origin") + len(_BEFORE_FLOW), match.start("subject")
                text = whole[start : end - len(_BEFORE_SUBJECT)]
                if self._senders.get((source, publisher)) is None:
                    self._senders.check(source, publisher)
                return DecodedEvent(
                    self._flows.cached(text) or self._flows.decode(text, subject),
                    subject,
                    event_id,
                    source,
                    publisher,
                    digest,
                    origin,
                    trace,
                    datetime.fromisoformat(time),
                    self._timestamps.get(accepted) or self._timestamps.parse(accepted),
                    time,
                    accepted,
                    1 if count is None else int(count),
                )
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass  # the reference decides
        return self._reference.decode(value)

    def encode(self, event: DecodedEvent) -> bytes:
        """See `EventCodec`."""
        trace = "" if event.traceparent is None else f',"traceparent":"{event.traceparent}"'
        return (
            f'{{"specversion":"1.0","id":"{event.id}","source":"{event.source}",'
            f'"type":"{EVENT_TYPE}","time":"{event.time_text}","datacontenttype":'
            f'"application/json","dataschema":"{CANONICAL_SCHEMA}",'
            f'"publisher":"{event.publisher}","acceptedtime":"{event.accepted_text}",'
            f'"contentdigest":"{event.content_digest}","origin":"{event.origin}",'
            f'"data":{event.flow.text}{event.subject}"{count_text(event.count)}}}{trace}}}'
        ).encode()
