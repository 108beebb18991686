"""The dead letter: a record that could not be processed, kept whole, with the reason.

The payload may hold anything a publisher sent, so the dead-letters topic needs the same
protection as the raw topic; neither the reason nor anything else here quotes it.
"""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field

from purposewatch_contract.verdict import Position

DEAD_LETTER_SCHEMA = "urn:purposewatch:schema:dead-letter:1.0"


class ErrorClass(StrEnum):
    """Why a record was dead-lettered; few and fixed, so that it can be a metric label."""

    EMPTY = "empty"
    NOT_JSON = "not_json"
    INVALID_EVENT = "invalid_event"
    UNKNOWN_TERM = "unknown_term"
    UNKNOWN_CONTROLLER = "unknown_controller"
    UNKNOWN_PUBLISHER = "unknown_publisher"
    FORBIDDEN = "forbidden"
    PAUSED = "paused"
    """Its publisher was paused; it can be replayed once that is over."""
    IMPLAUSIBLE_TIME = "implausible_time"
    TOO_LARGE = "too_large"
    INTERNAL = "internal"
    UNDECODABLE = "undecodable"
    """Kafka's client can't decode it."""
    POISON = "poison"
    """Several processes in a row crashed while they handled it."""
    SUSPECT = "suspect"
    """No service can have written this record of a topic that only services write."""


class Header(BaseModel):
    """One Kafka header of the original record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    value: Base64Bytes | None


class DeadLetter(BaseModel):
    """A record that a consumer dead-lettered, with everything needed to inspect and replay it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    dataschema: Literal["urn:purposewatch:schema:dead-letter:1.0"] = (
        "urn:purposewatch:schema:dead-letter:1.0"
    )
    position: Position = Field(description="Where the original record stands.")
    timestamp: AwareDatetime = Field(description="The original record's Kafka timestamp.")
    key: Base64Bytes | None = Field(description="The original key, base64.")
    value: Base64Bytes | None = Field(description="The original bytes, base64; null if null.")
    headers: tuple[Header, ...] = ()
    raw: Base64Bytes | None = Field(
        default=None,
        description="The bytes in Kafka's log, base64, of a record that could not be decoded.",
    )
    consumer: str = Field(description="The service that dead-lettered the record.")
    error_class: ErrorClass
    reason: str = Field(max_length=2000, description="A readable reason that quotes no value.")
    policy_version: str | None = Field(
        default=None,
        description="The versions in force for each controller when the auditor dead-lettered it; "
        "null from services that apply no policy.",
    )
    failed_time: AwareDatetime
