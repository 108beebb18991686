"""Records which raw records ingest has processed, from the events, facts and dead letters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import RAW, declared_topics
from purposewatch_contract.codec import DecodedFact
from purposewatch_reporter.ledger.existence import may_exist
from purposewatch_reporter.ledger.fingerprint import (
    RecordFingerprint,
    raw_digest,
    submitted_digest,
)
from purposewatch_reporter.ledger.lookups import ExpectedRecord, LogFacts, TopicPartition
from purposewatch_reporter.ledger.raw import RawLedger, chunks_of
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict, raw_position
from purposewatch_reporter.ledger.session import expected_record, in_doubt
from purposewatch_reporter.store.raw_ledgers import (
    load_chunks,
    load_raw_epoch,
    lock_raw_ledgers,
    save_raw_ledgers,
)
from purposewatch_runtime.kafka import Record

_RAW_RETENTION = timedelta(milliseconds=int(declared_topics()[RAW].config["retention.ms"]))


class RawAccepted(msgspec.Struct, frozen=True, gc=False):
    """What a raw record was accepted as: an event, by its verdict, or a statement of a fact."""

    origin: str
    id: str
    accepted_time: datetime
    item: ReadVerdict | Record
    """What says so; of a fact its record."""


@dataclass(slots=True)
class _RawRecording:
    """What is to be recorded of one log epoch of one partition."""

    ledger: RawLedger
    accepted: list[tuple[int, str]] = field(default_factory=list)
    """Offsets, and the ids of their events and facts."""
    dead_letters: list[int] = field(default_factory=list)

    def add(self, one: "_Outcome") -> None:
        """Note one outcome."""
        if one.id is None:
            self.dead_letters.append(one.offset)
        else:
            self.accepted.append((one.offset, one.id))

    def chunks(self) -> set[int]:
        """The chunks that this needs."""
        return chunks_of(
            [offset for offset, _ in self.accepted] + [*self.dead_letters, self.ledger.settled]
        )

    def record(self) -> int:
        """Record what was noted; return how many events came of a record that had come before."""
        self.ledger.record_dead_letters(self.dead_letters)
        repeated = self.ledger.record_accepted(offset for offset, _ in self.accepted)
        if self.accepted:
            for offset, event_id in sorted({min(self.accepted), max(self.accepted)}):
                self.ledger.remember(RecordFingerprint(offset, raw_digest(event_id)))
        self.ledger.settle()
        return repeated


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one raw record, and the log epoch that it belongs to."""

    item: ReadVerdict | Record | DeadLettered
    """What says so."""
    partition: int
    offset: int
    id: str | None
    """Of an accepted event or fact; `None` for a dead letter."""
    log_epoch: int


@dataclass(frozen=True, slots=True)
class RawRecorded:
    """What came of a batch in the ledgers of the raw topic."""

    log_epochs: Mapping[int, int]
    """The log epochs of the raw records of dead letters, by the number of the letter."""
    impossible: Sequence[ReadVerdict | Record | DeadLettered]
    """What names a raw record that its log can't have held."""


