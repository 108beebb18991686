"""The books: does every event have a verdict or a dead letter?"""

from collections.abc import Sequence
from dataclasses import dataclass

from purposewatch_reporter.ledger.partition import PartitionLedger

GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Books:
    """The books of one partition of the events topic at one moment.

    INVARIANT: with a known log end that is not short,
    `events == verdicts + dead_letters + unaccounted + pending`.
    """

    partition: int
    base: int
    """The first offset that the books are about."""
    booked_end: int
    """One above the highest booked offset."""
    log_end: int | None
    """One above the last event in Kafka; `None` when it has not been seen."""
    events: int | None
    verdicts: int
    dead_letters: int
    duplicates: int
    conflicts: int
    unaccounted: int
    """Events below the last booked one with neither a verdict nor a dead letter."""
    pending: int | None
    """Events behind the last booked one, still under way."""
    log_is_short: bool
    """Kafka holds fewer events than were booked: the topic was recreated or has lost data."""
    balanced: bool | None
    """Whether every event is accounted for; `None` while the log's end is unknown."""
    gaps: tuple[tuple[int, int], ...]
    """The first unaccounted ranges, half-open."""
    oldest_open: int | None
    """The lowest offset without a verdict or dead letter, pending ones included."""


def balance(partition: int, ledger: PartitionLedger, log_end: int | None) -> Books:
    """Compare what was booked with what there is.

    The log's end must have been read after the ledger, else news would look like a short log.
    """
    gaps = ledger.accounted.gaps(ledger.base)
    booked_end = max(ledger.accounted.end, ledger.base)
    unaccounted = sum(end - start for start, end in gaps)
    pending = None if log_end is None else max(0, log_end - booked_end)
    short = log_end is not None and log_end < booked_end
    oldest = gaps[0][0] if gaps else booked_end if pending else None
    return Books(
        partition=partition,
        base=ledger.base,
        booked_end=booked_end,
        log_end=log_end,
        events=None if log_end is None else max(0, log_end - ledger.base),
        verdicts=ledger.verdicts,
        dead_letters=ledger.dead_letters,
        duplicates=ledger.duplicates,
        conflicts=ledger.conflicts,
        unaccounted=unaccounted,
        pending=pending,
        log_is_short=short,
        balanced=None if log_end is None else not (unaccounted or pending or short),
        gaps=tuple(gaps[:GAPS_SHOWN]),
        oldest_open=oldest,
    )


def in_balance(books: Sequence[Books]) -> bool | None:
    """Whether all partitions balance; `None` when none is known to be off but one is unknown."""
    if any(book.balanced is False for book in books):
        return False
    return None if any(book.balanced is None for book in books) else True
