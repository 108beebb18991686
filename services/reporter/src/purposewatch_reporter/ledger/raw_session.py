"""Records which records of the raw topic ingest has processed, from the events and dead letters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.fingerprint import (
    RecordFingerprint,
    raw_digest,
    submitted_digest,
)
from purposewatch_reporter.ledger.lookups import ExpectedRecord, LogFacts
from purposewatch_reporter.ledger.raw import RawLedger, chunks_of
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict
from purposewatch_reporter.ledger.session import expected_record, in_doubt
from purposewatch_reporter.store.raw_ledgers import (
    load_chunks,
    load_raw_epoch,
    lock_raw_ledgers,
    save_raw_ledgers,
)


@dataclass(slots=True)
class _RawRecording:
    """What is to be recorded of one log epoch of one partition."""

    ledger: RawLedger
    accepted: list[tuple[int, str]] = field(default_factory=list)
    """Offsets, and the ids of their events."""
    dead_letters: list[int] = field(default_factory=list)

    def add(self, one: "_Outcome") -> None:
        """Note one outcome."""
        if one.event_id is None:
            self.dead_letters.append(one.offset)
        else:
            self.accepted.append((one.offset, one.event_id))

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

    partition: int
    offset: int
    event_id: str | None
    """Of an accepted event; `None` for a dead letter."""
    log_epoch: int


class RawLedgerSession:
    """Records the origins of a batch in the ledgers of the raw topic's partitions.

    A record counts as recorded whichever comes first: the verdict of its canonical event, the dead
    letter that ingest made of it, or the one that the auditor made of its canonical event. What
    else comes with the same origin is a repeat: ingest crashed between sending and committing.
    """

    def __init__(self, topic: str) -> None:
        """`topic` is the raw topic's full name; with an empty one nothing is recorded."""
        self.topic = topic
        self._prefix = f"{topic}/"

    async def record(
        self,
        connection: AsyncConnection,
        verdicts: Iterable[ReadVerdict],
        letters: Sequence[DeadLettered],
        facts: LogFacts,
    ) -> Sequence[int] | None:
        """Record what these verdicts and letters, none of them repeats, say about raw records.

        Events that came by HTTP say nothing. Returns the log epoch of each letter's raw record (0
        where it has none), or `None` when `facts` lacks something: then nothing was written.
        """
        raw = [item for item in verdicts if item.verdict.origin.startswith(self._prefix)]
        positions = [_position(item.verdict.origin) for item in raw]
        origins = [item.raw_origin for item in letters]
        partitions = {partition for partition, _ in positions}
        partitions |= {origin.partition for origin in origins if origin is not None}
        if not partitions:
            return [0] * len(letters)
        current = await lock_raw_ledgers(connection, self.topic, sorted(partitions))
        outcomes = [
            self._accepted(item, *position, current.get(position[0]), facts)
            for item, position in zip(raw, positions, strict=True)
        ]
        dead = [
            None if origin is None else self._dead(item, current.get(origin.partition), facts)
            for item, origin in zip(letters, origins, strict=True)
        ]
        if facts.missing:
            return None
        outcomes += [one for one in dead if one is not None]
        recordings = await self._grouped(connection, current, outcomes)
        if not await self._write(connection, recordings, facts):
            return None
        return [0 if one is None else one.log_epoch for one in dead]

    async def _grouped(
        self,
        connection: AsyncConnection,
        current: Mapping[int, RawLedger],
        outcomes: Iterable[_Outcome],
    ) -> dict[tuple[int, int], _RawRecording]:
        recordings: dict[tuple[int, int], _RawRecording] = {}
        for one in outcomes:
            ledger = current.get(one.partition)
            if ledger is None:
                continue  # Kafka has no such partition, so its records are out of scope
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
            recording.add(one)
        return recordings

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
        self,
        item: ReadVerdict,
        partition: int,
        offset: int,
        ledger: RawLedger | None,
        facts: LogFacts,
    ) -> _Outcome:
        event_id = item.verdict.event_id
        expected = None
        if _has_doubt(ledger, item.verdict.accepted_time):
            digest = raw_digest(event_id)
            expected = ExpectedRecord(self.topic, partition, offset, digest, submitted_digest)
        return _Outcome(partition, offset, event_id, _epoch(ledger, expected, facts))

    def _dead(self, item: DeadLettered, ledger: RawLedger | None, facts: LogFacts) -> _Outcome:
        origin = item.raw_origin
        assert origin is not None  # noqa: S101 - the caller has looked
        # of a canonical event that was dead-lettered, only the position of its raw record is known
        has_record = item.origin == origin and _has_doubt(ledger, item.failed_time)
        expected = expected_record(item) if has_record else None
        return _Outcome(origin.partition, origin.offset, None, _epoch(ledger, expected, facts))


def _position(origin: str) -> tuple[int, int]:
    _, partition, offset = origin.rsplit("/", 2)
    return int(partition), int(offset)


def _has_doubt(ledger: RawLedger | None, time: datetime) -> bool:
    return ledger is not None and ledger.log_epoch > 0 and in_doubt(ledger, time)


def _epoch(ledger: RawLedger | None, expected: ExpectedRecord | None, facts: LogFacts) -> int:
    if ledger is None:
        return 0
    is_previous = expected is not None and facts.holds(expected) is False
    return ledger.log_epoch - is_previous
