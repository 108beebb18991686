"""Describes a box of flows: for each dimension, the highest terms that lie in it."""

from collections.abc import Mapping
from dataclasses import dataclass

from purposewatch_policy.decision import Dimension
from purposewatch_policy.flow_space.axes import OPTIONAL, Days
from purposewatch_policy.flow_space.space import Box, FlowSpace
from purposewatch_policy.flow_space.term_sets import TermSet, describe


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


def describe_box(space: FlowSpace, box: Box) -> Region:
    """Describe the flows of a box."""
    terms: dict[Dimension, Terms] = {}
    retention = None
    facts: dict[str, bool] = {}
    for axis, values in zip(space.axes, box, strict=True):
        members = axis.members(values)
        whole = values == axis.everything
        if axis.fact is not None:
            if not whole:
                facts[axis.fact] = members[0] is True
        elif axis.taxonomy is None:
            if not whole:
                spans = [each for each in members if isinstance(each, Days)]
                retention = Retention(tuple(_merged(spans)), None in members)
        elif not whole or axis.dimension not in OPTIONAL:
            stated = [each for each in members if isinstance(each, str)]
            terms[axis.dimension] = Terms(
                describe(stated, axis.taxonomy) if stated else None, None in members
            )
    return Region(terms, retention, facts)


def _merged(spans: list[Days]) -> list[Days]:
    merged: list[Days] = []
    for span in spans:
        if merged and merged[-1].last == span.first - 1:
            merged[-1] = Days(merged[-1].first, span.last)
        else:
            merged.append(span)
    return merged
