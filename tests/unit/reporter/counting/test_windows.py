"""Windows of a counting rule, against a plain reading of what they are."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from purposewatch_reporter.counting.windows import Window, slice_of, start_of, windows_over

COUNTS = st.dictionaries(st.integers(0, 40), st.integers(1, 9), max_size=25)


@given(COUNTS, st.sets(st.integers(0, 40), max_size=6), st.integers(0, 40))
def test_no_window_over_the_threshold_is_missed(
    counts: dict[int, int], touched: set[int], more_than: int
) -> None:
    """Of all windows that hold a touched slice, those that are left out have no more than these."""
    touched &= counts.keys()
    plain = {}
    for first in range(-10, 41):
        inside = range(first, first + 10)
        total = sum(counts.get(each, 0) for each in inside)
        if touched.intersection(inside) and total > more_than:
            plain[first] = total
    found = windows_over(counts, touched, more_than)
    for window in found:
        assert plain[window.first] == window.total
    for first, total in plain.items():
        held = {each for each in range(first, first + 10) if each in counts}
        assert any(
            held <= set(range(window.first, window.first + 10)) and total <= window.total
            for window in found
        )


def test_a_window_begins_with_what_was_counted() -> None:
    """Of windows that hold the same, the latest is named; one that another contains is left out."""
    assert windows_over({5: 3, 7: 3, 14: 3}, {7}, 5) == [Window(5, 9)]
    assert windows_over({5: 3, 7: 3, 15: 3}, {7}, 5) == [Window(5, 6), Window(7, 6)]


def test_slices_are_counted_from_1970() -> None:
    """So that every reporter divides time alike."""
    time = datetime(2026, 3, 2, 8, 15, 59, 999_999, tzinfo=UTC)
    number = slice_of(time, 60)
    assert start_of(number, 60) == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
    assert slice_of(time + timedelta(microseconds=1), 60) == number + 1
