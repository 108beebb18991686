"""Decides the outcomes and kinds of flows by another policy, what it can't tell apart once. Pure.

A ledger has many flows and a policy few statements: most flows differ only in what the statements
do not look at. Reasons are left out; they are for the few flows that are shown.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from purposewatch_contract.codec import Flow
from purposewatch_policy import (
    CompiledPolicy,
    Dimension,
    FlowTerms,
    Kind,
    LedgerValues,
    Outcome,
    decide_under,
)
from purposewatch_policy.decision import PROHIBITING
from purposewatch_reporter.what_if.known_facts import decide_as_recorded

_PERMITTED, _UNKNOWN, _VIOLATION = Outcome.PERMITTED, Outcome.UNKNOWN, Outcome.VIOLATION
_PRECEDENCE = {str(kind): order for order, kind in enumerate(Kind)}
_OF_STATEMENTS = frozenset(
    {
        *PROHIBITING,
        Kind.UNDECLARED_ROLE,
        Kind.UNDECLARED_THIRD_PARTY_SHARING,
        Kind.UNDECLARED_CATEGORY,
        Kind.UNDECLARED_PURPOSE,
    }
)
"""Kinds that do not depend on which permit comes nearest."""
_CONCERNING = (Dimension.ROLE, Dimension.PURPOSE, Dimension.RECIPIENT)


_Terms: TypeAlias = tuple[str | None, str | None, str | None, str | None]
_Optional: TypeAlias = tuple[str | None, str | None, int | None, str | None]


class CategoryOutcome(NamedTuple):
    """What is decided about one data category, without the reasons."""

    outcome: Outcome
    kind: str | None


class FlowOutcome(NamedTuple):
    """What is decided about a flow, without the reasons."""

    outcome: Outcome
    kind: str | None
    categories: tuple[CategoryOutcome, ...]
    """One for each data category, in the flow's order."""
    missing: tuple[str, ...] = ()
    """The facts for want of which it is not known."""


class _Recorded(NamedTuple):
    """What flows with some data categories have in common."""

    categories: Mapping[str | None, CategoryOutcome]
    missing: tuple[str, ...]


