"""The words for what is decided: outcomes, kinds of violations, grades and dimensions."""

from collections.abc import Mapping
from enum import StrEnum


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
    CONTRADICTED_CLAIM = "contradicted_claim"
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
