"""What a policy depends on that no recorded event has stated, so that no answer can be about it."""

from collections.abc import Iterable
from typing import NamedTuple

from purposewatch_policy import CompiledPolicy, Dimension, FlowTerms, Statement

_OPTIONAL = (Dimension.SOURCE, Dimension.LOCATION, Dimension.LEGAL_BASIS)
_TERMS = (
    Dimension.ROLE,
    Dimension.DATA_CATEGORY,
    Dimension.OPERATION,
    Dimension.PURPOSE,
    Dimension.RECIPIENT,
    *_OPTIONAL,
)


class Unstated(NamedTuple):
    """Something that a statement of the policy names and no event stated."""

    dimension: Dimension
    term: str | None
    """`None` if no event stated anything in this dimension."""


class StatedTerms:
    """Gathers what flows state, and compares it with what a policy names.

    Events leave out what the vocabulary of their time lacked. They were decided as they were
    stated; where that may have kept a publisher from saying more, it is told.
    """

    def __init__(self, candidate: CompiledPolicy, before: Iterable[CompiledPolicy]) -> None:
        """`before` are the versions that the events may have been decided by."""
        self._candidate = candidate
        self._before = tuple(before)
        self._seen: dict[Dimension, set[str | None]] = {dimension: set() for dimension in _TERMS}
        self._facts: set[str] = set()
        self._retention = False

    def add(self, flow: FlowTerms) -> None:
        """Take in a flow."""
        seen = self._seen
        seen[Dimension.ROLE].add(flow.role)
        seen[Dimension.DATA_CATEGORY].update(flow.data_categories)
        seen[Dimension.OPERATION].add(flow.operation)
        seen[Dimension.PURPOSE].add(flow.purpose)
        seen[Dimension.RECIPIENT].add(flow.recipient)
        seen[Dimension.SOURCE].add(flow.source)
        seen[Dimension.LOCATION].add(flow.location)
        seen[Dimension.LEGAL_BASIS].add(flow.legal_basis)
        if flow.facts:
            self._facts.update(flow.facts)
        self._retention = self._retention or flow.retention_days is not None

    def unstated(self) -> tuple[Unstated, ...]:
        """What no flow stated: whole dimensions, facts that publishers state, and new terms."""
        if not self._seen[Dimension.ROLE]:
            return ()
        return (*self._dimensions(), *self._unstated_facts(), *self._terms())

    def _dimensions(self) -> Iterable[Unstated]:
        statements = self._candidate.policy.statements
        for dimension in _OPTIONAL:
            if self._seen[dimension] <= {None} and any(
                each.terms(dimension) is not None for each in statements
            ):
                yield Unstated(dimension, None)
        if not self._retention and any(each.limits_retention for each in statements):
            yield Unstated(Dimension.RETENTION, None)

    def _unstated_facts(self) -> Iterable[Unstated]:
        named = {
            fact for each in self._candidate.policy.statements for fact, _ in each.conditions()
        }
        for fact in sorted(named - self._candidate.ledger_facts - self._facts):
            yield Unstated(Dimension.FACTS, fact)

    def _terms(self) -> Iterable[Unstated]:
        """New terms: no version before names them, and no flow states them or what is below."""
        for dimension in _TERMS:
            taxonomy = self._candidate.vocabulary.taxonomy(dimension)
            stated = {
                above
                for term in self._seen[dimension]
                if term is not None and term in taxonomy
                for above in taxonomy.lineage(term)
            }
            named = _named(self._candidate.policy.statements, dimension)
            known = set().union(
                *(_named(each.policy.statements, dimension) for each in self._before)
            )
            if self._seen[dimension] - {None}:
                for term in sorted(named - known - stated):
                    yield Unstated(dimension, term)


def _named(statements: Iterable[Statement], dimension: Dimension) -> set[str]:
    return {
        term
        for each in statements
        for term in (*(each.terms(dimension) or ()), *each.excepted(dimension))
    }
