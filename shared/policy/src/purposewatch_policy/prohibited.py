"""Decides what is prohibited, wholly or in part."""

from typing import Final

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import (
    CategoryDecision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)
from purposewatch_policy.failed import failed_dimension, left_out
from purposewatch_policy.languages import english
from purposewatch_policy.languages.english import StatementWords
from purposewatch_policy.model import Statement
from purposewatch_policy.nearest import closest_named, nearest_miss
from purposewatch_policy.statement_sets import StatementSets
from purposewatch_policy.vocabulary import FlowTerms, Vocabulary

_DIMENSIONS: Final = tuple(Dimension)


def prohibited(
    flow: FlowTerms, compiled: CompiledPolicy, sets: StatementSets, category: str, covering: int
) -> CategoryDecision:
    """Decide a category of which prohibitions cover the flow or a part of it."""
    levels = sets.levels(flow, category)
    permit = None
    if permitting := covering & sets.permits:
        permit = sets.words[closest_named(permitting, levels)[0]]
    happened = english.event(flow, category, compiled.phrases[flow.operation])
    distance: int | None = None
    if prohibiting := covering & sets.prohibits:
        kind = Kind.PROHIBITED
        index, distance = closest_named(prohibiting, levels)
        words = sets.words[index]
        parts: tuple[FailedDimension, ...] = ()
        excepted = left_out(words.statement, flow, category, compiled.vocabulary)
        reason = english.prohibition(words, permit, excepted)
    else:
        kind = Kind.PROHIBITED_IN_PART
        words, parts = _prohibited_part(flow, compiled, category)
        reason = english.partial_prohibition(words, parts, permit)
    return CategoryDecision(
        data_category=category,
        outcome=Outcome.VIOLATION,
        kind=kind,
        grade=Grade.AMBIGUOUS if permit else Grade.INCORRECT,
        distance=distance,
        statement=words.statement.id,
        clause=words.statement.clause,
        failed=parts,
        sentence=happened + reason,
    )


def _prohibited_part(
    flow: FlowTerms, compiled: CompiledPolicy, category: str
) -> tuple[StatementWords, tuple[FailedDimension, ...]]:
    """Return the prohibition that covers the flow but for the fewest dimensions, and these."""
    prohibiting = compiled.prohibits
    for overlapping in compiled.overlaps.by_dimension(flow, category):
        prohibiting &= overlapping
    covering = compiled.covering_by_dimension(flow, category)
    index = nearest_miss(prohibiting, covering, compiled.paths(flow))
    statement = compiled.statements[index]
    return compiled.words[index], tuple(
        _part(dimension, statement, flow, category, compiled.vocabulary)
        for dimension, covered in zip(_DIMENSIONS, covering, strict=True)
        if not covered >> index & 1
    )


def _part(
    dimension: Dimension,
    prohibition: Statement,
    flow: FlowTerms,
    category: str,
    vocabulary: Vocabulary,
) -> FailedDimension:
    """Compare what a prohibition names in a dimension with the more general term of the flow."""
    compared = failed_dimension(dimension, prohibition, flow, category)
    if compared.actual is None:
        return compared
    taxonomy = vocabulary.taxonomy(dimension)
    below = tuple(each for each in compared.expected if taxonomy.covers(compared.actual, each))
    return FailedDimension(dimension, below, compared.actual)