class Outcomes:
    """Decides flows by one policy, and remembers what it decided about flows that are alike.

    It remembers no more than one result for each data category of each flow.
    """

    def __init__(self, candidate: CompiledPolicy) -> None:
        self._candidate = candidate
        self._role = _alike(candidate, Dimension.ROLE)
        self._operation = _alike(candidate, Dimension.OPERATION)
        self._purpose = _alike(candidate, Dimension.PURPOSE)
        self._recipient = _alike(candidate, Dimension.RECIPIENT)
        self._near_purpose = _alike(candidate, Dimension.PURPOSE, candidate.purpose_paths)
        self._near_recipient = _alike(candidate, Dimension.RECIPIENT, candidate.recipient_paths)
        self._category = _alike(candidate, Dimension.DATA_CATEGORY)
        self._source = _alike(candidate, Dimension.SOURCE)
        self._location = _alike(candidate, Dimension.LOCATION)
        self._legal_basis = _alike(candidate, Dimension.LEGAL_BASIS)
        self._terms: dict[tuple[str, str, str, str], _Terms] = {}
        self._optional: dict[_Optional, _Optional] = {}
        self._days: dict[tuple[int, int], int | None] = {}
        self._tested = {
            fact for each in candidate.statements for fact, _ in each.conditions()
        } - candidate.ledger_facts
        self._on_ledger = {
            dimension: _on_ledger(candidate, dimension)
            for dimension in (*_CONCERNING, Dimension.DATA_CATEGORY, Dimension.OPERATION)
        }
        self._categories: dict[object, dict[str | None, CategoryOutcome | None]] = {}
        self._flows: dict[object, _Recorded] = {}
        self._concluded: dict[tuple[CategoryOutcome, ...], FlowOutcome] = {}

    def decide(self, flow: FlowTerms, ledger: LedgerValues) -> FlowOutcome:
        """Decide a flow as `decide_as_recorded` does."""
        terms = flow.role, flow.operation, flow.purpose, flow.recipient
        optional = flow.source, flow.location, flow.retention_days, flow.legal_basis
        alike = self._optional.get(optional) or self._alike_optional(*optional)
        key = (
            self._terms.get(terms) or self._alike_terms(*terms),
            alike,
            self._holding(flow.facts) if flow.facts else None,
        )
        known = self._categories.get(key)
        if known is None:
            known = self._categories[key] = {}
        found = []
        for category in flow.data_categories:
            one = self._category.get(category, category)
            if one not in known:
                known[one] = self._independent(flow, category)
            outcome = known[one]
            if outcome is None:
                return self._as_recorded(flow, ledger, alike)
            found.append(outcome)
        return self._concluded_of(tuple(found))

    def _alike_terms(self, role: str, operation: str, purpose: str, recipient: str) -> _Terms:
        alike = self._terms[role, operation, purpose, recipient] = (
            self._role.get(role, role),
            self._operation.get(operation, operation),
            self._purpose.get(purpose, purpose),
            self._recipient.get(recipient, recipient),
        )
        return alike

    def _alike_optional(
        self, source: str | None, location: str | None, days: int | None, basis: str | None
    ) -> _Optional:
        candidate = self._candidate
        covering_days = candidate.retention(days)
        overlapping = candidate.overlaps.retention(days) & candidate.prohibits
        alike = self._optional[source, location, days, basis] = (
            self._source.get(source, source),
            self._location.get(location, location),
            self._days.setdefault((covering_days, overlapping), days),
            self._legal_basis.get(basis, basis),
        )
        return alike

    def _holding(self, facts: Mapping[str, bool]) -> frozenset[str] | None:
        """What matters of a publisher's claims: one that does not hold is as one not stated."""
        known = self._candidate.vocabulary.facts
        return (
            frozenset(
                fact
                for fact, holds in facts.items()
                if (holds and fact in self._tested) or fact not in known
            )
            or None
        )

    def _independent(self, flow: FlowTerms, category: str) -> CategoryOutcome | None:
        """Decide a data category whose outcome depends on no ledger's fact, else return `None`.

        INVARIANT: what decides is about role, category, purpose, recipient and operation; which
        permit comes nearest, if that matters, covers all of these but the operation. Where none
        of these statements depends on the ledger, no value of a fact changes the outcome.
        """
        about = self._concerning(flow, category)
        if about & self._on_ledger[Dimension.OPERATION].get(flow.operation, 0):
            return None
        facts = {
            fact: holds
            for fact, holds in flow.facts.items()
            if fact not in self._candidate.ledger_facts
        }
        alone = Flow(
            flow.controller,
            flow.role,
            flow.operation,
            flow.purpose,
            flow.recipient,
            (category,),
            flow.source,
            flow.location,
            flow.retention_days,
            flow.legal_basis,
            facts,
        )
        [decided] = decide_under(alone, self._candidate).categories
        if decided.kind is None or decided.kind in _OF_STATEMENTS or not about:
            return CategoryOutcome(decided.outcome, decided.kind and str(decided.kind))
        return None

    def _concerning(self, flow: FlowTerms, category: str) -> int:
        """The statements about role, category, purpose and recipient that depend on the ledger."""
        about = self._on_ledger[Dimension.DATA_CATEGORY].get(category, 0)
        terms = (flow.role, flow.purpose, flow.recipient)
        for dimension, term in zip(_CONCERNING, terms, strict=True):
            about &= self._on_ledger[dimension].get(term, 0)
        return about

    def _as_recorded(self, flow: FlowTerms, ledger: LedgerValues, optional: object) -> FlowOutcome:
        """Decide a flow whose outcome may depend on the values of facts.

        Which facts were looked up may depend on which permit comes nearest, and on all of the data
        categories together.
        """
        alike = [self._category.get(each, each) for each in flow.data_categories]
        key = (
            self._role.get(flow.role, flow.role),
            self._operation.get(flow.operation, flow.operation),
            self._near_purpose.get(flow.purpose, flow.purpose),
            self._near_recipient.get(flow.recipient, flow.recipient),
            frozenset(alike),
            optional,
            tuple(flow.facts.items()),
            tuple(ledger.items()),
        )
        found = self._flows.get(key)
        if found is None:
            decision, missing = decide_as_recorded(flow, self._candidate, ledger)
            outcomes = [
                CategoryOutcome(each.outcome, each.kind and str(each.kind))
                for each in decision.categories
            ]
            found = self._flows[key] = _Recorded(dict(zip(alike, outcomes, strict=True)), missing)
        concluded = self._concluded_of(tuple([found.categories[each] for each in alike]))
        return concluded._replace(missing=found.missing) if found.missing else concluded

    def _concluded_of(self, categories: tuple[CategoryOutcome, ...]) -> FlowOutcome:
        concluded = self._concluded.get(categories)
        if concluded is None:
            concluded = self._concluded[categories] = _conclude(categories)
        return concluded


def _on_ledger(candidate: CompiledPolicy, dimension: Dimension) -> dict[str | None, int]:
    """By term, the statements that depend on the ledger and cover it, or prohibit a part of it."""
    overlapping = candidate.overlaps.terms(dimension)
    return {
        term: (covering | overlapping[term] & candidate.prohibits) & candidate.on_ledger
        for term, covering in candidate.sets(dimension).items()
    }


def _alike(
    candidate: CompiledPolicy,
    dimension: Dimension,
    paths: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
) -> dict[str | None, str | None]:
    """For each term, the first of those that the same statements are about.

    INVARIANT: outcome and kind follow from which statements cover a flow and which prohibitions
    overlap it, dimension by dimension, and from whether the recipient is a third party. What lies
    above purposes and recipients, their `paths`, matters only to which statement comes nearest.
    """
    overlapping = candidate.overlaps.terms(dimension)
    first: dict[object, str | None] = {}
    return {
        term: first.setdefault(
            (
                covering,
                overlapping[term] & candidate.prohibits,
                dimension is Dimension.RECIPIENT and term in candidate.outside,
                None if term is None else paths.get(term),
            ),
            term,
        )
        for term, covering in candidate.sets(dimension).items()
    }


def _conclude(categories: tuple[CategoryOutcome, ...]) -> FlowOutcome:
    """The worst of the data categories' is the flow's, as in every decision."""
    kinds = [each.kind for each in categories if each.kind is not None]
    if kinds:
        return FlowOutcome(_VIOLATION, min(kinds, key=_PRECEDENCE.__getitem__), categories)
    unknown = any(each.outcome is _UNKNOWN for each in categories)
    return FlowOutcome(_UNKNOWN if unknown else _PERMITTED, None, categories)
