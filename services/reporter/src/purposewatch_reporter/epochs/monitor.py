"""Check the logs periodically, and alert when the ledger is not reconciled."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.notices import NoticeKind, end_notice, raise_notice
from purposewatch_reporter.epochs.detector import EpochDetector, LedgerTopics, epoch_key
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.reconciliation.reconciler import Reconciler, ReconciliationReport
from purposewatch_reporter.reconciliation.topic import PartitionReconciliation, TopicReconciliation
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import count_epochs, remember_ends

_SHOWN = timedelta(days=1)
"""How long a notice about a replaced log lasts; the numbers stay in the ledger."""


class EpochMonitor:
    """Starts log epochs that are due, notifies the consumers, and raises notices."""

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        detector: EpochDetector,
        reconciler: Reconciler,
        topics: LedgerTopics,
        *,
        partitions: int,
        alert_after: timedelta,
        clock: Callable[[], datetime],
        started: Mapping[str, Callable[[], Awaitable[None]]],
    ) -> None:
        """`started` holds, by topic, what to call when reading restarts."""
        self._database = database
        self._detector = detector
        self._reconciler = reconciler
        self._topics = topics
        self._partitions = range(partitions)
        self._alert_after = alert_after
        self._clock = clock
        self._on_started = started
        self._epochs: Mapping[tuple[str, int], int] | None = None

    async def check(self) -> None:
        """Check once."""
        # INVARIANT: ends are only remembered of logs that were recognised after they were seen.
        seen = self._reconciler.latest
        for topic in self._topics.all():
            await self._detector.check(topic, self._partitions)
        async with self._database.reading() as connection:
            epochs = await count_epochs(connection)
        if self._epochs is not None:  # at the first check the consumers have just started
            changed = {topic for (topic, _), _ in epochs.items() ^ self._epochs.items()}
            for topic in changed & self._on_started.keys():
                await self._on_started[topic]()
        self._epochs = epochs
        async with self._database.writing() as connection:
            if seen is not None:
                await self._remember_ends(connection, seen)
            if self._reconciler.latest is not None:
                await self._notify(connection, self._reconciler.latest)

    async def _remember_ends(
        self, connection: AsyncConnection, report: ReconciliationReport
    ) -> None:
        for table, topic, reconciliation in (
            (tables.ledger, self._topics.events, report.events),
            (tables.raw_ledger, self._topics.raw, report.raw),
        ):
            ends = {
                one.partition: (one.log_epoch, one.log_end)
                for one in reconciliation.partitions
                if one.log_end is not None and not one.log_is_short
            }
            await remember_ends(connection, table, topic, ends)

    async def _notify(self, connection: AsyncConnection, report: ReconciliationReport) -> None:
        now = self._clock()
        recent = {note for note in report.notes if now - note.started_time < _SHOWN}
        for note in set(report.notes) - recent:
            key = epoch_key(note.topic, note.partition)
            if key not in {epoch_key(other.topic, other.partition) for other in recent}:
                await end_notice(connection, kind=NoticeKind.LEDGER, key=key, now=now)
        ended = {(note.topic, note.partition, note.log_epoch - 1) for note in recent}
        for topic, full_name, reconciliation in (
            ("events", self._topics.events, report.events),
            ("raw", self._topics.raw, report.raw),
        ):
            lost = [
                one
                for one in reconciliation.ended
                if one.unaccounted and (full_name, one.partition, one.log_epoch) in ended
            ]
            missing = self._missing(reconciliation, now)
            short = [one.partition for one in reconciliation.partitions if one.log_is_short]
            for key, what in (
                (
                    f"unaccounted/{topic}",
                    f"{missing} records of the {topic} topic have neither a verdict nor a dead "
                    "letter, though later ones have; /api/v1/ledger names them."
                    if missing
                    else None,
                ),
                (
                    f"short/{topic}",
                    f"The log of the {topic} topic ends before what the ledger knows of it, in "
                    f"partitions {short}; if that lasts, a new log epoch is started."
                    if short
                    else None,
                ),
                (f"lost/{topic}", _lost(topic, lost)),
            ):
                if what is not None:
                    await raise_notice(
                        connection,
                        kind=NoticeKind.LEDGER,
                        key=key,
                        summary=what,
                        severity=Severity.CRITICAL,
                        now=now,
                    )
                else:
                    await end_notice(connection, kind=NoticeKind.LEDGER, key=key, now=now)

    def _missing(self, reconciliation: TopicReconciliation, now: datetime) -> int:
        """Unaccounted records of partitions whose oldest open one has been open for long."""
        return sum(
            one.unaccounted
            for one in reconciliation.partitions
            if (since := reconciliation.oldest(one.partition)) is not None
            and now - since >= self._alert_after
        )


def _lost(topic: str, ended: Sequence[PartitionReconciliation]) -> str | None:
    if not ended:
        return None
    epochs = [f"partition {b.partition}, log epoch {b.log_epoch}: {b.unaccounted}" for b in ended]
    return (
        f"{sum(one.unaccounted for one in ended)} records of the {topic} topic were never "
        f"accounted for, and their log is gone ({'; '.join(epochs[:10])})."
    )
