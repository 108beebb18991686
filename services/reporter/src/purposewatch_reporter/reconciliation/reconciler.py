"""Reconcile the ledger with Kafka periodically, and export the result."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw import RawLedger
from purposewatch_reporter.reconciliation.topic import (
    LogEnds,
    PartitionReconciliation,
    TopicReconciler,
    TopicReconciliation,
    reconcile,
    reconcile_raw,
)
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import EpochNote, load_epoch_notes
from purposewatch_reporter.store.ledgers import load_epochs
from purposewatch_reporter.store.raw_ledgers import load_raw_epochs
from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import GaugeSpec
from purposewatch_runtime.service import Check

_STALE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """All partitions of both topics, at one moment."""

    as_of: datetime
    events: TopicReconciliation
    raw: TopicReconciliation
    """Empty until the raw topic has a ledger."""
    notes: Sequence[EpochNote]
    """Why log epochs were started, for all topics."""

    @property
    def partitions(self) -> Sequence[PartitionReconciliation]:
        """The current log epochs of the events topic."""
        return self.events.partitions


class Reconciler:
    """Keeps the latest report and the gauges that export it."""

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        log: LogEnds,
        *,
        events_topic: str,
        raw_topic: str,
        partitions: int,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._log = log
        self._events_topic = events_topic
        self._raw_topic = raw_topic
        self._events = TopicReconciler[PartitionLedger](log, events_topic, reconcile, clock=clock)
        self._raw = TopicReconciler[RawLedger](log, raw_topic, reconcile_raw, clock=clock)
        self._partitions = range(partitions)
        self._metrics = metric_set
        self._clock = clock
        self.latest: ReconciliationReport | None = None

    async def refresh(self) -> None:
        """Read the ledger, then the log ends; compare them and export the result."""
        async with self._database.reading() as connection:
            ledgers = await load_epochs(connection, self._events_topic)
            raw = await load_raw_epochs(connection, self._raw_topic)
            notes = await load_epoch_notes(connection)
        error: Exception | None = None
        try:
            await self._add_unread(ledgers)
            topics = (self._events_topic, self._raw_topic)
            ends = await self._log.ends(topics, self._partitions)
            events = await self._events.reconcile(ledgers, ends[self._events_topic])
            raw_report = await self._raw.reconcile(raw, ends[self._raw_topic])
        except Exception as caught:  # noqa: BLE001 - exported as unknown, then raised
            error = caught
            for partition in self._partitions:
                ledgers.setdefault(partition, [PartitionLedger()])
            events, raw_report = self._events.unknown(ledgers), self._raw.unknown(raw)
        self.latest = ReconciliationReport(self._clock(), events, raw_report, notes)
        self._show(self.latest)
        if error is not None:
            raise error
        self._metrics.gauge(m.LEDGER_RECONCILED).set(self.latest.as_of.timestamp())

    async def _add_unread(self, ledgers: dict[int, list[PartitionLedger]]) -> None:
        """Add the partitions of the events topic of which nothing is recorded yet."""
        unread = [partition for partition in self._partitions if partition not in ledgers]
        if unread:
            starts = await self._log.starts(self._events_topic, unread)
            ledgers |= {
                partition: [PartitionLedger(base=starts[partition])] for partition in unread
            }

    async def check(self) -> Check:
        """Whether the ledger was reconciled with Kafka recently."""
        if self.latest is None:
            return Check(ok=False, detail="not reconciled with Kafka yet")
        if self._clock() - self.latest.as_of > _STALE:
            return Check(ok=False, detail=f"last reconciled at {self.latest.as_of.isoformat()}")
        if any(one.log_end is None for one in self.latest.events.partitions):
            return Check(ok=False, detail="the ends of the events topic are unknown")
        return Check(ok=True, detail="reconciled with Kafka")

    def _show(self, report: ReconciliationReport) -> None:
        self._show_topic(report.as_of, report.events, _EVENTS)
        self._show_topic(report.as_of, report.raw, _RAW)
        for topic, reconciliation in (("events", report.events), ("raw", report.raw)):
            self._metrics.gauge(m.LEDGER_LOST).labels(topic).set(reconciliation.lost)
        newest: dict[str, dict[int, int]] = {}
        for note in report.notes:
            newest.setdefault(note.topic.rpartition(".")[2], {})[note.partition] = note.log_epoch
        for topic in ("raw", "events", "verdicts", "dead-letters"):
            started = sum(newest.get(topic, {}).values())
            self._metrics.gauge(m.LOG_EPOCHS_STARTED).labels(topic).set(started)

    def _show_topic(
        self, as_of: datetime, reconciliation: TopicReconciliation, specs: "_Gauges"
    ) -> None:
        gauge = self._metrics.gauge
        for current in reconciliation.partitions:
            label = str(current.partition)
            epochs = [one for one in reconciliation.epochs if one.partition == current.partition]
            since = reconciliation.oldest(current.partition)
            age = max(0.0, (as_of - since).total_seconds()) if since else 0.0
            unknown = current.log_end is None
            events = sum(one.events or 0 for one in epochs)
            gauge(specs.events).labels(label).set(math.nan if unknown else events)
            gauge(specs.pending).labels(label).set(math.nan if unknown else current.pending or 0)
            gauge(specs.oldest).labels(label).set(math.nan if unknown else age)
            gauge(specs.verdicts).labels(label).set(sum(one.verdicts for one in epochs))
            gauge(specs.dead_letters).labels(label).set(sum(one.dead_letters for one in epochs))
            gauge(specs.unaccounted).labels(label).set(current.unaccounted)


@dataclass(frozen=True, slots=True)
class _Gauges:
    """The gauges of one topic."""

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
