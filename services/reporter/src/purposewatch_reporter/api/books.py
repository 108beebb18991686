"""The books: is every event accounted for?"""

from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel, Field

from purposewatch_reporter.api.problems import ProblemError
from purposewatch_reporter.books_watch import BooksWatch, Statement
from purposewatch_reporter.ledger.books import Books, in_balance


class Gap(BaseModel):
    """Events that neither a verdict nor a dead letter accounts for."""

    first: int
    last: int


class PartitionBooks(BaseModel):
    """The books of one partition of the events topic."""

    partition: int
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
    """Sums over all partitions."""

    events: int | None
    verdicts: int
    dead_letters: int
    duplicates: int
    conflicts: int
    unaccounted: int
    pending: int | None


class BooksStatement(BaseModel):
    """The books of all partitions at one moment."""

    as_of: datetime
    balanced: bool | None
    totals: Totals
    partitions: list[PartitionBooks]


def _partition(book: Books, since: datetime | None) -> PartitionBooks:
    return PartitionBooks(
        partition=book.partition,
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


def _known_sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _statement(statement: Statement) -> BooksStatement:
    books = statement.partitions
    return BooksStatement(
        as_of=statement.as_of,
        balanced=in_balance(books),
        totals=Totals(
            events=_known_sum([book.events for book in books]),
            verdicts=sum(book.verdicts for book in books),
            dead_letters=sum(book.dead_letters for book in books),
            duplicates=sum(book.duplicates for book in books),
            conflicts=sum(book.conflicts for book in books),
            unaccounted=sum(book.unaccounted for book in books),
            pending=_known_sum([book.pending for book in books]),
        ),
        partitions=[_partition(book, statement.open_since.get(book.partition)) for book in books],
    )


def books_routes(watch: BooksWatch) -> APIRouter:
    """The route of /books."""
    router = APIRouter(tags=["books"])

    @router.get("/books")
    async def get_books() -> BooksStatement:
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
