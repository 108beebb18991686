"""The data-access event: what a platform service says it did with personal data.

Its encoding is a CloudEvents 1.0 JSON object. Publishers send a `SubmittedEvent`; ingest
turns it into a `CanonicalEvent`, in which the data subject is a keyed pseudonym. Neither has a
field where a personal value belongs, and unknown fields are refused.

An event stands for one access, or for `data.count` of them: accesses that were identical in
everything but id, time and trace, within a window that ends at the event's time. Whatever is
decided about the event holds for each of them.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from purposewatch_contract.terms import (
    ORIGIN_PATTERN,
    Count,
    Digest,
    Identifier,
    Instant,
    Pseudonym,
    Publisher,
    Source,
    SubjectId,
    SubmittedIdentifier,
    SubmittedSource,
    SubmittedTraceParent,
    TraceParent,
)
from purposewatch_policy import Flow

EVENT_TYPE = "purposewatch.data_access.v1"
SUBMITTED_SCHEMA = "urn:purposewatch:schema:submitted-event:1.0"
CANONICAL_SCHEMA = "urn:purposewatch:schema:canonical-event:1.0"

MAX_ORIGIN = 300

_COUNT = (
    "How many accesses the event stands for: identical in everything but id, time and trace, "
    "within a window that ends at the event's time."
)


class SubmittedData(Flow):
    """The `data` of an event as a publisher sends it."""

    subject_id: SubjectId = Field(
        description="The publisher's identifier of the data subject. Leaves ingest only as a "
        "keyed pseudonym."
    )
    count: Count = Field(default=1, description=_COUNT, examples=[250])


class CanonicalData(Flow):
    """The `data` of an event as ingest passes it on."""

    subject: Pseudonym = Field(description="Keyed pseudonym of the data subject.")
    count: Count = Field(default=1, description=_COUNT, examples=[250])


class _Envelope(BaseModel):
    """The CloudEvents 1.0 context attributes that both forms share."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    specversion: Literal["1.0"]
    id: Identifier = Field(description="Unique within `source`; a repeat is recorded once.")
    source: Source
    type: Literal["purposewatch.data_access.v1"]
    time: AwareDatetime = Field(description="When the access happened, RFC 3339 with zone.")
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: TraceParent | None = None


class SubmittedEvent(_Envelope):
    """A data-access event as a platform service publishes it."""

    id: SubmittedIdentifier = Field(
        description="Unique within `source`; a repeat is recorded once. Nothing that could be a "
        "telephone number: not 7 to 15 digits with nothing but punctuation."
    )
    source: SubmittedSource
    traceparent: SubmittedTraceParent | None = None
    dataschema: Literal["urn:purposewatch:schema:submitted-event:1.0"] = (
        "urn:purposewatch:schema:submitted-event:1.0"
    )
    data: SubmittedData


class CanonicalEvent(_Envelope):
    """A data-access event as ingest passes it on: validated, authenticated, pseudonymous."""

    dataschema: Literal["urn:purposewatch:schema:canonical-event:1.0"] = (
        "urn:purposewatch:schema:canonical-event:1.0"
    )
    time: Instant = Field(description="When the access happened, RFC 3339 with zone.")
    publisher: Publisher = Field(description="Registered name of the publisher.")
    acceptedtime: Instant = Field(description="When ingest accepted the event.")
    contentdigest: Digest = Field(
        description="128-bit digest of type, time and data: equal for a repeat of the same event."
    )
    origin: str = Field(
        max_length=MAX_ORIGIN,
        pattern=ORIGIN_PATTERN,
        description="`http`, or `<topic>/<partition>/<offset>` of the raw record.",
    )
    data: CanonicalData
