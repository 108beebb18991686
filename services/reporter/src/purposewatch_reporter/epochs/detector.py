"""Detect that a log is not the one that the ledger describes, and start a new log epoch."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.notices import NoticeKind, raise_notice
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.ledger.fingerprint import (
    LogFingerprint,
    RecordFingerprint,
    canonical_digest,
    record_digest,
    submitted_digest,
)
from purposewatch_reporter.ledger.lookups import (
    ExpectedRecord,
    LogFacts,
    LookUps,
    TopicPartition,
)
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw import RawLedger
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import (
    EpochNote,
    EpochStart,
    note_epoch,
    restart_reading,
    start_epoch,
    start_raw_epoch,
)
from purposewatch_reporter.store.ledgers import load_ledgers
from purposewatch_reporter.store.positions import load_positions
from purposewatch_reporter.store.raw_ledgers import load_raw_epochs
from purposewatch_runtime.kafka import Record
from purposewatch_runtime.logs import get_logger

SURE_AFTER = timedelta(seconds=20)
"""A new leader may show a shorter log for a moment, until its followers have caught up."""

_log = get_logger(__name__)


class Reason(StrEnum):
    """Why a log epoch was started."""

    REWRITTEN = "rewritten"
    """The log holds other records at offsets that were read or recorded."""
    SHORT = "short"
    """The log ends before what the ledger has seen of it."""


def epoch_key(topic: str, partition: int) -> str:
    """The key of the notice that a log epoch was started.

    It identifies the alert to its receivers, so it keeps the prefix of 0.1: an alert that fires
    during an update must end under the key that it began with.
    """
    return f"page/{topic}/{partition}"


class NotSureYetError(Exception):
    """The log looks shorter than it was; that must last before it is believed."""


class Log(Protocol):
    """A look at the logs: see `LogObserver`."""

    async def spans(self, topic: str, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """The lowest offset of each partition, and one above the highest."""

    async def ends(
        self, topics: Iterable[str], partitions: Collection[int]
    ) -> Mapping[str, Mapping[int, int]]:
        """One above the last record of these partitions of each topic."""

    async def reached(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Lower bounds of the ends of these partitions."""

    async def first_from(self, topic: str, partition: int, offset: int) -> int:
        """The first offset from this one on, below the end, that holds a record."""

    async def read(
        self, topic: str, partition: int, offsets: Collection[int]
    ) -> Mapping[int, Record]:
        """The records at offsets within the span."""


@dataclass(frozen=True, slots=True)
class LedgerTopics:
    """Full names of the topics that the ledger rests on."""

    raw: str
    events: str
    verdicts: str
    dead_letters: str
    gaps: str
    facts: str

    def read(self) -> tuple[str, ...]:
        """Those that the reporter reads from their beginning to their end."""
        return (self.verdicts, self.dead_letters, self.gaps, self.facts)

    def all(self) -> tuple[str, ...]:
        """Every one of them."""
        return (self.raw, self.events, *self.read())


@dataclass(frozen=True, slots=True)
class _Remembered:
    log_epoch: int
    fingerprint: LogFingerprint
    end: int


def _of_ledger(ledger: PartitionLedger | RawLedger) -> _Remembered:
    return _Remembered(ledger.log_epoch, ledger.fingerprint, ledger.end)


async def _of_ledgers(connection: AsyncConnection, topic: str) -> dict[int, _Remembered]:
    ledgers = await load_ledgers(connection, topic)
    return {partition: _of_ledger(ledger) for partition, ledger in ledgers.items()}


async def _of_raw_ledgers(connection: AsyncConnection, topic: str) -> dict[int, _Remembered]:
    epochs = await load_raw_epochs(connection, topic)
    return {partition: _of_ledger(ledgers[-1]) for partition, ledgers in epochs.items()}


async def _of_positions(connection: AsyncConnection, topic: str) -> dict[int, _Remembered]:
    positions = await load_positions(connection, topic)
    return {
        partition: _Remembered(one.log_epoch, one.fingerprint, one.next_offset)
        for partition, one in positions.items()
    }


@dataclass(frozen=True, slots=True)
class _Strategy:
    """How one topic's log is remembered and recognised, and how its epochs start."""

    remembered: Callable[[AsyncConnection, str], Awaitable[dict[int, _Remembered]]]
    digest: Callable[[Record], bytes | None]
    start: Callable[[AsyncConnection, EpochStart], Awaitable[bool]]


_EVENTS = _Strategy(_of_ledgers, canonical_digest, start_epoch)
_RAW = _Strategy(_of_raw_ledgers, submitted_digest, start_raw_epoch)
_READ = _Strategy(_of_positions, record_digest, restart_reading)
"""Of the topics that the reporter reads itself."""


