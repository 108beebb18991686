"""Tells which statements of a policy speak of a term."""

from collections import defaultdict
from dataclasses import dataclass

from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension
from purposewatch_policy.model import Policy, Statement
from purposewatch_policy.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class TermUsage:
    """The statements that speak of one term, each in one of four ways, in file order."""

    naming: tuple[Statement, ...] = ()
    """They name the term itself."""
    covering: tuple[Statement, ...] = ()
    """They name a term above it, and so cover it."""
    narrower: tuple[Statement, ...] = ()
    """They name only terms below it, and do not cover it."""
    excepting: tuple[Statement, ...] = ()
    """They name a term above it, and leave it out again."""


class UsedTerms:
    """The statements of one policy by the terms that they speak of. Immutable by convention.

    A statement that does not restrict a dimension speaks of none of its terms.
    """

    __slots__ = ("_above", "_named", "_statements", "_vocabulary")

    def __init__(self, policy: Policy, vocabulary: Vocabulary) -> None:
        """Note what each statement names. Its terms must be in the vocabulary."""
        self._vocabulary = vocabulary
        self._statements = policy.statements
        self._named: dict[str, dict[str, list[int]]] = {}
        self._above: dict[str, dict[str, list[int]]] = {}
        for dimension in Dimension:
            if dimension is Dimension.RETENTION:
                continue
            taxonomy = vocabulary.taxonomy(dimension)
            named: dict[str, list[int]] = defaultdict(list)
            above: dict[str, list[int]] = defaultdict(list)
            for index, statement in enumerate(policy.statements):
                terms = dict.fromkeys(statement.terms(dimension) or ())
                for term in terms:
                    named[term].append(index)
                for term in {up for each in terms for up in taxonomy.lineage(each)[1:]}:
                    above[term].append(index)
            self._named[DIMENSION_FIELDS[dimension]] = named
            self._above[DIMENSION_FIELDS[dimension]] = above

    def usage(self, dimension: str, term: str) -> TermUsage:
        """Return who speaks of a term of a dimension such as `data_categories`.

        Raises `KeyError` for a term outside the vocabulary.
        """
        lineage = self._vocabulary.taxonomies()[dimension].lineage(term)
        named = self._named[dimension]
        naming = set(named.get(term, ()))
        covering = {index for above in lineage[1:] for index in named.get(above, ())} - naming
        excepting = {
            index
            for index in covering
            for each in self._statements[index].exceptions.items()
            if DIMENSION_FIELDS[each[0]] == dimension and not set(each[1]).isdisjoint(lineage)
        }
        covering -= excepting
        narrower = set(self._above[dimension].get(term, ())) - naming - covering - excepting
        return TermUsage(*map(self._in_order, (naming, covering, narrower, excepting)))

    def _in_order(self, indices: set[int]) -> tuple[Statement, ...]:
        return tuple(self._statements[index] for index in sorted(indices))
