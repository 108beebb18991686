"""Tells which statements of a policy speak of a term."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension
from purposewatch_policy.model import Policy, Statement
from purposewatch_policy.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class TermUsage:
    """The statements that speak of one term, each in one of three ways, in file order."""

    naming: tuple[Statement, ...] = ()
    """They name the term itself."""
    covering: tuple[Statement, ...] = ()
    """They name a term above it, and so cover it."""
    narrower: tuple[Statement, ...] = ()
    """They name only terms below it, and do not cover it."""


class UsedTerms:
    """The statements of one policy by the terms that they speak of. Immutable by convention.

    A statement that does not restrict a dimension speaks of none of its terms.
    """

    __slots__ = ("_named", "_statements", "_vocabulary")

    def __init__(self, policy: Policy, vocabulary: Vocabulary) -> None:
        """Note what each statement names. Its terms must be in the vocabulary."""
        self._vocabulary = vocabulary
        self._statements = policy.statements
        self._named: Mapping[str, list[frozenset[str]]] = {
            DIMENSION_FIELDS[dimension]: [
                frozenset(statement.terms(dimension) or ()) for statement in policy.statements
            ]
            for dimension in Dimension
            if dimension is not Dimension.RETENTION
        }

    def usage(self, dimension: str, term: str) -> TermUsage:
        """Return who speaks of a term of a dimension such as `data_categories`.

        Raises `KeyError` for a term outside the vocabulary.
        """
        taxonomy = self._vocabulary.taxonomies()[dimension]
        above = frozenset(taxonomy.lineage(term)[1:])
        naming, covering, narrower = [], [], []
        for statement, named in zip(self._statements, self._named[dimension], strict=True):
            if term in named:
                naming.append(statement)
            elif above & named:
                covering.append(statement)
            elif any(term in taxonomy.lineage(each) for each in named):
                narrower.append(statement)
        return TermUsage(tuple(naming), tuple(covering), tuple(narrower))