class RawLedgerSession:
    """Records the origins of a batch in the ledgers of the raw topic's partitions.

    A record counts as recorded whichever comes first: the verdict of its canonical event, its
    statement of a fact, the dead letter that ingest made of it, or the one that the auditor made of
    its canonical event. What else comes with the same origin is a repeat: ingest crashed between
    sending and committing.

    INVARIANT: what names a raw record that its log never held changes no ledger.
    """

    def __init__(self, topic: str, *, partitions: int, rebuilds: bool) -> None:
        """`topic` is the raw topic's full name; with an empty one nothing is recorded."""
        self.topic = topic
        self._prefix = f"{topic}/"
        self._partitions = {str(number): number for number in range(partitions)}
        self._rebuilds = rebuilds

    def partitions_of(self, origins: Iterable[str]) -> set[TopicPartition]:
        """The partitions of the raw topic among the origins of events and facts."""
        prefix = self._prefix
        named = {origin.split("/")[1] for origin in origins if origin.startswith(prefix)}
        return {(self.topic, self._partitions[name]) for name in named & self._partitions.keys()}

    def accepted_events(self, verdicts: Iterable[ReadVerdict]) -> list[RawAccepted]:
        """Those events of verdicts that came from the raw topic."""
        return [
            RawAccepted(
                item.verdict.origin, item.verdict.event_id, item.verdict.accepted_time, item
            )
            for item in verdicts
            if item.verdict.origin.startswith(self._prefix)
        ]

    def accepted_facts(
        self, stated: Iterable[tuple[DecodedFact, Record]], *, now: datetime
    ) -> list[RawAccepted]:
        """Those statements of facts that came from the raw topic, as long as it can hold them.

        Facts stay for years: those of longer ago may come from a log that was replaced since.
        """
        return [
            RawAccepted(fact.origin, fact.id, fact.accepted_time, record)
            for fact, record in stated
            if fact.origin.startswith(self._prefix) and now - fact.accepted_time < _RAW_RETENTION
        ]

    async def lock(self, connection: AsyncConnection, partitions: Iterable[TopicPartition]) -> None:
        """Lock these partitions' ledgers, where something else is locked before they are written.

        INVARIANT: ledgers of the raw topic are locked before positions of the facts topic.
        """
        numbers = sorted(partition for topic, partition in partitions if topic == self.topic)
        if numbers:
            await lock_raw_ledgers(connection, self.topic, numbers)

    async def record(
        self,
        connection: AsyncConnection,
        raw: Sequence[RawAccepted],
        letters: Sequence[DeadLettered],
        facts: LogFacts,
        *,
        now: datetime,
    ) -> RawRecorded | None:
        """Record what these events, facts and letters, none of them repeats, say of raw records.

        `None` when `facts` lacks something: then nothing was
        written.
        """
        origins = [raw_position(item.origin, self.topic) for item in raw]
        of_letters = [item.raw_origin for item in letters]
        partitions = {one.partition for one in (*origins, *of_letters) if one is not None}
        if not raw and not partitions:
            return RawRecorded({}, ())
        current = await lock_raw_ledgers(connection, self.topic, sorted(partitions))
        impossible: list[ReadVerdict | Record | DeadLettered] = []
        outcomes: list[_Outcome] = []
        for item, origin in zip(raw, origins, strict=True):
            ledger = None if origin is None else current.get(origin.partition)
            if origin is None or ledger is None:
                impossible.append(item.item)
            else:
                outcomes.append(
                    self._accepted(item, origin.partition, origin.offset, ledger, facts)
                )
        dead = {
            number: self._dead(item, ledger, facts)
            for number, item in enumerate(letters)
            if item.raw_origin and (ledger := current.get(item.raw_origin.partition))
        }
        if facts.missing:
            return None
        outcomes += dead.values()
        recordings, beyond = await self._grouped(connection, current, outcomes, facts, now)
        if facts.missing or not await self._write(connection, recordings, facts):
            return None
        log_epochs = {number: one.log_epoch for number, one in dead.items()}
        return RawRecorded(log_epochs, impossible + beyond)

    async def _grouped(
        self,
        connection: AsyncConnection,
        current: Mapping[int, RawLedger],
        outcomes: Iterable[_Outcome],
        facts: LogFacts,
        now: datetime,
    ) -> tuple[dict[tuple[int, int], _RawRecording], list[ReadVerdict | Record | DeadLettered]]:
        """The outcomes by log epoch, and what says that there is one of a record that never was."""
        recordings: dict[tuple[int, int], _RawRecording] = {}
        beyond: list[ReadVerdict | Record | DeadLettered] = []
        for one in outcomes:
            ledger = current[one.partition]
            recording = recordings.get((one.partition, one.log_epoch))
            if recording is None:
                found: RawLedger | None = ledger
                if one.log_epoch != ledger.log_epoch:
                    found = await load_raw_epoch(
                        connection, self.topic, one.partition, one.log_epoch
                    )
                if found is None:
                    continue
                recording = recordings[one.partition, one.log_epoch] = _RawRecording(found)
            if may_exist(
                (self.topic, one.partition),
                recording.ledger,
                one.offset,
                facts,
                now=now,
                rebuilds=self._rebuilds,
            ):
                recording.add(one)
            else:
                beyond.append(one.item)
        return recordings, beyond

    async def _write(
        self,
        connection: AsyncConnection,
        recordings: Mapping[tuple[int, int], _RawRecording],
        facts: LogFacts,
    ) -> bool:
        await load_chunks(
            connection,
            self.topic,
            [(partition, one.ledger, one.chunks()) for (partition, _), one in recordings.items()],
        )
        facts.require_recognised(
            (self.topic, partition)
            for (partition, _), one in recordings.items()
            if one.record() and one.ledger.ended_time is None
        )
        if facts.missing:
            return False
        ledgers = [
            (partition, one.ledger)
            for (partition, _), one in sorted(recordings.items(), key=lambda item: item[0])
        ]
        await save_raw_ledgers(connection, self.topic, ledgers)
        return True

    def _accepted(
        self, item: RawAccepted, partition: int, offset: int, ledger: RawLedger, facts: LogFacts
    ) -> _Outcome:
        expected = None
        if _has_doubt(ledger, item.accepted_time):
            digest = raw_digest(item.id)
            expected = ExpectedRecord(self.topic, partition, offset, digest, submitted_digest)
        return _Outcome(item.item, partition, offset, item.id, _epoch(ledger, expected, facts))

    def _dead(self, item: DeadLettered, ledger: RawLedger, facts: LogFacts) -> _Outcome:
        origin = item.raw_origin
        assert origin is not None  # noqa: S101 - the caller has looked
        # of a canonical event that was dead-lettered, only the position of its raw record is known
        has_record = item.origin == origin and _has_doubt(ledger, item.failed_time)
        expected = expected_record(item) if has_record else None
        return _Outcome(
            item, origin.partition, origin.offset, None, _epoch(ledger, expected, facts)
        )


def _has_doubt(ledger: RawLedger, time: datetime) -> bool:
    return ledger.log_epoch > 0 and in_doubt(ledger, time)


def _epoch(ledger: RawLedger, expected: ExpectedRecord | None, facts: LogFacts) -> int:
    is_previous = expected is not None and facts.holds(expected) is False
    return ledger.log_epoch - is_previous
