"""What became of an event: the reporter tells it to ingest, and ingest to the event's publisher."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from purposewatch_contract.dead_letter import ErrorClass
from purposewatch_contract.verdict import Position
from purposewatch_policy import Kind, Outcome


class Status(StrEnum):
    """What became of an event: it has a verdict, or a record that states its id was refused."""

    RECORDED = "recorded"
    """It has a verdict."""
    DEAD_LETTERED = "dead_lettered"
    """It has none, and a record that states its id was dead-lettered."""


class EventDeadLetter(BaseModel):
    """Why a record that states the event's id was dead-lettered."""

    failed_time: datetime
    error_class: ErrorClass
    reason: str
    origin: Position = Field(description="Where the original record stands in Kafka.")


class EventStatus(BaseModel):
    """What became of an event."""

    status: Status
    outcome: Outcome | None = Field(description="Of the verdict; null without one.")
    kind: Kind | None = Field(description="Of a violation.")
    summary: str | None = Field(description="The reason, unless it is permitted.")
    position: Position | None = Field(description="The event's place in Kafka.")
    recorded_time: datetime | None = Field(description="When its verdict was recorded.")
    conflicts: int = Field(description="How often the id came again with other content.")
    dead_letters: list[EventDeadLetter] = Field(description="The latest, at most 10.")
