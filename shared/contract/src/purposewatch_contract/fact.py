"""The statement of a fact: a system that knows says whether a fact about a data subject holds.

Its encoding is a CloudEvents 1.0 JSON object, as that of a data-access event. Systems send a
`SubmittedFact`; ingest turns it into a `CanonicalFact`, in which the data subject is a keyed
pseudonym and the time from which it is effective is always stated.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)

from purposewatch_contract.event import MAX_ORIGIN
from purposewatch_contract.terms import (
    ORIGIN_PATTERN,
    Digest,
    Evidence,
    Identifier,
    Instant,
    Pseudonym,
    Publisher,
    Source,
    SubjectId,
    SubmittedEvidence,
    SubmittedIdentifier,
    SubmittedSource,
    SubmittedTraceParent,
    TraceParent,
)
from purposewatch_policy import Controller, Term

FACT_TYPE = "purposewatch.fact.v1"
SUBMITTED_FACT_SCHEMA = "urn:purposewatch:schema:submitted-fact:1.0"
CANONICAL_FACT_SCHEMA = "urn:purposewatch:schema:canonical-fact:1.0"

EARLIEST_EFFECTIVE = datetime(1900, 1, 1, tzinfo=UTC)
"""Facts effective from before would be mistakes of a publisher."""
LATEST_EFFECTIVE = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)

EffectiveTime = Annotated[AwareDatetime, Field(ge=EARLIEST_EFFECTIVE, le=LATEST_EFFECTIVE)]

_EVIDENCE = "A reference to the record that proves it, such as its id. Never a value."
_MODEL = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _FactData(BaseModel):
    """What both forms state."""

    model_config = _MODEL

    controller: Controller
    fact: Term = Field(description="The fact, from the controller's vocabulary.")
    value: StrictBool = Field(description="Whether it holds. A withdrawal states `false`.")
    until: EffectiveTime | None = Field(
        default=None,
        description="When the statement expires, after `effective_from`: from then on the fact is "
        "not stated.",
    )
    evidence: Evidence | None = Field(default=None, description=_EVIDENCE)


class SubmittedFactData(_FactData):
    """The `data` of a statement as a system sends it."""

    effective_from: EffectiveTime | None = Field(
        default=None, description="From when on it holds or not; the event's `time` if left out."
    )
    evidence: SubmittedEvidence | None = Field(default=None, description=_EVIDENCE)
    subject_id: SubjectId = Field(
        description="The publisher's identifier of the data subject, the same as in events. Leaves "
        "ingest only as a keyed pseudonym."
    )


class CanonicalFactData(_FactData):
    """The `data` of a statement as ingest passes it on."""

    effective_from: EffectiveTime = Field(description="From when on it holds or not.")
    subject: Pseudonym = Field(description="Keyed pseudonym of the data subject.")


class _Envelope(BaseModel):
    """The CloudEvents 1.0 context attributes that both forms share."""

    model_config = _MODEL

    specversion: Literal["1.0"]
    id: Identifier = Field(description="Unique within `source`; a repeat changes nothing.")
    source: Source
    type: Literal["purposewatch.fact.v1"]
    time: EffectiveTime = Field(
        description="When it was stated, RFC 3339 with zone. Of two statements that are effective "
        "from the same time, the one that was stated later counts."
    )
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: TraceParent | None = None


class SubmittedFact(_Envelope):
    """A statement of a fact as the system that knows publishes it."""

    id: SubmittedIdentifier = Field(
        description="Unique within `source`; a repeat changes nothing. Nothing that could be a "
        "telephone number: not 7 to 15 digits with nothing but punctuation."
    )
    source: SubmittedSource
    traceparent: SubmittedTraceParent | None = None
    dataschema: Literal["urn:purposewatch:schema:submitted-fact:1.0"] = (
        "urn:purposewatch:schema:submitted-fact:1.0"
    )
    data: SubmittedFactData

    @property
    def effective_from(self) -> datetime:
        """From when on the fact holds or not: the time of the message unless it is stated."""
        return self.data.effective_from or self.time

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        _check_end(self.effective_from, self.data.until)
        return self


class CanonicalFact(_Envelope):
    """A statement of a fact as ingest passes it on: validated, authenticated, pseudonymous."""

    dataschema: Literal["urn:purposewatch:schema:canonical-fact:1.0"] = (
        "urn:purposewatch:schema:canonical-fact:1.0"
    )
    publisher: Publisher = Field(description="Registered name of the publisher.")
    acceptedtime: Instant = Field(description="When ingest accepted the statement.")
    contentdigest: Digest = Field(
        description="128-bit digest of type, time and data: equal for a repeat."
    )
    origin: str = Field(
        max_length=MAX_ORIGIN,
        pattern=ORIGIN_PATTERN,
        description="`http`, or `<topic>/<partition>/<offset>` of the raw record.",
    )
    data: CanonicalFactData

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        _check_end(self.data.effective_from, self.data.until)
        return self


def _check_end(effective_from: datetime, until: datetime | None) -> None:
    if until is not None and until <= effective_from:
        message = "`until` must be after `effective_from`"
        raise ValueError(message)
