"""Sets of flows: what a statement covers, as one box.

A statement is tested on each dimension alone, so what it covers is a product: on each axis a set
of values. Boxes intersect, contain and subtract one another axis by axis, and nothing has to be
enumerated. They are read off the compiled policy's own bit sets, so that they can't disagree with
its decisions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.flow import MAX_FACTS, MAX_RETENTION_DAYS, Flow
from purposewatch_policy.lint.finding import listed
from purposewatch_policy.vocabulary import Taxonomy

Box: TypeAlias = tuple[int, ...]
"""For each axis a bit set of its values. INVARIANT: none of them is empty."""

MAX_PIECES = 2_000
"""Boxes that are looked at to see whether statements cover one together, before giving up."""

_ONLY_TRUE = 0b10
_NOUNS = {"data_categories": "data", "retention_days": "retention", "legal_basis": "legal basis"}


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension, or one fact."""

    name: str
    """The flow's field, or the fact."""
    values: tuple[str | int | bool | None, ...]
    """`None` is a flow that leaves the field out. A number of days stands for all that the same
    statements allow."""
    taxonomy: Taxonomy | None = None
    is_fact: bool = False

    def highest(self, members: int) -> tuple[str, ...]:
        """Return the terms of a set that lie below no other of its terms."""
        taxonomy = self.taxonomy
        if taxonomy is None:
            return ()
        terms = [each for each in self.allowed(members) if isinstance(each, str)]
        return tuple(each for each in terms if taxonomy[each].parent not in terms)

    def allowed(self, members: int) -> tuple[str | int | None, ...]:
        """Return the values of a set."""
        return tuple(each for place, each in enumerate(self.values) if members >> place & 1)

    @property
    def everything(self) -> int:
        return (1 << len(self.values)) - 1


class FlowSpace:
    """All flows that one version of a policy can tell apart."""

    def __init__(self, compiled: CompiledPolicy) -> None:
        self.controller = compiled.policy.controller
        self.axes, self._covering = _axes(compiled)
        columns = [_transposed(sets, len(compiled.statements)) for sets in self._covering]
        boxes = zip(*columns, strict=True)
        self.boxes: tuple[Box | None, ...] = tuple(
            box if all(box) and self._fits(box) else None for box in boxes
        )
        """What each statement covers, in file order; `None` when no event can be in it."""

    def meet(self, one: Box, other: Box) -> Box | None:
        """Return the flows that are in both, unless there are none."""
        both = tuple(a & b for a, b in zip(one, other, strict=True))
        return both if all(both) and self._fits(both) else None

    def containing(self, box: Box, among: int) -> int:
        """Return the statements, of a set of them, that cover every flow of a box."""
        for members, sets in zip(box, self._covering, strict=True):
            for position in positions(members):
                among &= sets[position]
            if not among:
                break
        return among

    def covering(self, box: Box, among: int) -> int:
        """Return statements, of a set of them, that cover every flow of a box together.

        Returns none when they do not, or when it is too laborious to find out.
        """
        used = 0
        waiting = [box]
        for _ in range(MAX_PIECES):
            if not waiting:
                return used
            piece = waiting.pop()
            chosen = self.containing(piece, among) or self._least_covered(piece, among)
            statement = next(positions(chosen), None)
            other = None if statement is None else self.boxes[statement]
            if statement is None or other is None:
                return 0
            used |= 1 << statement
            waiting.extend(minus(piece, other))
        return 0

    def _least_covered(self, box: Box, among: int) -> int:
        """Return the statements that cover one flow of a box, one that few of them cover.

        Mostly that is where a gap is, if there is one.
        """
        for members, sets in zip(box, self._covering, strict=True):
            among = min((among & sets[each] for each in positions(members)), key=int.bit_count)
        return among

    def described(self, box: Box) -> dict[str, tuple[str, ...]]:
        """Return the box in the highest terms, by axis; axes without restriction are left out."""
        return {
            axis.name: self._values(axis, members)
            for axis, members in zip(self.axes, box, strict=True)
            if members != axis.everything
        }

    def sentence(self, box: Box) -> str:
        """Say which flows are in the box."""
        parts = []
        for name, values in self.described(box).items():
            if values in {("true",), ("false",)}:
                parts.append(f"`{name}` is {values[0]}")
            elif name == "retention_days":
                parts.append(f"at most {values[-1]} days")
            else:
                parts.append(f"{_NOUNS.get(name, name)} {listed(values)}")
        return "; ".join(parts) if parts else "all"

    def example(self, box: Box) -> Flow:
        """Return one flow of the box that states no more than it has to."""
        stated: dict[str, object] = {}
        facts: dict[str, bool] = {}
        for axis, members in zip(self.axes, box, strict=True):
            allowed = axis.allowed(members)
            if axis.is_fact:
                if False not in allowed:
                    facts[axis.name] = True
            elif None not in allowed:
                highest = axis.highest(members)
                stated[axis.name] = highest[0] if highest else allowed[-1]
        stated["data_categories"] = (stated["data_categories"],)
        return Flow.model_validate({"controller": self.controller, **stated, "facts": facts})

    def wider(self, general: Box, specific: Box) -> tuple[str, ...]:
        """Return the axes on which one box holds more than the other."""
        return tuple(
            axis.name
            for axis, more, less in zip(self.axes, general, specific, strict=True)
            if more & ~less
        )

    def _values(self, axis: Axis, members: int) -> tuple[str, ...]:
        if axis.taxonomy is not None:
            return axis.highest(members)
        return tuple(str(each).lower() for each in axis.allowed(members))

    def _fits(self, box: Box) -> bool:
        """Whether an event may carry the facts that have to hold."""
        required = sum(
            axis.is_fact and members == _ONLY_TRUE
            for axis, members in zip(self.axes, box, strict=True)
        )
        return required <= MAX_FACTS


