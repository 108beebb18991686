"""What is decided about an event: the outcome, its kind, and the reasons.

These are plain dataclasses because several of them are made for each event. The verdict message
embeds them unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def _frozen(cls: type[_T]) -> type[_T]:
    """Make a dataclass that only the type checker treats as frozen.

    Enforcing it at run time costs five times as much as the rest of making an instance.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


class Outcome(StrEnum):
    """What was decided. An event's outcome is the worst of its data categories'."""

    PERMITTED = "permitted"
    UNKNOWN = "unknown"
    VIOLATION = "violation"


class Kind(StrEnum):
    """Why a flow is a violation, in order of precedence: the first that applies is the kind."""

    POLICY_NOT_IN_FORCE = "policy_not_in_force"
    PROHIBITED = "prohibited"
    PROHIBITED_IN_PART = "prohibited_in_part"
    UNDECLARED_ROLE = "undeclared_role"
    UNDECLARED_THIRD_PARTY_SHARING = "undeclared_third_party_sharing"
    UNDECLARED_CATEGORY = "undeclared_category"
    UNDECLARED_PURPOSE = "undeclared_purpose"
    UNDECLARED_OPERATION = "undeclared_operation"
    UNDECLARED_SOURCE = "undeclared_source"
    UNDECLARED_LOCATION = "undeclared_location"
    EXCESSIVE_RETENTION = "excessive_retention"
    LEGAL_BASIS_MISMATCH = "legal_basis_mismatch"
    CONDITION_NOT_MET = "condition_not_met"


PROHIBITING = (Kind.PROHIBITED, Kind.PROHIBITED_IN_PART)
"""The kinds whose statement is a prohibition."""


class Grade(StrEnum):
    """How well the policy discloses the flow to the people it concerns.

    `clear`: a permitting statement names the very terms. `vague`: only ancestors of them.
    `omitted`: the policy does not mention it. `incorrect`: the policy prohibits it, or a part of
    it. `ambiguous`: the policy both permits and prohibits it, or a part of it.
    """

    CLEAR = "clear"
    VAGUE = "vague"
    OMITTED = "omitted"
    INCORRECT = "incorrect"
    AMBIGUOUS = "ambiguous"


class Dimension(StrEnum):
    """What a statement is tested on, in order of significance."""

    ROLE = "role"
    DATA_CATEGORY = "data_category"
    PURPOSE = "purpose"
    RECIPIENT = "recipient"
    OPERATION = "operation"
    SOURCE = "source"
    LOCATION = "location"
    RETENTION = "retention"
    LEGAL_BASIS = "legal_basis"
    FACTS = "facts"


DIMENSION_FIELDS: Mapping[Dimension, str] = {
    Dimension.ROLE: "roles",
    Dimension.DATA_CATEGORY: "data_categories",
    Dimension.PURPOSE: "purposes",
    Dimension.RECIPIENT: "recipients",
    Dimension.OPERATION: "operations",
    Dimension.SOURCE: "sources",
    Dimension.LOCATION: "locations",
    Dimension.RETENTION: "retention_days",
    Dimension.LEGAL_BASIS: "legal_bases",
    Dimension.FACTS: "facts",
}
"""What a statement and a vocabulary call a dimension; a statement splits the facts in two."""

FLOW_FIELDS: Mapping[Dimension, str] = {
    **{each: str(each) for each in Dimension},
    Dimension.DATA_CATEGORY: "data_categories",
    Dimension.RETENTION: "retention_days",
}
"""What a flow, which is the `data` of an event, calls a dimension."""


@_frozen
class FailedDimension:
    """One dimension in which the nearest statement, or a prohibition, does not cover the flow."""

    dimension: Dimension
    expected: tuple[str, ...]
    """What the statement names, in its own order; of a prohibition, below what the event states."""
    actual: str | None
    """What the event states; `None` when it states nothing."""


@_frozen
class CategoryDecision:
    """The decision about one data category of an event."""

    data_category: str
    outcome: Outcome
    kind: Kind | None
    """Set exactly when the outcome is a violation."""
    grade: Grade | None
    """`None` exactly when the outcome is unknown."""
    distance: int | None
    """Steps from the event's category, purpose and recipient up to the deciding statement's."""
    statement: str | None
    """Id of the deciding statement, or of the nearest miss."""
    clause: str | None
    """Where that statement is in the source document."""
    failed: tuple[FailedDimension, ...]
    """Empty unless the statement is a nearest miss, or prohibits a part of the flow."""
    sentence: str
    """The reason, in one plain English sentence."""

    @property
    def is_nearest_miss(self) -> bool:
        """Whether the statement is the nearest miss, instead of the one that decides."""
        return bool(self.failed) and self.kind is not Kind.PROHIBITED_IN_PART


@_frozen
class Decision:
    """The decision about one event, with what is needed to reproduce it."""

    outcome: Outcome
    kind: Kind | None
    policy_version: str | None
    policy_digest: str | None
    """SHA-256 (hex) of the policy version together with its vocabulary."""
    categories: tuple[CategoryDecision, ...]
    """One per data category, in the event's order."""
