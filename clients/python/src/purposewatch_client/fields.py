"""The fields of an event, as calls name them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TypedDict
from uuid import UUID

__all__ = ["AccessFields", "EventFields", "FactDetails", "Fields", "GapDetails", "Subject"]

Subject = str | int | UUID


class Fields(TypedDict, total=False):
    """What describes an access. A field that is None counts as left out.

    Each value is a term of the controller's vocabulary unless it says otherwise.
    """

    subject: Subject | None
    """The service's identifier of the data subject. Ingest replaces it with a pseudonym."""
    controller: str | None
    """The organisation whose policy applies."""
    role: str | None
    """What the data subject is to the controller."""
    operation: str | None
    """`collect`, `use`, `store`, `share`, `erase`, or a term below one of them."""
    purpose: str | None
    """What the access is for."""
    recipient: str | None
    """Who receives the data; `first_party` unless stated."""
    categories: str | Iterable[str] | None
    """The category or categories of data, never values."""
    data_source: str | None
    """Where the data was obtained."""
    location: str | None
    """Where the data is stored."""
    retention_days: int | None
    """How long the data will be kept."""
    legal_basis: str | None
    """What the access relies on."""
    facts: Mapping[str, bool] | None
    """Facts that hold or do not."""
    actor: str | None
    """The part of the service that acts: up to four path segments that follow `source`. Not a term,
    and not the name of a person."""
    traceparent: str | None
    """W3C Trace Context."""


class EventFields(Fields, total=False):
    """The fields of one event."""

    time: datetime | None
    """When the access happened, with its zone; now unless stated."""
    id: str | None
    """The event's id; a new one unless stated. An id is recorded once for each source."""
    count: int | None
    """How many accesses the event stands for; 1 unless stated. They are identical in everything but
    id, time and trace, and happened within a window that ends at `time`."""


class AccessFields(TypedDict, total=False):
    """The fields of an access; on a decorator, also functions of the call's arguments."""

    subject: Subject | Callable[..., Subject | None] | None
    controller: str | Callable[..., str | None] | None
    role: str | Callable[..., str | None] | None
    operation: str | Callable[..., str | None] | None
    purpose: str | Callable[..., str | None] | None
    recipient: str | Callable[..., str | None] | None
    categories: str | Iterable[str] | Callable[..., str | Iterable[str] | None] | None
    data_source: str | Callable[..., str | None] | None
    location: str | Callable[..., str | None] | None
    retention_days: int | Callable[..., int | None] | None
    legal_basis: str | Callable[..., str | None] | None
    facts: Mapping[str, bool] | Callable[..., Mapping[str, bool] | None] | None
    actor: str | Callable[..., str | None] | None
    traceparent: str | Callable[..., str | None] | None


class FactDetails(TypedDict, total=False):
    """What describes the statement of a fact, besides its name and value."""

    subject: Subject | None
    """The service's identifier of the data subject, the same as in events."""
    controller: str | None
    """The organisation whose policy applies; the client's default unless stated."""
    effective_from: datetime | None
    """From when on the fact holds or does not, with its zone; `time` unless stated."""
    until: datetime | None
    """When the statement expires, with its zone; never unless stated."""
    evidence: str | None
    """A reference to the record that proves it, such as its id. Never a value."""
    time: datetime | None
    """When it is stated, with its zone; now unless given. Of two statements that are effective from
    the same time, the later one counts."""
    id: str | None
    """The id of the statement; a new one unless given. A repeat with the same id is harmless."""
    actor: str | None
    """As in events."""
    traceparent: str | None
    """W3C Trace Context."""


class GapDetails(TypedDict, total=False):
    """What describes a gap, besides its kind and name."""

    count: int
    """How many accesses or events it stands for; 1 unless stated."""
    id: str | None
    """Made unless stated. State it if the same gap may be reported again: a repeat counts once."""
    time: datetime | None
    """When it happened first, with its zone; now unless stated."""
    controller: str | None
    """The controller, if it is known."""
