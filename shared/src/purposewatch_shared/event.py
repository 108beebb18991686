"""The data-access event: what a platform service says it did with personal data.

On the wire it is a CloudEvents 1.0 JSON object. Publishers send a `SubmittedEvent`; the gate
turns it into a `CanonicalEvent`, in which the data subject is a keyed pseudonym. Neither has a
field where a personal value belongs, and unknown fields are refused.
"""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from purposewatch_shared.terms import (
    ORIGIN_PATTERN,
    Controller,
    Digest,
    Identifier,
    Pseudonym,
    Publisher,
    Source,
    Term,
    TraceParent,
)

EVENT_TYPE = "purposewatch.data_access.v1"
SUBMITTED_SCHEMA = "urn:purposewatch:schema:submitted-event:1.0"
CANONICAL_SCHEMA = "urn:purposewatch:schema:canonical-event:1.0"

MAX_DATA_CATEGORIES = 64
MAX_FACTS = 32
MAX_ORIGIN = 300


class Flow(BaseModel):
    """One flow of personal data, in vocabulary terms: what a policy is asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    controller: Controller
    role: Term = Field(description="Role of the data subject, from the controller's vocabulary.")
    operation: Term = Field(description="collect, use, store, share, erase, or what refines them.")
    purpose: Term = Field(description="Purpose of the processing.")
    recipient: Term = Field(description="Who receives the data; `first_party` is the controller.")
    data_categories: tuple[Term, ...] = Field(
        min_length=1,
        max_length=MAX_DATA_CATEGORIES,
        description="Categories of data involved, never their values.",
    )
    source: Term | None = Field(default=None, description="Where the data was obtained.")
    location: Term | None = Field(default=None, description="Where the data is stored.")
    retention_days: int | None = Field(
        default=None, ge=0, le=36_525, description="How long the data will be kept, in days."
    )
    legal_basis: Term | None = Field(default=None, description="Legal basis that is relied on.")
    facts: dict[Term, bool] = Field(
        default_factory=dict,
        max_length=MAX_FACTS,
        description="Named facts that hold or do not; a fact left out does not hold.",
    )

    @model_validator(mode="after")
    def _categories_are_distinct(self) -> Self:
        if len(set(self.data_categories)) != len(self.data_categories):
            message = "names the same data category twice; name each once in `data_categories`"
            raise ValueError(message)
        return self


class SubmittedData(Flow):
    """The `data` of an event as a publisher sends it."""

    subject_id: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="The publisher's identifier of the data subject. Leaves the gate only as a "
        "keyed pseudonym."
    )


class CanonicalData(Flow):
    """The `data` of an event as the gate passes it on."""

    subject: Pseudonym = Field(description="Keyed pseudonym of the data subject.")


class _Envelope(BaseModel):
    """The CloudEvents 1.0 context attributes that both forms share."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    specversion: Literal["1.0"]
    id: Identifier = Field(description="Unique within `source`; a repeat is booked once.")
    source: Source
    type: Literal["purposewatch.data_access.v1"]
    time: AwareDatetime = Field(description="When the access happened, RFC 3339 with zone.")
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: TraceParent | None = None


class SubmittedEvent(_Envelope):
    """A data-access event as a platform service publishes it."""

    dataschema: Literal["urn:purposewatch:schema:submitted-event:1.0"] = (
        "urn:purposewatch:schema:submitted-event:1.0"
    )
    data: SubmittedData


class CanonicalEvent(_Envelope):
    """A data-access event as the gate passes it on: validated, authenticated, pseudonymous."""

    dataschema: Literal["urn:purposewatch:schema:canonical-event:1.0"] = (
        "urn:purposewatch:schema:canonical-event:1.0"
    )
    publisher: Publisher = Field(description="Registered name of the publisher.")
    acceptedtime: AwareDatetime = Field(description="When the gate accepted the event.")
    contentdigest: Digest = Field(
        description="128-bit digest of type, time and data: equal for a repeat of the same event."
    )
    origin: str = Field(
        max_length=MAX_ORIGIN,
        pattern=ORIGIN_PATTERN,
        description="`http`, or `<topic>/<partition>/<offset>` of the raw record.",
    )
    data: CanonicalData
