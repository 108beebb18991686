"""The verdict: what the auditor publishes about one event.

The verdict for the event at offset `o` of partition `p` goes to partition `p` of the verdicts
topic and carries both numbers, so that the ledger can tell a repeat from a new verdict.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from purposewatch_contract.event import CanonicalData
from purposewatch_contract.terms import (
    Digest,
    Evidence,
    Identifier,
    Instant,
    Publisher,
    Source,
    TraceParent,
)
from purposewatch_policy import CategoryDecision, Kind, Outcome, Term

VERDICT_SCHEMA = "urn:purposewatch:schema:verdict:1.0"


class Position(BaseModel):
    """The position of a record in Kafka."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str = Field(min_length=1, max_length=249)
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class PolicyReference(BaseModel):
    """The policy version that a verdict was reached under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    digest: str = Field(description="SHA-256 (hex) of the policy version and its vocabulary.")


class FactFinding(BaseModel):
    """What the ledger of facts said about a fact that could have mattered to the decision."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    fact: Term
    claimed: StrictBool | None = Field(default=None, description="What the event stated.")
    value: StrictBool | None = Field(
        default=None,
        description="Whether it held at the event's time; absent when that was not stated.",
    )
    since: Instant | None = Field(
        default=None, description="From when on the last statement before the event is effective."
    )
    until: Instant | None = Field(default=None, description="When that statement expires.")
    statement: Identifier | None = Field(default=None, description="Id of that statement.")
    source: Source | None = None
    evidence: Evidence | None = None


class Verdict(BaseModel):
    """The outcome of auditing one event, with the reasons and what is needed to reproduce it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    dataschema: Literal["urn:purposewatch:schema:verdict:1.0"] = (
        "urn:purposewatch:schema:verdict:1.0"
    )
    position: Position = Field(description="The event's position in the events topic.")
    origin: str = Field(max_length=300, description="The canonical event's `origin`.")
    event_id: Identifier
    event_source: Source
    event_time: Instant
    accepted_time: Instant
    decided_time: Instant
    publisher: Publisher
    content_digest: Digest
    traceparent: TraceParent | None = None
    facts: tuple[FactFinding, ...] = Field(
        default=(), description="The facts that systems answer for and that the flow depends on."
    )
    data: CanonicalData = Field(description="What the event said.")
    outcome: Outcome
    kind: Kind | None = None
    policy: PolicyReference | None = Field(
        default=None, description="Absent when no version was in force or the event is unknown."
    )
    categories: tuple[CategoryDecision, ...] = Field(min_length=1)
