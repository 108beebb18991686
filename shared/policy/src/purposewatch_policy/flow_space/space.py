"""Sets of flows, which `lint` and `diff` compute with.

A statement is tested on each dimension by itself, so what it covers is a product: on each axis a
set of values, together a box. Boxes intersect, contain and subtract one another axis by axis;
no flow is ever enumerated.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.flow import MAX_FACTS, Flow
from purposewatch_policy.flow_space.axes import Axis, Days, axes_of
from purposewatch_policy.statement_sets import positions
from purposewatch_policy.vocabulary import FlowTerms

Box: TypeAlias = tuple[int, ...]
"""For each axis a bit set of its values. INVARIANT: none of them is empty."""

MAX_PIECES = 2_000
"""Steps after which a search for statements that cover a box together is given up."""

_ONLY_TRUE = 0b10


class FlowSpace:
    """All flows that some versions of a controller's policy can distinguish.

    Statements are numbered through all versions, in the order given.

    INVARIANT: a term that only some of the vocabularies have is read by the other versions as the
    nearest term above it that they do have. So a term that is merely new makes no difference,
    unless a statement names it.
    """

    def __init__(self, *versions: CompiledPolicy) -> None:
        self.versions = versions
        self.statements = tuple(
            statement for version in versions for statement in version.statements
        )
        self.axes = axes_of(versions, self.statements)
        self.everything: Box = tuple(axis.everything for axis in self.axes)
        self.boxes: tuple[Box | None, ...] = tuple(
            box if self._is_possible(box) else None
            for box in self._transposed([axis.masks for axis in self.axes])
        )
        """What each statement covers; `None` when no flow can be in it."""
        self.overlapped: tuple[Box, ...] = self._transposed(
            [axis.overlapping for axis in self.axes]
        )
        """What each prohibition overlaps. What stands there for a permit means nothing."""

    def covering_by_dimension(self, flow: FlowTerms, category: str) -> list[int]:
        """Return for each dimension the statements that cover a flow of one data category."""
        covering = dict.fromkeys(Dimension, -1)
        for axis in self.axes:
            covering[axis.dimension] &= axis.masks[axis.position(flow, category)]
        return list(covering.values())

    def known_term(self, dimension: Dimension, term: str, version: CompiledPolicy) -> str:
        """Return what a version reads a term of some version as: `term` itself if none is known."""
        known = version.vocabulary.taxonomy(dimension)
        for axis in self.axes:
            if axis.dimension is dimension and axis.taxonomy is not None:
                return next((up for up in axis.taxonomy.lineage(term) if up in known), term)
        return term

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

    def _transposed(self, masks: Iterable[Sequence[int]]) -> tuple[Box, ...]:
        """Return each statement's values on each axis, from each value's statements."""
        columns = []
        for of_axis in masks:
            values = [0] * len(self.statements)
            for position, members in enumerate(of_axis):
                for statement in positions(members):
                    values[statement] |= 1 << position
            columns.append(values)
        return tuple(zip(*columns, strict=True))

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
