"""Looks up the few statements that a flow has to be compared with, and compares them."""

from typing import Final

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.nearest import Lineages, closest_path
from purposewatch_policy.statement_row import StatementRow
from purposewatch_policy.vocabulary import FlowTerms

_COMPARED = (
    Dimension.OPERATION,
    Dimension.SOURCE,
    Dimension.LOCATION,
    Dimension.RETENTION,
    Dimension.LEGAL_BASIS,
    Dimension.FACTS,
)
_OPERATION: Final = 32
_SOURCE: Final = 16
_LOCATION: Final = 8
_RETENTION: Final = 4
_LEGAL_BASIS: Final = 2
_FACTS: Final = 1
"""A bit for each dimension after the recipient, a higher one for a more significant one."""

LACKING: Final = [
    tuple([each for bit, each in zip(range(5, -1, -1), _COMPARED, strict=True) if lacks >> bit & 1])
    for lacks in range(64)
]
"""The dimensions that some of these bits stand for."""

_RANK: Final = [lacks.bit_count() * 64 + lacks for lacks in range(64)]
"""What comes nearer has the lower rank: it lacks fewer dimensions, or less significant ones."""


class Lookup:
    """A flow and what is looked up once for all its data categories."""

    __slots__ = (
        "_covering",
        "_days",
        "_failing",
        "_holding",
        "_legal_basis",
        "_likely",
        "_location",
        "_operation",
        "_purposes",
        "_recipients",
        "_source",
        "_unconditional",
        "concerned",
        "flow",
        "index",
        "policy",
    )

    def __init__(
        self, flow: FlowTerms, policy: CompiledPolicy, *, unconditional: bool = False
    ) -> None:
        """Look up; where `unconditional`, the conditions of every statement hold.

        Raises `KeyError` for a term outside the vocabulary, except for a data category.
        """
        purpose, recipient, operation = flow.purpose, flow.recipient, flow.operation
        bits = policy.bits
        self.flow = flow
        self.policy = policy
        self.index = index = policy.for_role[flow.role]
        concerned = index.purpose[purpose] & index.recipient[recipient]
        self.concerned = concerned
        """The statements that concern role, purpose and recipient."""
        self._likely = concerned & index.operation[operation]
        self._operation = bits.operation[operation]
        self._source = bits.source[flow.source]
        self._location = bits.location[flow.location]
        self._legal_basis = bits.legal_basis[flow.legal_basis]
        days = flow.retention_days
        self._days = -1 if days is None else days
        holding = 0  # a fact that is not stated does not hold
        for fact, holds in flow.facts.items():
            bit = bits.facts[fact]
            if holds:
                holding |= bit
        self._covering: tuple[int, ...] = ()
        self._unconditional = unconditional
        self._holding = 0 if unconditional else holding
        self._failing = 0 if unconditional else bits.all_facts ^ holding
        self._purposes = policy.above_purpose[purpose]
        self._recipients = policy.above_recipient[recipient]

    def deciding(self, category: str) -> list[StatementRow]:
        """Return the statements that concern a flow of one data category, prohibitions first."""
        rows = self.index.rows
        found: list[StatementRow] = []
        remaining = self._likely & self.index.category[category]
        while remaining:
            number = remaining.bit_length() - 1
            remaining ^= 1 << number
            row = rows[number]
            if not self._lacking(row):
                found.append(row)
        return found

    def nearest(self, permits: int) -> tuple[StatementRow, int]:
        """Return the nearest miss of permits that agree up to the recipient, and what it lacks."""
        rows = self.index.rows
        lowest = _RANK[-1] + 1
        nearest = equals = 0
        while permits:
            number = permits.bit_length() - 1
            permits ^= 1 << number
            rank = _RANK[self._lacking(rows[number])]
            if rank < lowest:
                lowest = rank
                nearest = number
                equals = 0
            elif rank == lowest:
                equals |= 1 << number
        if equals:
            equals |= 1 << nearest
            nearest = closest_path(equals, self._paths())
        return rows[nearest], lowest & 63

    def covering(self, category: str) -> tuple[int, ...]:
        """Return for each dimension the statements that cover a flow of one data category."""
        policy = self.policy
        if not self._covering:  # seldom needed
            covering = policy.covering_by_dimension(self.flow, category)
            facts = policy.everything if self._unconditional else covering[-1]
            self._covering = (*covering[:-1], facts)
        return (self._covering[0], policy.category[category], *self._covering[2:])

    def lineages(self, category: str) -> Lineages:
        """Return the terms between which the distance to a statement is measured."""
        return self.policy.above_category[category], self._purposes, self._recipients

    def _lacking(self, row: StatementRow) -> int:
        """Return in which dimensions after the recipient a statement does not concern the flow."""
        lacking = 0
        if row.lacks_operation & self._operation:
            lacking = _OPERATION
        if row.lacks_source & self._source:
            lacking |= _SOURCE
        if row.lacks_location & self._location:
            lacking |= _LOCATION
        if row.limits_retention:
            days = self._days
            if row.permits if days < 0 else not row.least <= days <= row.most:
                lacking |= _RETENTION
        if row.lacks_legal_basis & self._legal_basis:
            lacking |= _LEGAL_BASIS
        if row.when & self._failing or row.unless & self._holding:
            lacking |= _FACTS
        return lacking

    def _paths(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return for recipient and purpose what names something at or below each ancestor."""
        index = self.index
        return (
            tuple([index.naming_below_recipient[above] for above in self._recipients]),
            tuple([index.naming_below_purpose[above] for above in self._purposes]),
        )
