"""Flows as the ledger has them, and what was counted of each. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from purposewatch_contract.codec import Flow

OTHER = "(other)"
"""Stands for every term of the flows of a controller beyond the limit, which have one row."""

CARRIED = "(carried)"
"""Stands for a term that is not known of counts which an earlier version kept."""

_decided = msgspec.json.Decoder(
    list[tuple[str, str, str | None, str | None, bool | int]]  # SQLite says 0 or 1
).decode


class LedgerFlow(msgspec.Struct, frozen=True, gc=False):
    """A distinct flow: everything of an event that a decision can depend on."""

    id: bytes
    """`flow_digest` of terms and ledger, unless it is `(other)` or carried."""
    terms: Flow
    """What the events state; the data categories in alphabetical order."""
    ledger: Mapping[str, bool | None] = {}
    """The facts that systems answer for: the values that the verdicts used."""
    is_other: bool = False
    """Whether it stands for all flows of the controller beyond the limit."""
    is_carried: bool = False
    """Whether it stands for counts of an earlier version, which did not know the whole flow."""


class Amount(msgspec.Struct, frozen=True, gc=False):
    """How often a publisher's events led to a decision."""

    publisher: str
    events: int
    accesses: int


class Sum(Amount, frozen=True, gc=False):
    """The same, and when."""

    first_time: datetime
    """Of the earliest event counted; `last_time`, of the latest."""
    last_time: datetime


A_co = TypeVar("A_co", bound=Amount, covariant=True)


class FlowOutline(msgspec.Struct, Generic[A_co], frozen=True, gc=False):
    """A decision about a flow, as far as is needed to compare it with another."""

    decision_id: bytes
    flow_id: bytes
    digest: str | None
    """Of the policy in force; `None` where none was."""
    outcome: str
    kind: str | None
    decided: str
    """The decisions about the data categories as JSON, with the fields of `DecidedCategory`.

    Empty where the flow was permitted and this is the only decision about it.
    """
    is_other: bool
    is_carried: bool
    controller: str
    role: str
    operation: str
    purpose: str
    recipient: str
    source: str | None
    location: str | None
    retention_days: int | None
    legal_basis: str | None
    data_categories: tuple[str, ...]
    facts: Mapping[str, bool]
    ledger: Mapping[str, bool | None]
    amounts: tuple[A_co, ...]
    """One for each publisher."""

    @property
    def categories(self) -> list["DecidedCategory"]:
        """The decisions about the data categories, where `decided` has them."""
        if not self.decided:
            return []
        return [
            DecidedCategory(category, outcome, kind, statement, bool(is_miss))
            for category, outcome, kind, statement, is_miss in _decided(self.decided)
        ]


class DecidedCategory(msgspec.Struct, frozen=True, gc=False):
    """What was decided about one data category."""

    data_category: str
    outcome: str
    kind: str | None
    statement: str | None
    is_nearest_miss: bool


class FlowCount(msgspec.Struct, frozen=True, gc=False):
    """How often one decision was reached about one flow."""

    flow: LedgerFlow
    outcome: str
    kind: str | None
    version: str | None
    digest: str | None
    """Version and digest of the policy in force; `None` where none was."""
    categories: tuple[DecidedCategory, ...]
    """Empty for `(other)` and carried flows."""
    events: int
    accesses: int
    """What the events stand for."""
    first_time: datetime
    """Of the earliest event counted; `last_time`, of the latest."""
    last_time: datetime
    publishers: tuple[str, ...]
    """In alphabetical order."""