class EpochDetector:
    """Compares logs with what is remembered of them.

    INVARIANT: a log epoch is started only when Kafka holds other records than those recorded, or
    fewer for a while. A repeat, however late, starts none: the log still holds what it repeats.
    """

    def __init__(
        self, database: Database, log: Log, topics: LedgerTopics, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._log = log
        self._strategies = {topics.events: _EVENTS, topics.raw: _RAW}
        self._clock = clock
        self._short_since: dict[tuple[str, int], datetime] = {}

    async def check(self, topic: str, partitions: Collection[int]) -> set[int]:
        """Start a log epoch where that is due; the partitions for which it can't be said yet."""
        remembered = await self._remembered(topic, partitions)
        spans = await self._log.spans(topic, list(remembered)) if remembered else {}
        unsure = set()
        for partition, facts in remembered.items():
            start, end = spans[partition]
            try:
                reason = await self._unlike(topic, partition, facts, start, end)
            except NotSureYetError as error:
                _log.warning("a log looks too short", topic=topic, detail=str(error))
                unsure.add(partition)
            else:
                if reason is not None:
                    await self._start_epoch(topic, partition, facts, reason, base=start)
        return unsure

    async def reached(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Lower bounds of the ends of logs; of none, when Kafka does not answer soon."""
        return await self._log.reached(partitions) if partitions else {}

    async def look_up(self, facts: LogFacts) -> None:
        """Make the look-ups in `facts.missing`; raises when Kafka can't answer now."""
        missing, facts.missing = facts.missing, LookUps()
        for topic, partitions in _by_topic(missing.recognition).items():
            if unsure := await self.check(topic, partitions):
                message = f"partitions {sorted(unsure)} of `{topic}` look shorter than they were"
                raise NotSureYetError(message)
        facts.recognised |= missing.recognition
        for topic, partitions in _by_topic(missing.starts).items():
            for partition, (start, _) in (await self._log.spans(topic, partitions)).items():
                facts.starts[topic, partition] = start
        for (topic, partition), offset in sorted(missing.firsts):
            first = await self._log.first_from(topic, partition, offset)
            facts.firsts[(topic, partition), offset] = first
        for topic, partitions in _by_topic(missing.ends).items():
            for partition, end in (await self._log.ends([topic], partitions))[topic].items():
                facts.ends[topic, partition] = end
        await self._compare(missing.records, facts)

    async def _compare(self, records: Iterable[ExpectedRecord], facts: LogFacts) -> None:
        """Compare expected records with those that the logs hold."""
        by_partition: dict[tuple[str, int], list[ExpectedRecord]] = {}
        for expected in records:
            by_partition.setdefault((expected.topic, expected.partition), []).append(expected)
        for (topic, partition), wanted in sorted(by_partition.items()):
            start, end = (await self._log.spans(topic, [partition]))[partition]
            offsets = {expected.offset for expected in wanted if start <= expected.offset < end}
            found = await self._log.read(topic, partition, offsets) if offsets else {}
            for expected in wanted:
                record = found.get(expected.offset)
                facts.records[expected] = record is not None and expected.matches(record)
                if record is not None and expected.differs(record):
                    facts.others.add(expected)

    def _strategy(self, topic: str) -> _Strategy:
        return self._strategies.get(topic, _READ)

    async def _remembered(self, topic: str, partitions: Collection[int]) -> dict[int, _Remembered]:
        async with self._database.reading() as connection:
            found = await self._strategy(topic).remembered(connection, topic)
        return {partition: found[partition] for partition in partitions if partition in found}

    async def _unlike(
        self, topic: str, partition: int, remembered: _Remembered, start: int, end: int
    ) -> Reason | None:
        wanted = [one for one in remembered.fingerprint.records() if start <= one.offset < end]
        offsets = {one.offset for one in wanted}
        records = await self._log.read(topic, partition, offsets) if offsets else {}
        if any(self._differs(topic, one, records.get(one.offset)) for one in wanted):
            return Reason.REWRITTEN
        if end >= remembered.end:
            self._short_since.pop((topic, partition), None)
            return None
        now = self._clock()
        since = self._short_since.setdefault((topic, partition), now)
        if now - since < SURE_AFTER:
            message = (
                f"partition {partition} of `{topic}` ends at {end}, the ledger knows of "
                f"{remembered.end}; a new log epoch is started when that lasts"
            )
            raise NotSureYetError(message)
        return Reason.SHORT

    def _differs(self, topic: str, fingerprint: RecordFingerprint, record: Record | None) -> bool:
        digest = None if record is None else self._strategy(topic).digest(record)
        # a record that can't be read proves nothing
        return digest is not None and digest != fingerprint.digest

    async def _start_epoch(
        self, topic: str, partition: int, old: _Remembered, reason: Reason, *, base: int
    ) -> bool:
        start = EpochStart(topic, partition, old.log_epoch, base, self._clock())
        note = EpochNote(topic, partition, old.log_epoch + 1, start.now, reason)
        async with self._database.writing() as connection:
            started = await self._strategy(topic).start(connection, start)
            if started:
                await note_epoch(connection, note)
                await raise_notice(
                    connection,
                    kind=NoticeKind.LEDGER,
                    key=epoch_key(topic, partition),
                    summary=(
                        f"Partition {partition} of `{topic}` is not the log that the ledger "
                        f"describes ({reason}): log epoch {note.log_epoch} was started. Check "
                        "what the previous log epoch lacks; see docs/recovering.md."
                    ),
                    severity=Severity.CRITICAL,
                    now=start.now,
                )
        self._short_since.pop((topic, partition), None)
        if started:
            _log.critical(
                "a log is not the one that the ledger describes: a new log epoch is started",
                topic=topic,
                partition=partition,
                log_epoch=note.log_epoch,
                reason=str(reason),
            )
        return started


def _by_topic(partitions: Collection[tuple[str, int]]) -> dict[str, list[int]]:
    by_topic: dict[str, list[int]] = {}
    for topic, partition in sorted(partitions):
        by_topic.setdefault(topic, []).append(partition)
    return by_topic
