"""The space of flows that two versions of a policy judge, one axis for each dimension.

On every axis, a value maps to the statements of both versions that cover it: a bit set with the
old version's statements in the low bits and the new version's above them.

INVARIANT: a term that only one vocabulary has is read by the other version as the nearest term
above it that it does have. So a term that is merely new makes no difference, unless a statement
speaks of it; which terms are new or gone is told apart from the flows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.flow import Flow
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import NOUNS, Taxonomy


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """A span of retention times; `last` is `None` where there is no end."""

    first: int
    last: int | None


Value: TypeAlias = str | bool | Days | None
"""A term, the state of a fact, or a span of days; `None` where a flow leaves the dimension out."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of one dimension, or of one fact, and what covers each of them."""

    dimension: Dimension
    fact: str | None
    values: tuple[Value, ...]
    masks: tuple[int, ...]

    def extension(self, bit: int) -> int:
        """Return the set of values that a statement covers, as bits in the order of values."""
        return sum((mask >> bit & 1) << index for index, mask in enumerate(self.masks))

    def covering(self, flow: Flow) -> int:
        """Return the statements of both versions that cover a flow of one data category."""
        if self.fact is not None:
            return self.masks[flow.facts.get(self.fact, False)]
        if self.dimension is Dimension.RETENTION:
            return next(
                mask
                for span, mask in zip(self.values, self.masks, strict=True)
                if _spans(span, flow.retention_days)
            )
        if self.dimension is Dimension.DATA_CATEGORY:
            return self.masks[self.values.index(flow.data_categories[0])]
        return self.masks[self.values.index(getattr(flow, self.dimension))]


@dataclass(frozen=True, slots=True)
class Space:
    """All axes of two versions."""

    old: CompiledPolicy
    new: CompiledPolicy
    axes: tuple[Axis, ...]
    taxonomies: Mapping[Dimension, Taxonomy]
    """The terms of both vocabularies."""

    def statement(self, bit: int) -> Statement:
        """Return the statement behind a bit."""
        split = len(self.old.statements)
        return self.old.statements[bit] if bit < split else self.new.statements[bit - split]

    def covering(self, flow: Flow) -> list[int]:
        """Return for each dimension the statements that cover a flow of one data category."""
        covering = dict.fromkeys(Dimension, -1)
        for axis in self.axes:
            covering[axis.dimension] &= axis.covering(flow)
        return list(covering.values())


TAXONOMY_NAMES: Mapping[Dimension, str] = {
    Dimension.ROLE: "roles",
    Dimension.DATA_CATEGORY: "data_categories",
    Dimension.PURPOSE: "purposes",
    Dimension.RECIPIENT: "recipients",
    Dimension.OPERATION: "operations",
    Dimension.SOURCE: "sources",
    Dimension.LOCATION: "locations",
    Dimension.LEGAL_BASIS: "legal_bases",
}
"""The dimensions that have a taxonomy, by what vocabulary files call it."""

OPTIONAL = (Dimension.SOURCE, Dimension.LOCATION, Dimension.LEGAL_BASIS)
"""What a flow may leave out, apart from the retention."""


def build_space(old: CompiledPolicy, new: CompiledPolicy) -> Space:
    """Lay out the axes in the order of the dimensions' significance."""
    taxonomies = {
        dimension: Taxonomy(
            NOUNS[name],
            {**getattr(old.vocabulary, name), **getattr(new.vocabulary, name)},
        )
        for dimension, name in TAXONOMY_NAMES.items()
    }
    axes = []
    for dimension in Dimension:
        if dimension is Dimension.RETENTION:
            axes.append(_retention(old, new))
        elif dimension is Dimension.FACTS:
            axes.extend(_facts(old, new))
        else:
            axes.append(_terms(old, new, dimension, taxonomies[dimension]))
    return Space(old, new, tuple(axes), taxonomies)


def _terms(old: CompiledPolicy, new: CompiledPolicy, dimension: Dimension, terms: Taxonomy) -> Axis:
    values: tuple[Value, ...] = tuple(terms)
    if dimension in OPTIONAL:
        values = (None, *values)
    masks = tuple(
        _covering(old, new, dimension, value) | _covering(new, old, dimension, value) << _width(old)
        for value in values
    )
    return Axis(dimension, None, values, masks)


def _covering(
    side: CompiledPolicy, other: CompiledPolicy, dimension: Dimension, value: Value
) -> int:
    """Return the statements of one side that cover a value."""
    name = TAXONOMY_NAMES[dimension]
    sets = _SETS[dimension](side)
    if not isinstance(value, str):
        return sets[None]
    known: Taxonomy = getattr(side.vocabulary, name)
    if value in known:
        return sets[value]
    for above in getattr(other.vocabulary, name).lineage(value):
        if above in known:
            return sets[above]
    return sum(
        1 << bit
        for bit, statement in enumerate(side.statements)
        if getattr(statement, name) is None
    )


_SETS: Mapping[Dimension, Callable[[CompiledPolicy], Mapping[Any, int]]] = {
    Dimension.ROLE: lambda side: side.role,
    Dimension.DATA_CATEGORY: lambda side: side.category,
    Dimension.PURPOSE: lambda side: side.purpose,
    Dimension.RECIPIENT: lambda side: side.recipient,
    Dimension.OPERATION: lambda side: side.operation,
    Dimension.SOURCE: lambda side: side.source,
    Dimension.LOCATION: lambda side: side.location,
    Dimension.LEGAL_BASIS: lambda side: side.legal_basis,
}


def _retention(old: CompiledPolicy, new: CompiledPolicy) -> Axis:
    limits = {
        each.retention_days
        for each in (*old.statements, *new.statements)
        if each.retention_days is not None
    }
    ends = [-1, *sorted(limits)]
    spans = [Days(before + 1, last) for before, last in pairwise(ends)]
    values = (None, *spans, Days(ends[-1] + 1, None))
    shortest = [span.first if span else None for span in values]
    masks = tuple(old.retention(days) | new.retention(days) << _width(old) for days in shortest)
    return Axis(Dimension.RETENTION, None, values, masks)


def _spans(span: Value, days: int | None) -> bool:
    if not isinstance(span, Days) or days is None:
        return span is None and days is None
    return span.first <= days <= (days if span.last is None else span.last)


def _facts(old: CompiledPolicy, new: CompiledPolicy) -> list[Axis]:
    statements = (*old.statements, *new.statements)
    facts = sorted({fact for each in statements for fact in (*each.when, *each.unless)})
    return [
        Axis(
            Dimension.FACTS,
            fact,
            (False, True),
            (
                sum(1 << bit for bit, each in enumerate(statements) if fact not in each.when),
                sum(1 << bit for bit, each in enumerate(statements) if fact not in each.unless),
            ),
        )
        for fact in facts
    ]


def _width(old: CompiledPolicy) -> int:
    return len(old.statements)
