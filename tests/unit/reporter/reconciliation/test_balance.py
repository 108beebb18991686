"""The books of a partition."""

import pytest

from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.reconciliation.balance import Books, balance, in_balance


def account(*, verdicts: list[int], dead_letters: list[int] | None = None) -> PartitionLedger:
    """An account with these offsets booked."""
    ledger = PartitionLedger()
    for offset in verdicts:
        ledger.book_verdict(offset)
    for offset in dead_letters or []:
        ledger.book_dead_letter(offset)
    return ledger


def test_they_balance_when_every_event_is_accounted_for() -> None:
    """Events = verdicts + dead letters."""
    books = balance(4, account(verdicts=[0, 2], dead_letters=[1]), 3)
    assert (
        books.events,
        books.verdicts,
        books.dead_letters,
        books.unaccounted,
        books.pending,
    ) == (3, 2, 1, 0, 0)
    assert books.balanced is True
    assert books.oldest_open is None


def test_a_gap_is_unaccounted_and_the_rest_pending() -> None:
    """What is missing before the last booked event is told from what is under way."""
    books = balance(0, account(verdicts=[0, 3]), 10)
    assert (books.unaccounted, books.pending) == (2, 6)
    assert books.gaps == ((1, 3),)
    assert books.oldest_open == 1
    assert books.balanced is False
    assert books.events == (
        books.verdicts + books.dead_letters + books.unaccounted + (books.pending or 0)
    )


def test_pending_events_alone_are_open_from_the_first_of_them() -> None:
    """Without a gap the oldest open event is the first one not booked."""
    assert balance(0, account(verdicts=[0, 1]), 5).oldest_open == 2


def test_an_unknown_end_is_no_balance() -> None:
    """What has not been seen is not claimed."""
    books = balance(0, account(verdicts=[0]), None)
    assert (books.events, books.pending, books.balanced) == (None, None, None)


def test_a_log_shorter_than_the_books_is_no_balance() -> None:
    """A recreated topic must not look like one where all is well."""
    books = balance(0, account(verdicts=[0, 1, 2]), 1)
    assert books.log_is_short
    assert books.balanced is False


def test_books_opened_late_begin_where_kafka_still_had_verdicts() -> None:
    """Deleted history is not missing; an earlier offset that still comes is not refused."""
    ledger = PartitionLedger()
    ledger.open_at(100)
    ledger.book_verdict(101)
    ledger.book_verdict(100)
    assert balance(0, ledger, 102).balanced is True
    ledger.book_verdict(98)
    assert ledger.accounted.gaps(ledger.base) == [(99, 100)]


def test_opening_late_does_not_hide_what_was_booked_before() -> None:
    """A dead letter that came first keeps the beginning of the books at itself."""
    ledger = account(verdicts=[], dead_letters=[7])
    ledger.open_at(9)
    assert ledger.base == 7


def test_a_position_is_booked_once() -> None:
    """Whichever comes first accounts for the event: a verdict or a dead letter."""
    ledger = account(verdicts=[0])
    assert not ledger.book_verdict(0)
    assert not ledger.book_dead_letter(0)
    assert (ledger.verdicts, ledger.dead_letters) == (1, 0)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [((1, 1), True), ((1, 2), False), ((1, None), None), ((2, None), False)],
)
def test_all_partitions_together(ends: tuple[int | None, ...], expected: bool | None) -> None:  # noqa: FBT001 - a table
    """One partition off is enough; one unknown keeps the answer open."""
    books: list[Books] = [balance(0, account(verdicts=[0]), end) for end in ends]
    assert in_balance(books) is expected
