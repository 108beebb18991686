"""What a person did with a dead letter. The letter itself stays until its retention ends."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from purposewatch_contract.verdict import Position

REPLAY_HEADER = "purposewatch-replay-of"
"""Header of a replayed record; its value is the dead letter's position, for example `2/17`."""


class DeadLetterAction(StrEnum):
    """What was done."""

    REPLAYED = "replayed"
    REINSERTED = "reinserted"
    DROPPED = "dropped"


class Disposition(BaseModel):
    """One action on one dead letter; the latest counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataschema: Literal["urn:purposewatch:schema:disposition:1.0"] = (
        "urn:purposewatch:schema:disposition:1.0"
    )
    letter: Position = Field(description="Where the dead letter stands.")
    act: DeadLetterAction
    author: str = Field(min_length=1, max_length=200, description="Who did it.")
    reason: str | None = Field(default=None, max_length=2000, description="Why, in their words.")
    time: AwareDatetime
    result: Position | None = Field(
        default=None, description="Where the replayed record, or the new dead letter, stands."
    )
