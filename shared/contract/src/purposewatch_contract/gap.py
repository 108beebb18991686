"""The gap: something that a publisher saw and could not state as a data-access event.

A gap is an outcome of its own, neither permitted nor a violation. It names things (a dataset, a
service, a purpose), never values, and unknown fields are refused.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from purposewatch_contract.terms import Identifier, Instant, Publisher, SubmittedIdentifier
from purposewatch_policy import CONTROLLER_PATTERN

GAP_SCHEMA = "urn:purposewatch:schema:gap:1.0"
GAP_NAME_PATTERN = r"^[A-Za-z0-9_(][A-Za-z0-9._:/()$#-]{0,199}$"
"""Printable ASCII without spaces, quotes or `@`, as every name in a message."""

MAX_GAP_COUNT = 1_000_000_000


class GapKind(StrEnum):
    """Why an access, or a part of it, did not become an event. Few and fixed: a metric label."""

    UNMAPPED_DATASET = "unmapped_dataset"
    UNMAPPED_COLUMN = "unmapped_column"
    UNMAPPED_HOST = "unmapped_host"
    UNMAPPED_SERVICE = "unmapped_service"
    UNKNOWN_CONTROLLER = "unknown_controller"
    UNKNOWN_ROLE = "unknown_role"
    UNKNOWN_PURPOSE = "unknown_purpose"
    UNKNOWN_TERM = "unknown_term"
    UNRESOLVED_SUBJECT = "unresolved_subject"
    UNPARSED_STATEMENT = "unparsed_statement"
    UNREADABLE_RECORD = "unreadable_record"
    DROPPED = "dropped"
    """The publisher had events and discarded them, because its spool was full."""


_Name = Annotated[str, StringConstraints(pattern=GAP_NAME_PATTERN)]
_Controller = Annotated[str, StringConstraints(pattern=CONTROLLER_PATTERN)]


class _Gap(BaseModel):
    """What a gap says, as it is sent and as it is passed on."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: Identifier
    kind: GapKind
    name: _Name = Field(
        description="What could not be mapped: the name of a dataset, a service or a term. Never "
        "a value."
    )
    count: int = Field(
        default=1, ge=1, le=MAX_GAP_COUNT, description="How many accesses or events it stands for."
    )
    time: AwareDatetime = Field(description="When it happened first, RFC 3339 with zone.")
    controller: _Controller | None = Field(
        default=None, description="The controller, if it is known."
    )


class SubmittedGap(_Gap):
    """A gap as a publisher sends it."""

    id: SubmittedIdentifier = Field(
        description="Unique to the publisher; a repeat is counted once. Nothing that could be a "
        "telephone number: not 7 to 15 digits with nothing but punctuation."
    )


class Gap(_Gap):
    """A gap as ingest passes it on."""

    dataschema: Literal["urn:purposewatch:schema:gap:1.0"] = "urn:purposewatch:schema:gap:1.0"
    id: Identifier = Field(description="Unique to the publisher; a repeat is counted once.")
    publisher: Publisher = Field(description="Registered name of the publisher.")
    time: Instant = Field(description="When it happened first, RFC 3339 with zone.")
    accepted_time: Instant = Field(description="When ingest accepted the gap.")
