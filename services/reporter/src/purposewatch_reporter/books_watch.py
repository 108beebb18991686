"""Compare the books with Kafka, over and over, and show the result."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from purposewatch_reporter.alerts.outbox import depth
from purposewatch_reporter.ledger.books import Books, balance
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.ledgers import load_ledgers
from purposewatch_reporter.watermarks import Watermarks
from purposewatch_shared import metrics as m
from purposewatch_shared.health import Check
from purposewatch_shared.logs import get_logger

_STALE = timedelta(seconds=60)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Statement:
    """The books of all partitions at one moment."""

    as_of: datetime
    partitions: tuple[Books, ...]
    open_since: Mapping[int, datetime]
    """When the oldest open event of a partition was written, where there is one."""


class BooksWatch:
    """Keeps the latest statement and the gauges that show it."""

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        watermarks: Watermarks,
        *,
        events_topic: str,
        partitions: int,
        channels: Sequence[str],
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._watermarks = watermarks
        self._topic = events_topic
        self._partitions = partitions
        self._channels = channels
        self._metrics = metric_set
        self._clock = clock
        self._short: frozenset[int] = frozenset()
        self._seen_open: dict[int, tuple[int, datetime]] = {}
        self._previous_ends: Mapping[int, int] = {}
        self.latest: Statement | None = None

    async def refresh(self) -> None:
        """Read the books, then the log's ends, and show what follows."""
        async with self._database.reading() as connection:
            ledgers = await load_ledgers(connection, self._topic)
            depths = {channel: await depth(connection, channel) for channel in self._channels}
        now = self._clock()
        for channel, found in depths.items():
            self._metrics.gauge(m.OUTBOX_DEPTH).labels(channel).set(found.waiting)
            age = (now - found.oldest_created).total_seconds() if found.oldest_created else 0.0
            self._metrics.gauge(m.OUTBOX_OLDEST_SECONDS).labels(channel).set(max(0.0, age))
        error: Exception | None = None
        ends: Mapping[int, int] = {}
        try:
            for partition in range(self._partitions):
                if partition not in ledgers:
                    start = await self._watermarks.log_start(self._topic, partition)
                    ledgers[partition] = PartitionLedger(base=start)
            ends = await self._watermarks.ends()
        except Exception as caught:  # noqa: BLE001 - shown as «unknown», then raised
            error = caught
        books = tuple(
            balance(partition, ledgers.get(partition, PartitionLedger()), ends.get(partition))
            for partition in range(self._partitions)
        )
        open_since = await self._open_since(books) if error is None else {}
        self.latest = Statement(self._clock(), books, open_since)
        self._show(self.latest)
        if error is not None:
            raise error
        self._previous_ends = ends

    async def check(self) -> Check:
        """Whether the books were compared with Kafka lately."""
        if self.latest is None:
            return Check(ok=False, detail="not compared with Kafka yet")
        if self._clock() - self.latest.as_of > _STALE:
            return Check(ok=False, detail=f"last compared at {self.latest.as_of.isoformat()}")
        if any(book.log_end is None for book in self.latest.partitions):
            return Check(ok=False, detail="the ends of the events topic are unknown")
        return Check(ok=True, detail="compared with Kafka")

    async def _open_since(self, books: Sequence[Books]) -> dict[int, datetime]:
        """When the oldest open event of each partition was written.

        An event that was not there at the last look is under way, and not worth a fetch.
        """
        since: dict[int, datetime] = {}
        for book in books:
            if book.oldest_open is None:
                continue
            offset, partition = book.oldest_open, book.partition
            known = self._seen_open.get(partition)
            if known is not None and known[0] == offset:
                since[partition] = known[1]
            elif offset >= self._previous_ends.get(partition, 0 if self.latest else offset + 1):
                since[partition] = self._clock()
            else:
                written = await self._watermarks.written_at(partition, offset)
                since[partition] = written or self._clock()
                self._seen_open[partition] = (offset, since[partition])
        return since

    def _show(self, statement: Statement) -> None:
        gauge = self._metrics.gauge
        for book in statement.partitions:
            label = str(book.partition)
            since = statement.open_since.get(book.partition)
            age = max(0.0, (statement.as_of - since).total_seconds()) if since else 0.0
            unknown = book.log_end is None
            gauge(m.BOOKS_EVENTS).labels(label).set(math.nan if unknown else book.events or 0)
            gauge(m.BOOKS_PENDING).labels(label).set(math.nan if unknown else book.pending or 0)
            gauge(m.BOOKS_OLDEST_SECONDS).labels(label).set(math.nan if unknown else age)
            gauge(m.BOOKS_VERDICTS).labels(label).set(book.verdicts)
            gauge(m.BOOKS_DEAD_LETTERS).labels(label).set(book.dead_letters)
            gauge(m.BOOKS_UNACCOUNTED).labels(label).set(book.unaccounted)
        short = frozenset(book.partition for book in statement.partitions if book.log_is_short)
        if short and short != self._short:
            _log.error(
                "the events topic holds fewer events than were booked: it was recreated or lost "
                "data; new events in these partitions would be taken for repeats",
                topic=self._topic,
                partitions=sorted(short),
            )
        self._short = short
