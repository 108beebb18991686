"""The books: does every event have a verdict or a dead letter?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw import RawLedger

GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Books:
    """One page of the books of a partition at one moment.

    INVARIANT: with a known log end that is not short,
    `events == verdicts + dead_letters + unaccounted + pending`.

    Of the raw topic, the events are its records, and the verdicts those that have one in the end.
    """

    partition: int
    page: int
    is_closed: bool
    """Whether its log is gone. Then nothing is under way any more, and the end is the last seen."""
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


def balance(partition: int, account: PartitionLedger, log_end: int | None) -> Books:
    """Compare what was booked with what there is.

    The log's end must have been read after the account, else news would look like a short log.
    """
    gaps = account.accounted.gaps(account.base)
    return _books(
        partition,
        account,
        log_end,
        booked_end=max(account.accounted.end, account.base),
        verdicts=account.verdicts,
        duplicates=account.duplicates,
        conflicts=account.conflicts,
        unaccounted=sum(end - start for start, end in gaps),
        gaps=tuple(gaps[:GAPS_SHOWN]),
        first_open=gaps[0][0] if gaps else None,
    )


def balance_raw(partition: int, account: RawLedger, log_end: int | None) -> Books:
    """The same for the raw topic, whose gaps are not listed."""
    unaccounted = account.unaccounted
    return _books(
        partition,
        account,
        log_end,
        booked_end=account.booked_end,
        verdicts=account.accepted,
        duplicates=account.repeats,
        conflicts=0,
        unaccounted=unaccounted,
        gaps=(),
        first_open=account.settled if unaccounted else None,
    )


def _books(  # noqa: PLR0913 - what the two kinds of account have in common
    partition: int,
    account: PartitionLedger | RawLedger,
    log_end: int | None,
    *,
    booked_end: int,
    unaccounted: int,
    first_open: int | None,
    **numbers: Any,
) -> Books:
    closed = account.closed_time is not None
    end = account.end if closed else log_end
    pending = None if end is None else max(0, end - booked_end)
    short = end is not None and end < max(booked_end, account.seen_end)
    if closed:
        unaccounted += pending or 0
        pending = 0
    oldest = first_open if first_open is not None else booked_end if pending else None
    return Books(
        partition=partition,
        page=account.page,
        is_closed=closed,
        base=account.base,
        booked_end=booked_end,
        log_end=end,
        events=None if end is None else max(0, end - account.base),
        dead_letters=account.dead_letters,
        unaccounted=unaccounted,
        pending=pending,
        log_is_short=short,
        balanced=None if end is None else not (unaccounted or pending or short),
        oldest_open=None if closed else oldest,
        **numbers,
    )


def in_balance(books: Sequence[Books]) -> bool | None:
    """Whether all partitions balance; `None` when none is known to be off but one is unknown."""
    if any(book.balanced is False for book in books):
        return False
    return None if any(book.balanced is None for book in books) else True
