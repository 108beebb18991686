"""The books: is every event accounted for?"""

from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel, Field

from purposewatch_reporter.api.problems import ProblemError
from purposewatch_reporter.reconciliation.balance import Books, in_balance
from purposewatch_reporter.reconciliation.comparison import Compared
from purposewatch_reporter.reconciliation.reconciler import Reconciler, Statement


class Gap(BaseModel):
    """Events that neither a verdict nor a dead letter accounts for."""

    first: int
    last: int


class PartitionLedgerReport(BaseModel):
    """The books of one partition of the events topic, as it is now."""

    partition: int
    page: int = Field(description="Which of the partition's logs this is about; 0 is the first.")
    balanced: bool | None = Field(description="events = verdicts + dead letters; null if unknown.")
    events: int | None = Field(description="Events in Kafka since the books begin.")
    verdicts: int
    dead_letters: int
    duplicates: int = Field(description="Among the verdicts: repeated ids with the same content.")
    conflicts: int = Field(description="Among the verdicts: repeated ids with other content.")
    unaccounted: int = Field(description="Missing before the last booked event.")
    pending: int | None = Field(description="Behind the last booked event, still under way.")
    gaps: list[Gap] = Field(description="The first of the unaccounted ranges.")
    oldest_open_since: datetime | None = Field(
        description="When the oldest event without verdict or dead letter was written."
    )
    base: int = Field(description="The first offset that the books are about.")
    booked_end: int
    log_end: int | None
    log_is_short: bool = Field(description="Kafka holds fewer events than were booked.")


class Totals(BaseModel):
    """Sums over all partitions and all pages."""

    events: int | None
    verdicts: int
    dead_letters: int
    duplicates: int
    conflicts: int
    unaccounted: int = Field(description="On current pages.")
    pending: int | None
    lost: int = Field(description="Never accounted for, on closed pages: their log is gone.")


class ClosedEpoch(BaseModel):
    """What the books say of a log that is gone."""

    partition: int
    page: int
    base: int
    end: int = Field(description="One above the last event that was seen.")
    verdicts: int
    dead_letters: int
    duplicates: int
    conflicts: int
    lost: int = Field(description="Events that were never accounted for.")


class OpenedEpoch(BaseModel):
    """That a page was opened, and why."""

    topic: str
    partition: int
    page: int
    opened_time: datetime
    reason: str = Field(
        description="`rewritten`: other records stand where some were booked; `short`: the log "
        "ends before what was seen of it."
    )


class RawPartitionLedgerReport(BaseModel):
    """The books of one partition of the raw topic: the gate's side."""

    partition: int
    page: int
    balanced: bool | None = Field(description="records = accepted + dead letters.")
    records: int | None
    accepted: int = Field(description="Records whose event has a verdict.")
    dead_letters: int
    repeats: int = Field(description="Events of a record that had one before.")
    unaccounted: int
    pending: int | None
    oldest_open_since: datetime | None
    base: int
    booked_end: int
    log_end: int | None
    log_is_short: bool


class RawTotals(BaseModel):
    """Sums over all partitions and all pages of the raw topic."""

    records: int | None
    accepted: int
    dead_letters: int
    repeats: int
    unaccounted: int
    pending: int | None
    lost: int


class RawLedgerReport(BaseModel):
    """The books of the raw topic."""

    balanced: bool | None
    totals: RawTotals
    partitions: list[RawPartitionLedgerReport]


class LedgerReport(BaseModel):
    """The books of all partitions at one moment."""

    as_of: datetime
    balanced: bool | None = Field(description="Of the current pages; see `totals.lost` as well.")
    totals: Totals
    partitions: list[PartitionLedgerReport]
    closed: list[ClosedEpoch]
    raw: RawLedgerReport
    pages: list[OpenedEpoch] = Field(description="Pages after the first, of all topics.")


def _partition(book: Books, since: datetime | None) -> PartitionLedgerReport:
    return PartitionLedgerReport(
        partition=book.partition,
        page=book.page,
        balanced=book.balanced,
        events=book.events,
        verdicts=book.verdicts,
        dead_letters=book.dead_letters,
        duplicates=book.duplicates,
        conflicts=book.conflicts,
        unaccounted=book.unaccounted,
        pending=book.pending,
        gaps=[Gap(first=start, last=end - 1) for start, end in book.gaps],
        oldest_open_since=since,
        base=book.base,
        booked_end=book.booked_end,
        log_end=book.log_end,
        log_is_short=book.log_is_short,
    )


def _raw_partition(book: Books, since: datetime | None) -> RawPartitionLedgerReport:
    return RawPartitionLedgerReport(
        partition=book.partition,
        page=book.page,
        balanced=book.balanced,
        records=book.events,
        accepted=book.verdicts,
        dead_letters=book.dead_letters,
        repeats=book.duplicates,
        unaccounted=book.unaccounted,
        pending=book.pending,
        oldest_open_since=since,
        base=book.base,
        booked_end=book.booked_end,
        log_end=book.log_end,
        log_is_short=book.log_is_short,
    )


def _closed(book: Books) -> ClosedEpoch:
    return ClosedEpoch(
        partition=book.partition,
        page=book.page,
        base=book.base,
        end=book.log_end or 0,
        verdicts=book.verdicts,
        dead_letters=book.dead_letters,
        duplicates=book.duplicates,
        conflicts=book.conflicts,
        lost=book.unaccounted,
    )


def _known_sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _raw(compared: Compared) -> RawLedgerReport:
    books = compared.pages
    return RawLedgerReport(
        balanced=in_balance(compared.partitions),
        totals=RawTotals(
            records=_known_sum([book.events for book in books]),
            accepted=sum(book.verdicts for book in books),
            dead_letters=sum(book.dead_letters for book in books),
            repeats=sum(book.duplicates for book in books),
            unaccounted=sum(book.unaccounted for book in compared.partitions),
            pending=_known_sum([book.pending for book in books]),
            lost=compared.lost,
        ),
        partitions=[
            _raw_partition(book, compared.oldest(book.partition)) for book in compared.partitions
        ],
    )


def _statement(statement: Statement) -> LedgerReport:
    compared = statement.events
    books = compared.pages
    return LedgerReport(
        as_of=statement.as_of,
        balanced=in_balance(compared.partitions),
        totals=Totals(
            events=_known_sum([book.events for book in books]),
            verdicts=sum(book.verdicts for book in books),
            dead_letters=sum(book.dead_letters for book in books),
            duplicates=sum(book.duplicates for book in books),
            conflicts=sum(book.conflicts for book in books),
            unaccounted=sum(book.unaccounted for book in compared.partitions),
            pending=_known_sum([book.pending for book in books]),
            lost=compared.lost,
        ),
        partitions=[
            _partition(book, compared.oldest(book.partition)) for book in compared.partitions
        ],
        closed=[_closed(book) for book in compared.closed],
        raw=_raw(compared=statement.raw),
        pages=[
            OpenedEpoch(
                topic=note.topic,
                partition=note.partition,
                page=note.page,
                opened_time=note.opened_time,
                reason=note.reason,
            )
            for note in statement.notes
        ],
    )


def ledger_routes(watch: Reconciler) -> APIRouter:
    """The route of /books."""
    router = APIRouter(tags=["books"])

    @router.get("/books")
    async def get_books() -> LedgerReport:
        """The latest comparison of what was booked with what there is in Kafka."""
        if watch.latest is None:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "books-not-read",
                "the books have not been compared with Kafka yet; try again later",
                headers={"Retry-After": "5"},
            )
        return _statement(watch.latest)

    return router
