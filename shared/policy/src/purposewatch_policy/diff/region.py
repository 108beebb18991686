"""Puts a box of flows into words: for each dimension, the highest terms that lie in it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.diff.space import OPTIONAL, Axis, Days, Space, Value
from purposewatch_policy.flow import Flow
from purposewatch_policy.flow_space.term_sets import TermSet, describe
from purposewatch_policy.vocabulary import Taxonomy


@dataclass(frozen=True, slots=True)
class Terms:
    """What flows of a region state in one dimension."""

    stated: TermSet | None
    """`None` where no flow of the region states anything."""
    unstated: bool
    """Whether flows that leave the dimension out belong to the region."""

    def __str__(self) -> str:
        if self.stated is None:
            return "not stated"
        return f"{self.stated}, or not stated" if self.unstated else str(self.stated)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long flows of a region keep the data."""

    spans: tuple[Days, ...]
    unstated: bool

    def __str__(self) -> str:
        parts = [
            f"more than {span.first - 1} days"
            if span.last is None
            else f"{span.first} to {span.last} days"
            for span in self.spans
        ]
        return ", ".join([*parts, *(["not stated"] if self.unstated else [])])


@dataclass(frozen=True, slots=True)
class Region:
    """A set of flows, by dimension. A dimension that is not restricted is absent.

    Role, data category, purpose, recipient and operation are always there.
    """

    terms: Mapping[Dimension, Terms]
    retention: Retention | None
    facts: Mapping[str, bool]


def region(space: Space, sides: tuple[int, ...]) -> Region:
    """Describe the box with these sides."""
    terms: dict[Dimension, Terms] = {}
    retention = None
    facts: dict[str, bool] = {}
    for axis, side in zip(space.axes, sides, strict=True):
        values = _values(axis, side)
        whole = len(values) == len(axis.values)
        if axis.fact is not None:
            if not whole:
                facts[axis.fact] = values[0] is True
        elif axis.dimension is Dimension.RETENTION:
            if not whole:
                spans = [value for value in values if isinstance(value, Days)]
                retention = Retention(tuple(_merged(spans)), None in values)
        elif not whole or axis.dimension not in OPTIONAL:
            stated = [value for value in values if isinstance(value, str)]
            terms[axis.dimension] = Terms(
                describe(stated, space.taxonomies[axis.dimension]) if stated else None,
                None in values,
            )
    return Region(terms, retention, facts)


def example(space: Space, sides: tuple[int, ...]) -> Flow:
    """Return a flow of the box that states as little as it can, in the highest terms there are."""
    chosen: dict[Dimension, Value] = {}
    facts: dict[str, bool] = {}
    for axis, side in zip(space.axes, sides, strict=True):
        values = _values(axis, side)
        if axis.fact is not None:
            if False not in values:
                facts[axis.fact] = True
        elif None in values:
            continue
        elif axis.dimension is Dimension.RETENTION:
            chosen[axis.dimension] = values[0]
        else:
            chosen[axis.dimension] = _highest(values, space, axis.dimension)
    kept = chosen.get(Dimension.RETENTION)
    stated = {
        dimension.value: value
        for dimension, value in chosen.items()
        if dimension not in {Dimension.RETENTION, Dimension.DATA_CATEGORY}
    }
    return Flow.model_validate(
        {
            "controller": space.new.policy.controller,
            "data_categories": [chosen[Dimension.DATA_CATEGORY]],
            "retention_days": kept.first if isinstance(kept, Days) else None,
            "facts": facts,
            **stated,
        }
    )


def _values(axis: Axis, side: int) -> list[Value]:
    return [value for index, value in enumerate(axis.values) if side >> index & 1]


def _merged(spans: list[Days]) -> list[Days]:
    merged: list[Days] = []
    for span in spans:
        if merged and merged[-1].last == span.first - 1:
            merged[-1] = Days(merged[-1].first, span.last)
        else:
            merged.append(span)
    return merged


def _highest(values: Collection[Value], space: Space, dimension: Dimension) -> Value:
    """Return the value nearest to its root, if possible one that both vocabularies have."""
    taxonomy = space.taxonomies[dimension]
    sides = (space.old, space.new)

    def order(value: Value) -> tuple[int, int]:
        missing = sum(value not in _taxonomy(side, taxonomy) for side in sides)
        return missing, len(taxonomy.lineage(str(value)))

    return min(values, key=order)


def _taxonomy(side: CompiledPolicy, like: Taxonomy) -> Taxonomy:
    return next(each for each in side.vocabulary.taxonomies().values() if each.noun == like.noun)
