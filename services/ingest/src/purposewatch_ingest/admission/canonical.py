"""The canonical form of an admitted event."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from pydantic_core import to_json

from purposewatch_shared.event import CANONICAL_SCHEMA, EVENT_TYPE, SubmittedEvent


@dataclass(frozen=True, slots=True)
class AdmittedEvent:
    """A canonical event, ready to be published."""

    key: bytes
    """The subject's pseudonym: all events of one subject stay in order."""
    value: bytes
    """A `CanonicalEvent` in JSON."""
    traceparent: str | None


def in_utc(time: datetime) -> str:
    """RFC 3339 in UTC, the same text for the same instant. OverflowError at the calendar's ends."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


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
    flow = event.data
    time = in_utc(event.time)
    # In alphabetical order: this very dictionary is what the digest is taken of.
    data: dict[str, object] = {
        "controller": flow.controller,
        "data_categories": sorted(flow.data_categories),
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
    data["subject"] = subject
    digest = blake2b(to_json([EVENT_TYPE, time, data]), digest_size=16).hexdigest()
    data["data_categories"] = flow.data_categories
    canonical: dict[str, object] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": EVENT_TYPE,
        "time": time,
        "datacontenttype": "application/json",
        "dataschema": CANONICAL_SCHEMA,
        "publisher": publisher,
        "acceptedtime": in_utc(accepted),
        "contentdigest": digest,
        "origin": origin,
        "data": data,
    }
    if traceparent is not None:
        canonical["traceparent"] = traceparent
    return AdmittedEvent(subject.encode(), to_json(canonical), traceparent)
