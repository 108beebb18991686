"""The limit on bad records: a run of them, or too large a share, stops the consumer."""

from hypothesis import given
from hypothesis import strategies as st

from purposewatch_runtime.kafka import DeadLetterLimit, DeadLetterPolicy


def limit(max_consecutive: int = 3, max_ratio: float = 0.5, window: int = 10) -> DeadLetterLimit:
    """A limit with small numbers."""
    return DeadLetterLimit(DeadLetterPolicy(max_consecutive, max_ratio, window))


def test_run_of_bad_records_stops() -> None:
    """The third bad record in a row in one partition exceeds a limit of three."""
    counted = limit()

    assert counted.record(0, bad=True) is None
    assert counted.record(0, bad=True) is None
    assert counted.record(0, bad=True) == "3 bad records in a row in partition 0"


def test_good_record_ends_the_run() -> None:
    """A good record in between resets the run."""
    counted = limit()

    reasons = [counted.record(0, bad=bad) for bad in (True, True, False, True, True)]

    assert reasons == [None] * 5


def test_partitions_have_runs_of_their_own() -> None:
    """Bad records in different partitions are not in a row."""
    counted = limit()

    assert [counted.record(partition % 3, bad=True) for partition in range(6)] == [None] * 6


def test_share_counts_once_the_window_is_full() -> None:
    """Six bad of the last ten exceed a limit of a half, though never three in a row."""
    counted = limit()
    pattern = (True, True, False, True, True, False, True, False, False, True)

    reasons = [counted.record(0, bad=bad) for bad in pattern]

    assert reasons == [None] * 9 + ["6 bad records among the last 10"]


def test_old_records_leave_the_window() -> None:
    """What is older than the window no longer counts."""
    counted = limit(max_consecutive=100)
    for bad in [True] * 5 + [False] * 10:
        counted.record(0, bad=bad)

    assert counted.record(0, bad=True) is None


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=14), max_size=6),
    st.integers(1, 12),
)
def test_batch_counts_as_its_records_one_by_one(
    batches: list[list[tuple[int, bool]]], window: int
) -> None:
    """The same reason to stop after the same batch, and the same counts until then."""
    by_batch, by_record = limit(window=window), limit(window=window)
    for batch in batches:
        stop = by_batch.record_all([where for where, _ in batch], [bad for _, bad in batch])
        stops = [by_record.record(where, bad=bad) for where, bad in batch]

        assert stop == next((each for each in stops if each is not None), None)
        if stop is not None:
            return


def test_copy_is_independent() -> None:
    """A batch that will be tried again leaves the original's counts alone."""
    original = limit()
    copy = original.copy()
    copy.record(0, bad=True)
    copy.record(0, bad=True)

    assert original.record(0, bad=True) is None
    assert copy.record(0, bad=True) is not None
