"""The interval set says what a plain set says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_reporter.ledger import offsets as offsets_module
from purposewatch_reporter.ledger.offsets import OffsetSet, TooManyIntervalsError

OFFSETS = st.lists(st.integers(0, 60), max_size=120)


@given(OFFSETS)
def test_it_agrees_with_a_plain_set(offsets: list[int]) -> None:
    """Every recording, membership, size, end and gap is as a plain set has it."""
    plain: set[int] = set()
    recorded = OffsetSet()
    for offset in offsets:
        assert (offset not in plain) == recorded.add(offset)
        plain.add(offset)
    assert len(plain) == len(recorded)
    assert [o in plain for o in range(70)] == [o in recorded for o in range(70)]
    assert max(plain, default=-1) + 1 == recorded.end
    assert min(plain, default=None) == recorded.first
    missing = [o for start, end in recorded.gaps(0) for o in range(start, end)]
    assert [o for o in range(recorded.end) if o not in plain] == missing


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=20))
def test_a_row_of_offsets_is_as_good_as_each_of_them(rows: list[tuple[int, int]]) -> None:
    """It is added behind the end or to nothing; anywhere else nothing changes."""
    recorded, singly = OffsetSet(), OffsetSet()
    for offset, size in rows:
        fits = len(singly) == 0 or offset == singly.end
        assert recorded.extend(offset, size) is fits
        for one in range(offset, offset + size):
            singly.add(one)
            if not fits:
                recorded.add(one)
        assert recorded.intervals() == singly.intervals()


@given(OFFSETS)
def test_its_representation_depends_on_the_content_alone(offsets: list[int]) -> None:
    """Intervals are sorted, apart and not empty, in whatever order the offsets came."""
    one, other = OffsetSet(), OffsetSet()
    for offset in offsets:
        one.add(offset)
    for offset in sorted(offsets, reverse=True):
        other.add(offset)
    intervals = one.intervals()
    assert intervals == other.intervals()
    assert all(start < end for start, end in intervals)
    assert all(left[1] < right[0] for left, right in pairwise(intervals))


@given(OFFSETS)
def test_json_keeps_it(offsets: list[int]) -> None:
    """A set that is stored and loaded again is the same set."""
    recorded = OffsetSet()
    for offset in offsets:
        recorded.add(offset)
    assert recorded.intervals() == OffsetSet.from_json(recorded.to_json()).intervals()


def test_gaps_begin_at_the_base() -> None:
    """What lies before the base is not missing."""
    recorded = OffsetSet([(5, 7), (9, 10)])
    assert recorded.gaps(3) == [(3, 5), (7, 9)]
    assert recorded.gaps(5) == [(7, 9)]


@pytest.mark.parametrize("intervals", [[(1, 1)], [(3, 4), (1, 2)], [(1, 2), (2, 3)]])
def test_faulty_intervals_are_refused(intervals: list[tuple[int, int]]) -> None:
    """A stored set that breaks the invariant is not taken for a set."""
    with pytest.raises(ValueError, match="sorted, apart and not empty"):
        OffsetSet(intervals)


def test_the_number_of_intervals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer that leaves holes everywhere is stopped; filling a hole is always possible."""
    monkeypatch.setattr(offsets_module, "MAX_INTERVALS", 3)
    recorded = OffsetSet([(0, 1), (2, 3), (4, 5)])
    with pytest.raises(TooManyIntervalsError, match="more than 3 separate ranges"):
        recorded.add(6)
    assert recorded.add(3)
    assert recorded.intervals() == [(0, 1), (2, 5)]
