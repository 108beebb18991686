"""Compare the accounts of one topic with its log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from purposewatch_reporter.reconciliation.balance import Books

A = TypeVar("A")


class LogEnds(Protocol):
    """A look at the log: see `LogOffsets`."""

    async def ends(self) -> Mapping[int, int]:
        """One above the last record of every partition."""

    async def written_at(self, partition: int, offset: int) -> datetime | None:
        """When the record at this offset was written."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The books of one topic at one moment."""

    partitions: tuple[Books, ...] = ()
    """The current page of every partition."""
    closed: tuple[Books, ...] = ()
    """The pages before."""
    open_since: Mapping[int, datetime] | None = None
    """When the oldest open record of a partition was written, where there is one."""

    @property
    def pages(self) -> Sequence[Books]:
        """All pages."""
        return (*self.closed, *self.partitions)

    @property
    def lost(self) -> int:
        """Records of closed pages that nobody accounted for; nobody can any more."""
        return sum(book.unaccounted for book in self.closed)

    def oldest(self, partition: int) -> datetime | None:
        """Since when the oldest open record of the partition has been open."""
        return (self.open_since or {}).get(partition)


class Comparison(Generic[A]):
    """Compares again and again, and remembers what it has looked up."""

    def __init__(
        self,
        log: LogEnds,
        balance: Callable[[int, A, int | None], Books],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._balance = balance
        self._clock = clock
        self._seen_open: dict[int, tuple[int, datetime]] = {}
        self._previous_ends: Mapping[int, int] | None = None

    def unknown(self, accounts: Mapping[int, Sequence[A]]) -> Compared:
        """What can be said without Kafka."""
        return self._compare(accounts, {}, {})

    async def compare(self, accounts: Mapping[int, Sequence[A]]) -> Compared:
        """Look at the log, after the accounts (all pages of every partition) were read."""
        ends = await self._log.ends()
        compared = self._compare(accounts, ends, {})
        since = await self._open_since(compared.partitions)
        self._previous_ends = ends
        return self._compare(accounts, ends, since)

    def _compare(
        self,
        accounts: Mapping[int, Sequence[A]],
        ends: Mapping[int, int],
        since: Mapping[int, datetime],
    ) -> Compared:
        of_all = [
            [self._balance(partition, account, ends.get(partition)) for account in pages]
            for partition, pages in sorted(accounts.items())
        ]
        return Compared(
            partitions=tuple(books[-1] for books in of_all),
            closed=tuple(book for books in of_all for book in books[:-1]),
            open_since=since,
        )

    async def _open_since(self, books: Sequence[Books]) -> dict[int, datetime]:
        """When the oldest open record of each partition was written.

        A record that was not there at the last look is under way, and not worth a fetch.
        """
        since: dict[int, datetime] = {}
        for book in books:
            if book.oldest_open is None:
                continue
            offset, partition = book.oldest_open, book.partition
            known = self._seen_open.get(partition)
            if known is not None and known[0] == offset:
                since[partition] = known[1]
            elif self._is_new(partition, offset) or offset >= (book.log_end or 0):
                since[partition] = self._clock()
            else:
                written = await self._log.written_at(partition, offset)
                since[partition] = written or self._clock()
                self._seen_open[partition] = (offset, since[partition])
        return since

    def _is_new(self, partition: int, offset: int) -> bool:
        return self._previous_ends is not None and offset >= self._previous_ends.get(partition, 0)
