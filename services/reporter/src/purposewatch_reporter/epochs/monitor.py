"""Look after the pages: recognise the logs again and again, and alert when the books are off."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.notices import NoticeKind, end_notice, raise_notice
from purposewatch_reporter.epochs.detector import BookTopics, EpochDetector, page_key
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.reconciliation.balance import Books
from purposewatch_reporter.reconciliation.comparison import Compared
from purposewatch_reporter.reconciliation.reconciler import Reconciler, Statement
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import count_epochs, remember_ends

_SHOWN = timedelta(days=1)
"""How long a notice lasts about what can't be mended; the numbers stay in the books."""


class EpochMonitor:
    """Turns pages that are due, tells the consumers of it, and raises notices about the books."""

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        keeper: EpochDetector,
        books: Reconciler,
        topics: BookTopics,
        *,
        partitions: int,
        alert_after: timedelta,
        clock: Callable[[], datetime],
        turned: Mapping[str, Callable[[], Awaitable[None]]],
    ) -> None:
        """`turned` says, by topic, who has to know that reading begins anew."""
        self._database = database
        self._keeper = keeper
        self._books = books
        self._topics = topics
        self._partitions = range(partitions)
        self._alert_after = alert_after
        self._clock = clock
        self._turned = turned
        self._pages: Mapping[tuple[str, int], int] | None = None

    async def look(self) -> None:
        """Look once."""
        # INVARIANT: ends are only remembered of logs that were recognised after they were seen.
        seen = self._books.latest
        for topic in self._topics.all():
            await self._keeper.check(topic, self._partitions)
        async with self._database.reading() as connection:
            pages = await count_epochs(connection)
        if self._pages is not None:  # at the first look the consumers have just begun
            changed = {topic for (topic, _), _ in pages.items() ^ self._pages.items()}
            for topic in changed & self._turned.keys():
                await self._turned[topic]()
        self._pages = pages
        async with self._database.writing() as connection:
            if seen is not None:
                await self._remember_ends(connection, seen)
            if self._books.latest is not None:
                await self._notify(connection, self._books.latest)

    async def _remember_ends(self, connection: AsyncConnection, statement: Statement) -> None:
        for table, topic, compared in (
            (tables.ledger, self._topics.events, statement.events),
            (tables.raw_ledger, self._topics.raw, statement.raw),
        ):
            ends = {
                book.partition: (book.page, book.log_end)
                for book in compared.partitions
                if book.log_end is not None and not book.log_is_short
            }
            await remember_ends(connection, table, topic, ends)

    async def _notify(self, connection: AsyncConnection, statement: Statement) -> None:
        now = self._clock()
        recent = {note for note in statement.notes if now - note.opened_time < _SHOWN}
        for note in set(statement.notes) - recent:
            key = page_key(note.topic, note.partition)
            if key not in {page_key(other.topic, other.partition) for other in recent}:
                await end_notice(connection, kind=NoticeKind.BOOKS, key=key, now=now)
        closed = {(note.topic, note.partition, note.page - 1) for note in recent}
        for topic, full_name, compared in (
            ("events", self._topics.events, statement.events),
            ("raw", self._topics.raw, statement.raw),
        ):
            lost = [
                book
                for book in compared.closed
                if book.unaccounted and (full_name, book.partition, book.page) in closed
            ]
            missing = self._missing(compared, now)
            short = [book.partition for book in compared.partitions if book.log_is_short]
            for key, what in (
                (
                    f"unaccounted/{topic}",
                    f"{missing} records of the {topic} topic have neither a verdict nor a dead "
                    "letter, though later ones have; /api/v1/books names them."
                    if missing
                    else None,
                ),
                (
                    f"short/{topic}",
                    f"The log of the {topic} topic ends before what the books know of it, in "
                    f"partitions {short}; if that lasts, a new page is opened."
                    if short
                    else None,
                ),
                (f"lost/{topic}", _lost(topic, lost)),
            ):
                if what is not None:
                    await raise_notice(
                        connection,
                        kind=NoticeKind.BOOKS,
                        key=key,
                        summary=what,
                        severity=Severity.CRITICAL,
                        now=now,
                    )
                else:
                    await end_notice(connection, kind=NoticeKind.BOOKS, key=key, now=now)

    def _missing(self, compared: Compared, now: datetime) -> int:
        """Unaccounted records of partitions whose oldest open one has been open for long."""
        return sum(
            book.unaccounted
            for book in compared.partitions
            if (since := compared.oldest(book.partition)) is not None
            and now - since >= self._alert_after
        )


def _lost(topic: str, closed: Sequence[Books]) -> str | None:
    if not closed:
        return None
    pages = [f"partition {b.partition}, page {b.page}: {b.unaccounted}" for b in closed]
    return (
        f"{sum(book.unaccounted for book in closed)} records of the {topic} topic were never "
        f"accounted for, and their log is gone ({'; '.join(pages[:10])})."
    )
