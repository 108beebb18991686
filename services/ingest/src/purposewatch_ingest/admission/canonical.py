"""The canonical form of an admitted event."""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

import msgspec

from purposewatch_contract import CANONICAL_SCHEMA, EVENT_TYPE, SubmittedEvent
from purposewatch_policy import Flow


class AdmittedEvent(msgspec.Struct, frozen=True, gc=False):
    """A canonical event, ready to be published."""

    key: bytes
    """The subject's pseudonym: all events of one subject stay in order."""
    value: bytes
    """A `CanonicalEvent` in JSON."""
    traceparent: str | None


class FlowText(msgspec.Struct, frozen=True, gc=False):
    """A flow as canonical events state it: their `data` up to the pseudonym, which comes last."""

    data: str
    digested: str
    """The same with the data categories sorted, as the content digest is taken of it."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What an event says beside its data.

    INVARIANT: nothing in it has a character that JSON text would need an escape for: all of it
    has passed the contract, or comes from the gate itself.
    """

    id: str
    source: str
    time: datetime
    publisher: str
    accepted: datetime
    origin: str
    traceparent: str | None


def in_utc(time: datetime) -> str:
    """RFC 3339 in UTC, the same text for the same instant. OverflowError at the calendar's ends."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None).isoformat() + "Z"


_accepted_in_utc = lru_cache(maxsize=4)(in_utc)  # one moment for a whole batch


def flow_text(flow: Flow) -> FlowText:
    """The text of a flow that has passed the contract."""
    # in alphabetical order, because the digest is taken of it
    data: dict[str, object] = {
        "controller": flow.controller,
        "data_categories": flow.data_categories,
        "facts": dict(sorted(flow.facts.items())),
    }
    if flow.legal_basis is not None:
        data["legal_basis"] = flow.legal_basis
    if flow.location is not None:
        data["location"] = flow.location
    data["operation"] = flow.operation
    data["purpose"] = flow.purpose
    data["recipient"] = flow.recipient
    if flow.retention_days is not None:
        data["retention_days"] = flow.retention_days
    data["role"] = flow.role
    if flow.source is not None:
        data["source"] = flow.source
    stated = _open(data)
    data["data_categories"] = sorted(flow.data_categories)
    return FlowText(stated, _open(data))


def _open(data: dict[str, object]) -> str:
    return msgspec.json.encode({**data, "subject": ""}).decode()[: -len('"}')]


def write_canonical(  # noqa: PLR0913 - the six things that make a canonical event
    event: SubmittedEvent,
    *,
    publisher: str,
    subject: str,
    accepted: datetime,
    origin: str,
    traceparent: str | None,
) -> AdmittedEvent:
    """Build the canonical event. `event` must have passed the contract; nothing is checked again.

    The content digest is BLAKE2b-128 of the JSON text `[type, time in UTC, data]`, in which names
    are sorted, data categories are sorted and absent fields are left out.
    """
    envelope = Envelope(
        event.id, event.source, event.time, publisher, accepted, origin, traceparent
    )
    return compose(envelope, flow_text(event.data), subject)


def compose(envelope: Envelope, flow: FlowText, subject: str) -> AdmittedEvent:
    """Build the canonical event of its parts; `subject` is a pseudonym."""
    time = in_utc(envelope.time)
    digested = f'["{EVENT_TYPE}","{time}",{flow.digested}{subject}"}}]'
    digest = blake2b(digested.encode(), digest_size=16).hexdigest()
    trace = "" if envelope.traceparent is None else f',"traceparent":"{envelope.traceparent}"'
    value = (
        f'{{"specversion":"1.0","id":"{envelope.id}","source":"{envelope.source}",'
        f'"type":"{EVENT_TYPE}","time":"{time}","datacontenttype":"application/json",'
        f'"dataschema":"{CANONICAL_SCHEMA}","publisher":"{envelope.publisher}",'
        f'"acceptedtime":"{_accepted_in_utc(envelope.accepted)}","contentdigest":"{digest}",'
        f'"origin":"{envelope.origin}","data":{flow.data}{subject}"}}{trace}}}'
    )
    return AdmittedEvent(subject.encode(), value.encode(), envelope.traceparent)
