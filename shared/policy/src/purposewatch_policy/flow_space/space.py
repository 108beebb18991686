"""Sets of flows, which `lint` and `diff` compute with.

A statement is tested on each dimension by itself, so what it covers is a product: on each axis a
set of values, together a box. Boxes intersect, contain and subtract one another axis by axis;
no flow is ever enumerated. The axes are read off the compiled policies' own bit sets, so they
cannot disagree with decisions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension
from purposewatch_policy.flow import MAX_FACTS, Flow
from purposewatch_policy.flow_space.term_sets import branches
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, stated_term


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """A span of retention times that the same statements allow; `last` is `None` at the end."""

    first: int
    last: int | None

    def __contains__(self, days: int) -> bool:
        """Whether a retention time lies in the span."""
        return self.first <= days and (self.last is None or days <= self.last)


Value: TypeAlias = str | bool | Days | None
"""A term, the state of a fact, or a span of days; `None` where a flow leaves the dimension out."""

Box: TypeAlias = tuple[int, ...]
"""For each axis a bit set of its values. INVARIANT: none of them is empty."""

OPTIONAL = (Dimension.SOURCE, Dimension.LOCATION, Dimension.LEGAL_BASIS)
"""The dimensions of terms that a flow may leave out."""

MAX_PIECES = 2_000
"""Steps after which a search for statements that cover a box together is given up."""

_ONLY_TRUE = 0b10
_FLOW_FIELDS = {Dimension.DATA_CATEGORY: "data_categories", Dimension.RETENTION: "retention_days"}


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of one dimension, or of one fact, and what covers each of them."""

    dimension: Dimension
    values: tuple[Value, ...]
    masks: tuple[int, ...]
    """For each value the statements that cover it."""
    taxonomy: Taxonomy | None = None
    """The terms of all versions; `None` for the retention and for facts."""
    fact: str | None = None

    @property
    def name(self) -> str:
        """The flow's field, or the fact."""
        return self.fact or _FLOW_FIELDS.get(self.dimension, str(self.dimension))

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


class FlowSpace:
    """All flows that some versions of a controller's policy can distinguish.

    Statements are numbered through all versions, in the order given.

    INVARIANT: a term that only some of the vocabularies have is read by the other versions as the
    nearest term above it that they do have. So a term that is merely new makes no difference,
    unless a statement names it.
    """

    def __init__(self, *versions: CompiledPolicy) -> None:
        self.versions = versions
        self.statements: tuple[Statement, ...] = tuple(
            statement for version in versions for statement in version.statements
        )
        self.axes = _axes(versions, self.statements)
        self.everything: Box = tuple(axis.everything for axis in self.axes)
        columns = [_transposed(axis.masks, len(self.statements)) for axis in self.axes]
        self.boxes: tuple[Box | None, ...] = tuple(
            box if self._is_possible(box) else None for box in zip(*columns, strict=True)
        )
        """What each statement covers; `None` when no flow can be in it."""

    def covering_by_dimension(self, flow: FlowTerms, category: str) -> list[int]:
        """Return for each dimension the statements that cover a flow of one data category."""
        covering = dict.fromkeys(Dimension, -1)
        for axis in self.axes:
            covering[axis.dimension] &= axis.masks[axis.position(flow, category)]
        return list(covering.values())

    def meet(self, one: Box, other: Box) -> Box | None:
        """Return the flows that are in both, unless there are none."""
        both = tuple(a & b for a, b in zip(one, other, strict=True))
        return both if self._is_possible(both) else None

    def covering(self, box: Box, among: int) -> int:
        """Return the statements, of a set of them, that each cover every flow of a box."""
        for axis, values in zip(self.axes, box, strict=True):
            for position in positions(values):
                among &= axis.masks[position]
            if not among:
                break
        return among

    def covering_together(self, box: Box, among: int) -> int:
        """Return statements, of a set of them, that cover every flow of a box together.

        Returns none when they do not, or when that would take too many steps to find out.
        """
        used = 0
        waiting = [box]
        for _ in range(MAX_PIECES):
            if not waiting:
                return used
            piece = waiting.pop()
            chosen = self.covering(piece, among) or self._least_covered(piece, among)
            statement = next(positions(chosen), None)
            other = None if statement is None else self.boxes[statement]
            if statement is None or other is None:
                return 0
            used |= 1 << statement
            waiting.extend(minus(piece, other))
        return 0

    def _least_covered(self, box: Box, among: int) -> int:
        """Return the statements that cover one flow of a box, one that few of them cover.

        If there is a gap, it is likely there.
        """
        for axis, values in zip(self.axes, box, strict=True):
            among = min((among & axis.masks[each] for each in positions(values)), key=int.bit_count)
        return among

    def example(self, box: Box) -> Flow:
        """Return one flow of the box that states as little as possible, in the highest terms."""
        stated: dict[str, object] = {}
        facts: dict[str, bool] = {}
        for axis, values in zip(self.axes, box, strict=True):
            members = axis.members(values)
            if axis.fact is not None:
                if False not in members:
                    facts[axis.fact] = True
            elif None not in members:
                shortest = members[0]
                stated[axis.name] = (
                    shortest.first or shortest.last
                    if isinstance(shortest, Days)
                    else self._most_common(axis, axis.highest(values))
                )
        stated["data_categories"] = (stated["data_categories"],)
        controller = self.versions[-1].policy.controller
        return Flow.model_validate({"controller": controller, **stated, "facts": facts})

    def _most_common(self, axis: Axis, terms: Sequence[str]) -> str:
        """Return the term nearest to its root, preferably one that every version has."""
        known = [version.vocabulary.taxonomy(axis.dimension) for version in self.versions]

        def order(term: str) -> tuple[int, int]:
            depth = len(axis.taxonomy.lineage(term)) if axis.taxonomy else 0
            return sum(term not in taxonomy for taxonomy in known), depth

        return min(terms, key=order)

    def _is_possible(self, box: Box) -> bool:
        """Whether a flow can be in the box: the number of facts that it may state is limited."""
        required = sum(
            axis.fact is not None and values == _ONLY_TRUE
            for axis, values in zip(self.axes, box, strict=True)
        )
        return all(box) and required <= MAX_FACTS


