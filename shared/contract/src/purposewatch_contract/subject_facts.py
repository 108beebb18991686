"""What is stated about a subject: the reporter tells it to ingest, and ingest to publishers."""

from datetime import datetime

from pydantic import BaseModel, Field


class StatedFact(BaseModel):
    """A statement of a fact about a subject."""

    fact: str
    value: bool
    effective_from: datetime
    until: datetime | None = Field(description="When it expires; null if it does not.")
    statement: str = Field(description="Its id.")
    source: str
    publisher: str
    evidence: str | None = Field(description="The reference to the record that proves it.")
    stated_time: datetime
    accepted_time: datetime = Field(description="When ingest accepted it.")


class StatedFactAsOf(StatedFact):
    """A statement, and whether it was in force."""

    in_force: bool = Field(
        description="Whether it decides at `as_of`. Without one, the fact is not stated and does "
        "not hold."
    )


class SubjectFacts(BaseModel):
    """What is stated about a subject."""

    as_of: datetime
    statements: list[StatedFactAsOf] = Field(
        description="Those effective at `as_of`, by fact, the latest of each first."
    )
