"""Decides what is prohibited, wholly or in part."""

from typing import Final

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
from purposewatch_policy.lookup import Lookup
from purposewatch_policy.model import Statement
from purposewatch_policy.nearest import closest_named, nearest_miss
from purposewatch_policy.statement_row import StatementRow
from purposewatch_policy.statement_sets import positions
from purposewatch_policy.vocabulary import FlowTerms, Vocabulary

_DIMENSIONS: Final = tuple(Dimension)


def prohibited(lookup: Lookup, category: str, deciding: list[StatementRow]) -> CategoryDecision:
    """Decide a category of which prohibitions cover the flow or a part of it.

    `deciding` are the statements that concern the flow.
    """
    flow, compiled = lookup.flow, lookup.policy
    lineages = lookup.lineages(category)
    permitting = [each for each in deciding if each.permits]
    permit = closest_named(permitting, lineages)[0] if permitting else None
    overlapping = 0
    for each in deciding:
        if not each.permits:
            overlapping |= 1 << each.number
    by_dimension = compiled.covering_by_dimension(flow, category)
    covering = overlapping
    for covered in by_dimension:
        covering &= covered
    happened = english.event(flow, category, compiled.phrases[flow.operation])
    distance: int | None = None
    parts: tuple[FailedDimension, ...] = ()
    if covering:
        kind = Kind.PROHIBITED
        row, distance = closest_named([compiled.rows[n] for n in positions(covering)], lineages)
        excepted = left_out(row.statement, flow, category, compiled.vocabulary)
        reason = english.prohibition(row, permit, excepted)
    else:
        kind = Kind.PROHIBITED_IN_PART
        row = compiled.rows[nearest_miss(overlapping, by_dimension, compiled.paths(flow))]
        parts = tuple(
            [
                _part(dimension, row.statement, flow, category, compiled.vocabulary)
                for dimension, covered in zip(_DIMENSIONS, by_dimension, strict=True)
                if not covered >> row.number & 1
            ]
        )
        reason = english.partial_prohibition(row, parts, permit)
    return CategoryDecision(
        data_category=category,
        outcome=Outcome.VIOLATION,
        kind=kind,
        grade=Grade.AMBIGUOUS if permit else Grade.INCORRECT,
        distance=distance,
        statement=row.id,
        clause=row.clause,
        failed=parts,
        sentence=happened + reason,
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
