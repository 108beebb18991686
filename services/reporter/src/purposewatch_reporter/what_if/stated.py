"""What a policy depends on that no recorded event has stated, so that no answer can be about it."""

from collections.abc import Iterable, Sequence
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
        self._statements = candidate.policy.statements
        self._statements_before = [each for one in before for each in one.policy.statements]
        self._roles: set[str] = set()
        self._categories: set[str] = set()
        self._operations: set[str] = set()
        self._purposes: set[str] = set()
        self._recipients: set[str] = set()
        self._sources: set[str | None] = set()
        self._locations: set[str | None] = set()
        self._bases: set[str | None] = set()
        self._retentions: set[int | None] = set()
        self._facts: set[str] = set()

    def add(self, flows: Sequence[FlowTerms]) -> None:
        """Take in some flows, one dimension after the other, which is the quickest."""
        self._roles.update([each.role for each in flows])
        self._operations.update([each.operation for each in flows])
        self._purposes.update([each.purpose for each in flows])
        self._recipients.update([each.recipient for each in flows])
        self._sources.update([each.source for each in flows])
        self._locations.update([each.location for each in flows])
        self._bases.update([each.legal_basis for each in flows])
        self._retentions.update([each.retention_days for each in flows])
        self._categories.update(*[each.data_categories for each in flows])
        self._facts.update(*[each.facts for each in flows if each.facts])

    @property
    def _seen(self) -> dict[Dimension, set[str]]:
        """What the flows stated in each dimension of terms."""
        sets: tuple[Iterable[str | None], ...] = (
            self._roles,
            self._categories,
            self._operations,
            self._purposes,
            self._recipients,
            self._sources,
            self._locations,
            self._bases,
        )
        return {
            dimension: {term for term in seen if term is not None}
            for dimension, seen in zip(_TERMS, sets, strict=True)
        }

    def unstated(self) -> tuple[Unstated, ...]:
        """What no flow stated, and no version before depends on.

        Whole dimensions, facts that publishers state, and terms.
        """
        if not self._roles:
            return ()
        return (*self._dimensions(), *self._unstated_facts(), *self._terms())

    def _dimensions(self) -> Iterable[Unstated]:
        after, before, seen = self._statements, self._statements_before, self._seen
        for dimension in _OPTIONAL:
            if (
                not seen[dimension]
                and any(each.terms(dimension) for each in after)
                and not any(each.terms(dimension) for each in before)
            ):
                yield Unstated(dimension, None)
        if (
            self._retentions == {None}
            and any(each.limits_retention for each in after)
            and not any(each.limits_retention for each in before)
        ):
            yield Unstated(Dimension.RETENTION, None)

    def _unstated_facts(self) -> Iterable[Unstated]:
        new = _conditions(self._statements) - _conditions(self._statements_before)
        for fact in sorted(new - self._candidate.ledger_facts - self._facts):
            yield Unstated(Dimension.FACTS, fact)

    def _terms(self) -> Iterable[Unstated]:
        """New terms: no version before names them, and no flow states them or what is below."""
        for dimension, seen in self._seen.items():
            taxonomy = self._candidate.vocabulary.taxonomy(dimension)
            stated = {
                above for term in seen if term in taxonomy for above in taxonomy.lineage(term)
            }
            named = _named(self._statements, dimension)
            known = _named(self._statements_before, dimension)
            if seen:
                for term in sorted(named - known - stated):
                    yield Unstated(dimension, term)


def _named(statements: Iterable[Statement], dimension: Dimension) -> set[str]:
    return {
        term
        for each in statements
        for term in (*(each.terms(dimension) or ()), *each.excepted(dimension))
    }


def _conditions(statements: Iterable[Statement]) -> set[str]:
    return {fact for each in statements for fact, _ in each.conditions()}
