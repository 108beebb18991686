"""Which statements cover what, dimension by dimension, for those who look beyond the decision."""

from purposewatch_policy.change import STATEMENT_FIELDS
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, Vocabulary


def taxonomy_of(vocabulary: Vocabulary, dimension: Dimension) -> Taxonomy:
    """Return the terms of a dimension; of the facts, too. Retention has none: `KeyError`."""
    name = "facts" if dimension is Dimension.FACTS else STATEMENT_FIELDS[dimension]
    taxonomy: Taxonomy = getattr(vocabulary, name)
    return taxonomy


def stated_term(flow: FlowTerms, category: str, dimension: Dimension) -> str | None:
    """Return what a flow states of one category in a dimension of terms."""
    if dimension is Dimension.DATA_CATEGORY:
        return category
    term: str | None = getattr(flow, dimension)
    return term


def covering_term(compiled: CompiledPolicy, dimension: Dimension, term: str | None) -> int:
    """Return the statements that cover a term. Raises `KeyError` for an unknown one."""
    name = "category" if dimension is Dimension.DATA_CATEGORY else str(dimension)
    sets: dict[str | None, int] = getattr(compiled, name)
    return sets[term]


def covering_sets(compiled: CompiledPolicy, flow: FlowTerms, category: str) -> tuple[int, ...]:
    """Return for each dimension the statements that cover a flow of one category in it.

    Raises `KeyError` for a term outside the vocabulary.
    """
    return tuple(_covering(compiled, flow, category, dimension) for dimension in Dimension)


def _covering(
    compiled: CompiledPolicy, flow: FlowTerms, category: str, dimension: Dimension
) -> int:
    if dimension is Dimension.RETENTION:
        return compiled.retention(flow.retention_days)
    if dimension is Dimension.FACTS:
        return compiled.facts(flow.facts)
    return covering_term(compiled, dimension, stated_term(flow, category, dimension))
