"""Sets of flows are what the statements cover."""

from bisect import bisect_right

from hypothesis import given, settings
from hypothesis import strategies as st

from purposewatch_policy.flow_space import Axis, Box, Days, FlowSpace, contains, minus
from purposewatch_policy.model import Effect
from tests.unit.policy import reference
from tests.unit.policy.lint.subjects import draw
from tests.unit.policy.random_worlds import PlainFlow


def position(axis: Axis, flow: PlainFlow) -> int:
    """Return which value of an axis a flow has; its category is its first one."""
    if axis.fact is not None:
        return int(flow.facts.get(axis.fact, False))
    if axis.name == "data_categories":
        return axis.values.index(flow.data_categories[0])
    if axis.name == "retention_days" and flow.retention_days is not None:
        ends = [each.first for each in axis.values if isinstance(each, Days)]
        return bisect_right(ends, flow.retention_days)
    return axis.values.index(getattr(flow, axis.name))


def holds(space: FlowSpace, box: Box | None, flow: PlainFlow) -> bool:
    """Whether a flow is in a box."""
    return box is not None and all(
        members >> position(axis, flow) & 1 for axis, members in zip(space.axes, box, strict=True)
    )


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0))
def test_a_box_holds_what_the_naive_checker_finds_covered(seed: int) -> None:
    """A flow is in a statement's box exactly when no dimension of the statement fails."""
    world, subject, space, flows = draw(seed)
    for flow in flows:
        for statement, box in zip(subject.policy.statements, space.boxes, strict=True):
            failed = reference.failures(statement, flow, flow.data_categories[0], world.vocabulary)
            assert (not any(failed.values())) == holds(space, box, flow)


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0))
def test_a_prohibition_overlaps_what_the_naive_checker_finds_covered_in_part(seed: int) -> None:
    """A flow is in what a prohibition overlaps exactly when the prohibition covers a part of it."""
    world, subject, space, flows = draw(seed)
    for flow in flows:
        for statement, box in zip(subject.policy.statements, space.overlapped, strict=True):
            if statement.effect is Effect.PROHIBIT:
                (category, *_) = flow.data_categories
                covers = reference.covers_a_part(statement, flow, category, world.vocabulary)
                assert covers == holds(space, box, flow)


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0))
def test_boxes_are_subtracted_exactly(seed: int) -> None:
    """What remains is in the first box, not in the second, and in exactly one piece."""
    _, _, space, flows = draw(seed)
    boxes = [box for box in space.boxes if box is not None]
    for box in boxes:
        for other in boxes:
            pieces = minus(box, other)
            for flow in flows:
                left = holds(space, box, flow) and not holds(space, other, flow)
                assert int(left) == sum(holds(space, piece, flow) for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0))
def test_sets_of_statements_agree_with_boxes(seed: int) -> None:
    """Containment, covering and subtraction agree on any two statements."""
    _, _, space, _ = draw(seed)
    everything = (1 << len(space.boxes)) - 1
    for box in filter(None, space.boxes):
        containing = space.covering(box, everything)
        for index, other in enumerate(space.boxes):
            if other is not None:
                assert contains(other, box) == bool(containing >> index & 1)
                assert contains(other, box) == (minus(box, other) == [])
                assert contains(other, box) == bool(space.covering_together(box, 1 << index))


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0))
def test_what_is_covered_together_is_covered_everywhere(seed: int) -> None:
    """Each flow of the box is in one of the other boxes."""
    _, _, space, flows = draw(seed)
    for index, box in enumerate(space.boxes):
        others = ((1 << len(space.boxes)) - 1) & ~(1 << index)
        if box is not None and space.covering_together(box, others):
            for flow in flows:
                assert not holds(space, box, flow) or any(
                    holds(space, other, flow)
                    for place, other in enumerate(space.boxes)
                    if place != index
                )


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0))
def test_a_flow_lies_at_its_own_values(seed: int) -> None:
    """The space finds a flow where the naive search does."""
    _, _, space, flows = draw(seed)
    for flow in flows:
        for axis in space.axes:
            assert position(axis, flow) == axis.position(flow, flow.data_categories[0])


@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0))
def test_the_example_of_a_box_lies_in_it(seed: int) -> None:
    """Whatever the box, one flow of it is made."""
    _, _, space, _ = draw(seed)
    for box in filter(None, space.boxes):
        assert holds(space, box, PlainFlow(**space.example(box).model_dump()))