def contains(general: Box, specific: Box) -> bool:
    """Whether every flow of one box is in the other."""
    return not any(less & ~more for more, less in zip(general, specific, strict=True))


def minus(box: Box, other: Box) -> list[Box]:
    """Return what is left of a box without another, in disjoint pieces."""
    if not all(a & b for a, b in zip(box, other, strict=True)):
        return [box]
    pieces = []
    shared: list[int] = []
    for axis, mine, theirs in zip(count(), box, other, strict=False):
        if outside := mine & ~theirs:
            pieces.append((*shared, outside, *box[axis + 1 :]))
        shared.append(mine & theirs)
    return pieces


def _axes(compiled: CompiledPolicy) -> tuple[tuple[Axis, ...], list[Sequence[int]]]:
    """Return the axes, and for each value of each the statements that cover it."""
    vocabulary = compiled.vocabulary
    everything = (1 << len(compiled.statements)) - 1
    terms: tuple[tuple[str, Mapping[str, int] | Mapping[str | None, int], Taxonomy], ...] = (
        ("role", compiled.role, vocabulary.roles),
        ("data_categories", compiled.category, vocabulary.data_categories),
        ("purpose", compiled.purpose, vocabulary.purposes),
        ("recipient", compiled.recipient, vocabulary.recipients),
        ("operation", compiled.operation, vocabulary.operations),
        ("source", compiled.source, vocabulary.sources),
        ("location", compiled.location, vocabulary.locations),
        ("legal_basis", compiled.legal_basis, vocabulary.legal_bases),
    )
    axes = [Axis(name, tuple(sets), taxonomy) for name, sets, taxonomy in terms]
    covering: list[Sequence[int]] = [list(sets.values()) for _, sets, _ in terms]
    limits = {each.retention_days for each in compiled.statements} - {None}
    days: list[int] = sorted(limit for limit in limits if limit is not None)
    if days and days[-1] < MAX_RETENTION_DAYS:
        days.append(days[-1] + 1)
    axes.append(Axis("retention_days", (*days, None)))
    covering.append([compiled.retention(each) for each in (*days, None)])
    for fact in vocabulary.facts:
        required = compiled.facts_required.get(fact, 0)
        excluded = compiled.facts_excluded[fact]
        if required or excluded:
            axes.append(Axis(fact, (False, True), is_fact=True))
            covering.append([everything & ~required, everything & ~excluded])
    return tuple(axes), covering


def _transposed(sets: Sequence[int], statements: int) -> list[int]:
    """Turn statements by value into values by statement."""
    columns = [0] * statements
    for position, members in enumerate(sets):
        for statement in positions(members):
            columns[statement] |= 1 << position
    return columns


def positions(members: int) -> Iterator[int]:
    """Yield the members of a bit set in order."""
    while members:
        lowest = members & -members
        yield lowest.bit_length() - 1
        members ^= lowest
