"""The axes of a space of flows: what the statements of some versions can distinguish.

They are read off the compiled policies' own bit sets, so they cannot disagree with decisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import DIMENSION_FIELDS, FLOW_FIELDS, Dimension
from purposewatch_policy.flow_space.term_sets import branches
from purposewatch_policy.model import Statement
from purposewatch_policy.statement_sets import positions
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, stated_term


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """A span of retention times that the same statements cover; `last` is `None` at the end."""

    first: int
    last: int | None

    def __contains__(self, days: int) -> bool:
        """Whether a retention time lies in the span."""
        return self.first <= days and (self.last is None or days <= self.last)


Value: TypeAlias = str | bool | Days | None
"""A term, the state of a fact, or a span of days; `None` where a flow leaves the dimension out."""

OPTIONAL = (Dimension.SOURCE, Dimension.LOCATION, Dimension.LEGAL_BASIS)
"""The dimensions of terms that a flow may leave out."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of one dimension, or of one fact, and what covers each of them."""

    dimension: Dimension
    values: tuple[Value, ...]
    masks: tuple[int, ...]
    """For each value the statements that cover it."""
    overlapping: tuple[int, ...]
    """For each value the prohibitions that cover it or something more precise; `OverlapSets`."""
    taxonomy: Taxonomy | None = None
    """The terms of all versions; `None` for the retention and for facts."""
    fact: str | None = None

    @property
    def name(self) -> str:
        """The flow's field, or the fact."""
        return self.fact or FLOW_FIELDS[self.dimension]

    @property
    def everything(self) -> int:
        """The set of all values."""
        return (1 << len(self.values)) - 1

    def members(self, values: int) -> tuple[Value, ...]:
        """Return the values of a set."""
        return tuple(self.values[each] for each in positions(values))

    def highest(self, values: int) -> tuple[str, ...]:
        """Return the terms of a set that lie directly below no other of its terms."""
        if self.taxonomy is None:
            return ()
        terms = [each for each in self.members(values) if isinstance(each, str)]
        return tuple(each.term for each in branches(terms, self.taxonomy))

    def position(self, flow: FlowTerms, category: str) -> int:
        """Return which value a flow of one data category has. Raises `ValueError`."""
        if self.fact is not None:
            return self.values.index(flow.facts.get(self.fact, False))
        if self.dimension is not Dimension.RETENTION:
            return self.values.index(stated_term(flow, category, self.dimension))
        days = flow.retention_days
        return next(
            place
            for place, span in enumerate(self.values)
            if (days in span if isinstance(span, Days) and days is not None else span is days)
        )


def axes_of(
    versions: Sequence[CompiledPolicy], statements: Sequence[Statement]
) -> tuple[Axis, ...]:
    """Return the axes in the order of the dimensions' significance."""
    axes = []
    for dimension in Dimension:
        if dimension is Dimension.RETENTION:
            axes.append(_retention(versions, statements))
        elif dimension is not Dimension.FACTS:
            axes.append(_terms(versions, dimension))
    facts = dict.fromkeys(fact for version in versions for fact in version.vocabulary.facts)
    asked = {fact for each in statements for fact in (*each.when, *each.unless)}
    for fact in facts:
        if fact in asked:
            masks = (
                sum(1 << bit for bit, each in enumerate(statements) if fact not in each.when),
                sum(1 << bit for bit, each in enumerate(statements) if fact not in each.unless),
            )
            axes.append(Axis(Dimension.FACTS, (False, True), masks, masks, fact=fact))
    return tuple(axes)


def _terms(versions: Sequence[CompiledPolicy], dimension: Dimension) -> Axis:
    taxonomies = [version.vocabulary.taxonomy(dimension) for version in versions]
    terms = Taxonomy(
        taxonomies[0].noun, {term: entry for each in taxonomies for term, entry in each.items()}
    )
    values: tuple[str | None, ...] = (None, *terms) if dimension in OPTIONAL else tuple(terms)
    masks = tuple(
        _side_by_side(
            versions, [_covering(each, taxonomies, dimension, value) for each in versions]
        )
        for value in values
    )
    overlapping = tuple(
        _side_by_side(
            versions, [_overlapping(each, taxonomies, dimension, value) for each in versions]
        )
        for value in values
    )
    return Axis(dimension, values, masks, overlapping, terms)


def _covering(
    version: CompiledPolicy,
    taxonomies: Sequence[Taxonomy],
    dimension: Dimension,
    value: str | None,
) -> int:
    """Return the statements of one version that cover a value, as this version reads it."""
    sets = version.sets(dimension)
    if value is None or value in sets:
        return sets[value]
    lineage = next(taxonomy.lineage(value) for taxonomy in taxonomies if value in taxonomy)
    for above in lineage:
        if above in sets:
            return sets[above]
    field = DIMENSION_FIELDS[dimension]
    return sum(
        1 << bit for bit, each in enumerate(version.statements) if getattr(each, field) is None
    )


def _overlapping(
    version: CompiledPolicy,
    taxonomies: Sequence[Taxonomy],
    dimension: Dimension,
    value: str | None,
) -> int:
    """Return the prohibitions of one version that overlap a value, as this version reads it."""
    sets = version.overlaps.terms(dimension)
    if value is None or value in sets:
        return sets[value]
    overlapping = _covering(version, taxonomies, dimension, value)
    taxonomy = next(each for each in taxonomies if value in each)
    for bit, each in enumerate(version.statements):
        named = each.terms(dimension) or ()
        if any(term in taxonomy and taxonomy.covers(value, term) for term in named):
            overlapping |= 1 << bit
    return overlapping


def _retention(versions: Sequence[CompiledPolicy], statements: Sequence[Statement]) -> Axis:
    ends = [-1, *sorted({end for each in statements for end in each.retention_ends()})]
    spans = [
        *(Days(before + 1, last) for before, last in pairwise(ends)),
        Days(ends[-1] + 1, None),
    ]
    lengths = (None, *(span.first for span in spans))
    masks = tuple(
        _side_by_side(versions, [version.retention(days) for version in versions])
        for days in lengths
    )
    overlapping = tuple(
        _side_by_side(versions, [version.overlaps.retention(days) for version in versions])
        for days in lengths
    )
    return Axis(Dimension.RETENTION, (None, *spans), masks, overlapping)


def _side_by_side(versions: Sequence[CompiledPolicy], sets: Sequence[int]) -> int:
    """Return one set of all versions' statements out of a set for each version."""
    joined = shift = 0
    for version, members in zip(versions, sets, strict=True):
        joined |= members << shift
        shift += len(version.statements)
    return joined