def contains(general: Box, specific: Box) -> bool:
    """Whether every flow of one box is in the other."""
    return not any(less & ~more for more, less in zip(general, specific, strict=True))


def minus(box: Box, other: Box) -> list[Box]:
    """Return what is left of a box without another, in disjoint pieces."""
    if not all(a & b for a, b in zip(box, other, strict=True)):
        return [box]
    pieces = []
    shared: list[int] = []
    for axis, (mine, theirs) in enumerate(zip(box, other, strict=True)):
        if outside := mine & ~theirs:
            pieces.append((*shared, outside, *box[axis + 1 :]))
        shared.append(mine & theirs)
    return pieces


def positions(members: int) -> Iterator[int]:
    """Yield the members of a bit set in order."""
    while members:
        lowest = members & -members
        yield lowest.bit_length() - 1
        members ^= lowest


def _axes(versions: Sequence[CompiledPolicy], statements: Sequence[Statement]) -> tuple[Axis, ...]:
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
            axes.append(Axis(Dimension.FACTS, (False, True), masks, fact=fact))
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
    return Axis(dimension, values, masks, terms)


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


def _retention(versions: Sequence[CompiledPolicy], statements: Sequence[Statement]) -> Axis:
    limits = {each.retention_days for each in statements if each.retention_days is not None}
    ends = [-1, *sorted(limits)]
    spans = [
        *(Days(before + 1, last) for before, last in pairwise(ends)),
        Days(ends[-1] + 1, None),
    ]
    masks = tuple(
        _side_by_side(versions, [version.retention(days) for version in versions])
        for days in (None, *(span.first for span in spans))
    )
    return Axis(Dimension.RETENTION, (None, *spans), masks)


def _side_by_side(versions: Sequence[CompiledPolicy], sets: Sequence[int]) -> int:
    """Return one set of all versions' statements out of a set for each version."""
    joined = shift = 0
    for version, members in zip(versions, sets, strict=True):
        joined |= members << shift
        shift += len(version.statements)
    return joined


def _transposed(masks: Sequence[int], statements: int) -> list[int]:
    """Return the values that each statement covers, from the statements that cover each value."""
    columns = [0] * statements
    for position, members in enumerate(masks):
        for statement in positions(members):
            columns[statement] |= 1 << position
    return columns
