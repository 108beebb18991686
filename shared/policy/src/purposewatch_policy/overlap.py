"""Which prohibitions a more precise statement of a flow could come under.

A prohibition overlaps a term when it covers the term or names something below it. What a flow
leaves out stands for everything, so every prohibition overlaps it. Facts have no hierarchy, and one
that is not stated does not hold: a prohibition overlaps facts only when it covers them.
"""

from collections.abc import Mapping

from purposewatch_policy.decision import Dimension
from purposewatch_policy.statement_sets import StatementSets, naming_below
from purposewatch_policy.vocabulary import FlowTerms, Vocabulary, stated_term

_TERMS: tuple[Dimension, ...] = tuple(
    each for each in Dimension if each not in {Dimension.RETENTION, Dimension.FACTS}
)


class OverlapSets:
    """Which prohibitions overlap what. Immutable by convention.

    The statements are numbered as in the sets that it is made from; the bits of permits mean
    nothing.
    INVARIANT: a prohibition overlaps a flow in every dimension exactly when it covers the flow or a
    refinement of it: a flow that states something more precise in one dimension or more.
    """

    __slots__ = ("_sets", "_terms")

    def __init__(self, sets: StatementSets, vocabulary: Vocabulary) -> None:
        self._sets = sets
        self._terms = {each: _overlapping(sets, vocabulary, each) for each in _TERMS}

    def terms(self, dimension: Dimension) -> Mapping[str | None, int]:
        """Return the prohibitions that overlap each term; `None` is for a flow without one."""
        return self._terms[dimension]

    def retention(self, days: int | None) -> int:
        """Return the prohibitions that overlap keeping data for this many days."""
        return self._sets.everything if days is None else self._sets.retention(days)

    def by_dimension(self, flow: FlowTerms, category: str) -> tuple[int, ...]:
        """Return for each dimension those that overlap a flow of one data category.

        Raises `KeyError` for a term outside the vocabulary.
        """
        return tuple(
            self.retention(flow.retention_days)
            if dimension is Dimension.RETENTION
            else self._sets.facts(flow.facts)
            if dimension is Dimension.FACTS
            else self._terms[dimension][stated_term(flow, category, dimension)]
            for dimension in Dimension
        )


def _overlapping(
    sets: StatementSets, vocabulary: Vocabulary, dimension: Dimension
) -> dict[str | None, int]:
    covered = sets.sets(dimension)
    below = naming_below(sets.statements, vocabulary, dimension)
    return {None: sets.everything} | {term: covered[term] | below[term] for term in below}
