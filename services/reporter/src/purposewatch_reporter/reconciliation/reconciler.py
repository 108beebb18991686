"""Compare the books with Kafka, over and over, and show the result."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw import RawLedger
from purposewatch_reporter.log_offsets import LogOffsets
from purposewatch_reporter.reconciliation.balance import Books, balance, balance_raw
from purposewatch_reporter.reconciliation.comparison import Compared, Comparison
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import EpochNote, load_epoch_notes
from purposewatch_reporter.store.ledgers import load_pages
from purposewatch_reporter.store.raw_ledgers import load_raw_pages
from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import GaugeSpec
from purposewatch_runtime.service import Check

_STALE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Statement:
    """The books of all partitions at one moment."""

    as_of: datetime
    events: Compared
    raw: Compared
    """Empty until the books of the raw topic are opened."""
    notes: Sequence[EpochNote]
    """Why pages were opened, of all topics."""

    @property
    def partitions(self) -> Sequence[Books]:
        """The current pages of the events topic."""
        return self.events.partitions


class Reconciler:
    """Keeps the latest statement and the gauges that show it."""

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        events: LogOffsets,
        raw: LogOffsets,
        *,
        partitions: int,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._log = events
        self._events_topic = events.topic
        self._raw_topic = raw.topic
        self._events = Comparison[PartitionLedger](events, balance, clock=clock)
        self._raw = Comparison[RawLedger](raw, balance_raw, clock=clock)
        self._partitions = partitions
        self._metrics = metric_set
        self._clock = clock
        self.latest: Statement | None = None

    async def refresh(self) -> None:
        """Read the books, then the logs' ends, and show what follows."""
        async with self._database.reading() as connection:
            accounts = await load_pages(connection, self._events_topic)
            raw = await load_raw_pages(connection, self._raw_topic)
            notes = await load_epoch_notes(connection)
        error: Exception | None = None
        try:
            for partition in range(self._partitions):
                if partition not in accounts:
                    start = await self._log.log_start(self._events_topic, partition)
                    accounts[partition] = [PartitionLedger(base=start)]
            events, of_raw = await self._events.compare(accounts), Compared()
            if raw:
                of_raw = await self._raw.compare(raw)
        except Exception as caught:  # noqa: BLE001 - shown as «unknown», then raised
            error = caught
            for partition in range(self._partitions):
                accounts.setdefault(partition, [PartitionLedger()])
            events, of_raw = self._events.unknown(accounts), self._raw.unknown(raw)
        self.latest = Statement(self._clock(), events, of_raw, notes)
        self._show(self.latest)
        if error is not None:
            raise error
        self._metrics.gauge(m.LEDGER_RECONCILED).set(self.latest.as_of.timestamp())

    async def check(self) -> Check:
        """Whether the books were compared with Kafka lately."""
        if self.latest is None:
            return Check(ok=False, detail="not compared with Kafka yet")
        if self._clock() - self.latest.as_of > _STALE:
            return Check(ok=False, detail=f"last compared at {self.latest.as_of.isoformat()}")
        if any(book.log_end is None for book in self.latest.events.partitions):
            return Check(ok=False, detail="the ends of the events topic are unknown")
        return Check(ok=True, detail="compared with Kafka")

    def _show(self, statement: Statement) -> None:
        self._show_topic(statement.as_of, statement.events, _EVENTS)
        self._show_topic(statement.as_of, statement.raw, _RAW)
        for topic, compared in (("events", statement.events), ("raw", statement.raw)):
            self._metrics.gauge(m.LEDGER_LOST).labels(topic).set(compared.lost)
        newest: dict[str, dict[int, int]] = {}
        for note in statement.notes:
            newest.setdefault(note.topic.rpartition(".")[2], {})[note.partition] = note.page
        for topic in ("raw", "events", "verdicts", "dead-letters"):
            turned = sum(newest.get(topic, {}).values())
            self._metrics.gauge(m.LOG_EPOCHS_STARTED).labels(topic).set(turned)

    def _show_topic(self, as_of: datetime, compared: Compared, specs: "_Gauges") -> None:
        gauge = self._metrics.gauge
        for current in compared.partitions:
            label = str(current.partition)
            pages = [book for book in compared.pages if book.partition == current.partition]
            since = compared.oldest(current.partition)
            age = max(0.0, (as_of - since).total_seconds()) if since else 0.0
            unknown = current.log_end is None
            events = sum(book.events or 0 for book in pages)
            gauge(specs.events).labels(label).set(math.nan if unknown else events)
            gauge(specs.pending).labels(label).set(math.nan if unknown else current.pending or 0)
            gauge(specs.oldest).labels(label).set(math.nan if unknown else age)
            gauge(specs.verdicts).labels(label).set(sum(book.verdicts for book in pages))
            gauge(specs.dead_letters).labels(label).set(sum(book.dead_letters for book in pages))
            gauge(specs.unaccounted).labels(label).set(current.unaccounted)


@dataclass(frozen=True, slots=True)
class _Gauges:
    """The gauges of one topic's books."""

    events: GaugeSpec
    verdicts: GaugeSpec
    dead_letters: GaugeSpec
    unaccounted: GaugeSpec
    pending: GaugeSpec
    oldest: GaugeSpec


_EVENTS = _Gauges(
    m.LEDGER_EVENTS,
    m.LEDGER_VERDICTS,
    m.LEDGER_DEAD_LETTERS,
    m.LEDGER_UNACCOUNTED,
    m.LEDGER_PENDING,
    m.LEDGER_OLDEST_SECONDS,
)
_RAW = _Gauges(
    m.RAW_LEDGER_RECORDS,
    m.RAW_LEDGER_ACCEPTED,
    m.RAW_LEDGER_DEAD_LETTERS,
    m.RAW_LEDGER_UNACCOUNTED,
    m.RAW_LEDGER_PENDING,
    m.RAW_LEDGER_OLDEST_SECONDS,
)
