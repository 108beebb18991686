"""Finds the flows that two versions judge differently, without enumerating flows.

The space is divided along one axis after another. On each axis, values that the same remaining
statements cover are grouped; a part in which no statement differs between the versions is skipped.
Equal parts are computed once. The result is a set of boxes.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from purposewatch_policy.flow_space import Axis, Box, FlowSpace
from purposewatch_policy.model import Effect
from purposewatch_policy.nearest import first


class ChangeKind(StrEnum):
    """How the judgement of a flow changes."""

    PERMITTED = "newly_permitted"
    """It is permitted and was not."""
    LIFTED = "no_longer_prohibited"
    """It was prohibited, and is now undeclared or prohibited only in part. It is a violation before
    and after, but the promise is gone."""
    WITHDRAWN = "no_longer_permitted"
    """It was permitted and is not."""
    PROHIBITED = "newly_prohibited"
    """It was undeclared or prohibited only in part, and is now prohibited."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What changes and by which statements (bits of the space): of several, the first."""

    kind: ChangeKind
    statement: int
    """The permit that now allows or no longer allows it, or the prohibition that came or went."""
    prohibition: int | None = None
    """The prohibition that overlapped before a new permission, or overlaps after a former one."""


@dataclass(frozen=True, slots=True)
class ChangedBox:
    """Flows that change for one cause."""

    cause: Cause
    box: Box


def compare(space: FlowSpace) -> tuple[ChangedBox, ...]:
    """Return the flows that the two versions of a space judge differently.

    INVARIANT: no flow lies in two boxes, and none that is judged alike lies in any.
    """
    return _Comparison(space).boxes()


class _Comparison:
    def __init__(self, space: FlowSpace) -> None:
        old, _ = space.versions
        split = len(old.statements)
        self._space = space
        self._axes = space.axes
        self._size = len(space.statements)
        self._old = (1 << split) - 1
        self._permits = sum(
            1 << bit for bit, each in enumerate(space.statements) if each.effect is Effect.PERMIT
        )
        self._prohibitions = ((1 << self._size) - 1) & ~self._permits
        # What is left in a part of the space: the statements that cover it and, in as many further
        # bits, the prohibitions that overlap it.
        self._changed = self._changed_statements(split)
        self._classes = [_grouped(self._covering_and_overlapping(axis)) for axis in self._axes]
        # Parts of the space, each known by its number. A part is a cause, or an axis with the
        # values that lead to further parts. Number 0 is a part without a difference.
        self._parts: list[Cause | tuple[int, tuple[tuple[int, int], ...]] | None] = [None]
        self._numbers: dict[Cause | tuple[int, tuple[tuple[int, int], ...]], int] = {}
        self._done: dict[tuple[int, int], int] = {}

    def boxes(self) -> tuple[ChangedBox, ...]:
        part = self._part(0, self._permits | self._prohibitions | self._prohibitions << self._size)
        found = [ChangedBox(cause, box) for cause, box in self._paths(part, self._space.everything)]
        return tuple(_joined(found, len(self._axes)))

    def _changed_statements(self, split: int) -> int:
        """Return the statements that the other version does not have with the same meaning."""
        meanings = [
            (box, None if self._permits >> bit & 1 else self._space.overlapped[bit])
            for bit, box in enumerate(self._space.boxes)
        ]
        old, new = set(meanings[:split]), set(meanings[split:])
        changed = sum(
            1 << bit
            for bit, meaning in enumerate(meanings)
            if meaning[0] is not None and meaning not in (new if bit < split else old)
        )
        return changed | (changed & self._prohibitions) << self._size

    def _covering_and_overlapping(self, axis: Axis) -> tuple[int, ...]:
        return tuple(
            covering | (overlapping & self._prohibitions) << self._size
            for covering, overlapping in zip(axis.masks, axis.overlapping, strict=True)
        )

    def _part(self, axis: int, statements: int) -> int:
        """Return the part from an axis on in which only some statements remain."""
        if not statements & self._changed:
            return 0
        if axis == len(self._axes):
            cause = self._cause(statements)
            return self._number(cause) if cause else 0
        if (axis, statements) in self._done:
            return self._done[axis, statements]
        remaining: dict[int, int] = defaultdict(int)
        for mask, values in self._classes[axis].items():
            remaining[statements & mask] |= values
        leading: dict[int, int] = defaultdict(int)
        for mask, values in remaining.items():
            leading[self._part(axis + 1, mask)] |= values
        if len(leading) == 1:
            [part] = leading
        else:
            part = self._number((axis, tuple(sorted(leading.items()))))
        self._done[axis, statements] = part
        return part

    def _number(self, part: Cause | tuple[int, tuple[tuple[int, int], ...]]) -> int:
        if part not in self._numbers:
            self._numbers[part] = len(self._parts)
            self._parts.append(part)
        return self._numbers[part]

    def _cause(self, statements: int) -> Cause | None:
        """Return how the judgement of a flow changes that exactly these cover and overlap."""
        overlapping = statements >> self._size
        hindered, hinders = overlapping & self._old, overlapping & ~self._old
        forbade = statements & self._prohibitions & self._old
        forbids = statements & self._prohibitions & ~self._old
        permitted = statements & self._permits & self._old if not hindered else 0
        permits = statements & self._permits & ~self._old if not hinders else 0
        if permits and not permitted:
            return Cause(
                ChangeKind.PERMITTED, first(permits), first(hindered) if hindered else None
            )
        if permitted and not permits:
            return Cause(
                ChangeKind.WITHDRAWN, first(permitted), first(hinders) if hinders else None
            )
        if forbade and not forbids and not permits:
            return Cause(ChangeKind.LIFTED, first(forbade))
        if forbids and not forbade and not permitted:
            return Cause(ChangeKind.PROHIBITED, first(forbids))
        return None

    def _paths(self, number: int, box: Box) -> Iterator[tuple[Cause, Box]]:
        part = self._parts[number]
        if isinstance(part, Cause):
            yield part, box
        elif part is not None:
            axis, leading = part
            for further, values in leading:
                yield from self._paths(further, (*box[:axis], values, *box[axis + 1 :]))


def _grouped(masks: tuple[int, ...]) -> dict[int, int]:
    """Return the values with each mask, as bits in their order."""
    grouped: dict[int, int] = defaultdict(int)
    for index, mask in enumerate(masks):
        grouped[mask] |= 1 << index
    return grouped


def _joined(found: list[ChangedBox], axes: int) -> list[ChangedBox]:
    """Join boxes of one cause that differ on one axis only, until none is left."""
    while True:
        before = len(found)
        for axis in reversed(range(axes)):
            joined: dict[tuple[Cause, Box], int] = defaultdict(int)
            for each in found:
                others = (*each.box[:axis], *each.box[axis + 1 :])
                joined[each.cause, others] |= each.box[axis]
            found = [
                ChangedBox(cause, (*others[:axis], values, *others[axis:]))
                for (cause, others), values in joined.items()
            ]
        if len(found) == before:
            return found
