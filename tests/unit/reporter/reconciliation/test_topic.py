"""The ledger of a partition."""

import pytest

from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.reconciliation.topic import (
    PartitionReconciliation,
    all_reconciled,
    reconcile,
)


def ledger_of(*, verdicts: list[int], dead_letters: list[int] | None = None) -> PartitionLedger:
    """A ledger with these offsets recorded."""
    ledger = PartitionLedger()
    for offset in verdicts:
        ledger.record_verdict(offset)
    for offset in dead_letters or []:
        ledger.record_dead_letter(offset)
    return ledger


def test_they_balance_when_every_event_is_accounted_for() -> None:
    """Events = verdicts + dead letters."""
    partitions = reconcile(4, ledger_of(verdicts=[0, 2], dead_letters=[1]), 3)
    assert (
        partitions.events,
        partitions.verdicts,
        partitions.dead_letters,
        partitions.unaccounted,
        partitions.pending,
    ) == (3, 2, 1, 0, 0)
    assert partitions.reconciled is True
    assert partitions.oldest_open is None


def test_a_gap_is_unaccounted_and_the_rest_pending() -> None:
    """What is missing before the last recorded event is told from what is under way."""
    partitions = reconcile(0, ledger_of(verdicts=[0, 3]), 10)
    assert (partitions.unaccounted, partitions.pending) == (2, 6)
    assert partitions.gaps == ((1, 3),)
    assert partitions.oldest_open == 1
    assert partitions.reconciled is False
    assert partitions.events == (
        partitions.verdicts
        + partitions.dead_letters
        + partitions.unaccounted
        + (partitions.pending or 0)
    )


def test_pending_events_alone_are_open_from_the_first_of_them() -> None:
    """Without a gap the oldest open event is the first one not recorded."""
    assert reconcile(0, ledger_of(verdicts=[0, 1]), 5).oldest_open == 2


def test_an_unknown_end_is_no_balance() -> None:
    """What has not been seen is not claimed."""
    partitions = reconcile(0, ledger_of(verdicts=[0]), None)
    assert (partitions.events, partitions.pending, partitions.reconciled) == (None, None, None)


def test_a_log_shorter_than_the_ledger_is_no_balance() -> None:
    """A recreated topic must not look like one where all is well."""
    partitions = reconcile(0, ledger_of(verdicts=[0, 1, 2]), 1)
    assert partitions.log_is_short
    assert partitions.reconciled is False


def test_ledger_opened_late_begin_where_kafka_still_had_verdicts() -> None:
    """Deleted history is not missing; an earlier offset that still comes is not refused."""
    ledger = PartitionLedger()
    ledger.start_at(100)
    ledger.record_verdict(101)
    ledger.record_verdict(100)
    assert reconcile(0, ledger, 102).reconciled is True
    ledger.record_verdict(98)
    assert ledger.accounted.gaps(ledger.base) == [(99, 100)]


def test_opening_late_does_not_hide_what_was_recorded_before() -> None:
    """A dead letter that came first keeps the beginning of the ledger at itself."""
    ledger = ledger_of(verdicts=[], dead_letters=[7])
    ledger.start_at(9)
    assert ledger.base == 7


def test_a_position_is_recorded_once() -> None:
    """Whichever comes first accounts for the event: a verdict or a dead letter."""
    ledger = ledger_of(verdicts=[0])
    assert not ledger.record_verdict(0)
    assert not ledger.record_dead_letter(0)
    assert (ledger.verdicts, ledger.dead_letters) == (1, 0)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [((1, 1), True), ((1, 2), False), ((1, None), None), ((2, None), False)],
)
def test_all_partitions_together(ends: tuple[int | None, ...], expected: bool | None) -> None:  # noqa: FBT001 - a table
    """One partition off is enough; one unknown keeps the answer open."""
    partitions: list[PartitionReconciliation] = [
        reconcile(0, ledger_of(verdicts=[0]), end) for end in ends
    ]
    assert all_reconciled(partitions) is expected
