"""Record which records of the raw topic came through ingest, by what came of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import Position
from purposewatch_reporter.epochs.digests import raw_digest, submitted_digest
from purposewatch_reporter.epochs.lookup import ExpectedRecord, LogFacts
from purposewatch_reporter.ledger.fingerprint import RecordFingerprint
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
        """Record one outcome, later."""
        if one.event_id is None:
            self.dead_letters.append(one.offset)
        else:
            self.accepted.append((one.offset, one.event_id))

    def chunks(self) -> set[int]:
        """The chunks that it needs."""
        return chunks_of(
            [offset for offset, _ in self.accepted] + [*self.dead_letters, self.ledger.settled]
        )

    def record(self) -> int:
        """Record them now; how many events came of a record that had come before."""
        self.ledger.record_dead_letters(self.dead_letters)
        repeated = self.ledger.record_accepted(offset for offset, _ in self.accepted)
        if self.accepted:
            for offset, event_id in sorted({min(self.accepted), max(self.accepted)}):
                self.ledger.remember(RecordFingerprint(offset, raw_digest(event_id)))
        self.ledger.settle()
        return repeated


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one raw record, and how to see which log epoch that is about."""

    partition: int
    offset: int
    event_id: str | None
    """Of an accepted event; `None` for a dead letter."""
    expected: ExpectedRecord | None


class RawLedgerSession:
    """Records a batch's origins in the ledgers of the raw topic's partitions.

    A record counts as recorded whichever comes first: the verdict of its canonical event, the dead
    letter that ingest made of it, or the one that the auditor made of its canonical event. What
    else comes with the same origin is a repeat: ingest crashed between sending and committing.
    """

    def __init__(self, topic: str) -> None:
        """`topic` is the raw topic's full name; with an empty one nothing is recorded."""
        self.topic = topic
        self._prefix = f"{topic}/"

    async def book(
        self,
        connection: AsyncConnection,
        verdicts: Iterable[ReadVerdict],
        letters: Iterable[DeadLettered],
        facts: LogFacts | None,
    ) -> dict[int, int]:
        """Record what these news say about raw records; events that came by HTTP say nothing.

        Returns the log epoch of every dead letter (by `id`) whose log epoch is not 0.
        """
        raw = [item for item in verdicts if item.verdict.origin.startswith(self._prefix)]
        dead = [(item.raw_origin, item) for item in letters if item.raw_origin is not None]
        if not raw and not dead:
            return {}
        positions = [_position(item.verdict.origin) for item in raw]
        partitions = {partition for partition, _ in positions}
        partitions |= {origin.partition for origin, _ in dead}
        current = await lock_raw_ledgers(connection, self.topic, sorted(partitions))
        outcomes = [
            _Outcome(*position, item.verdict.event_id, self._doubt_verdict(item, position, current))
            for item, position in zip(raw, positions, strict=True)
        ]
        outcomes += [
            _Outcome(
                origin.partition, origin.offset, None, self._doubt_letter(item, origin, current)
            )
            for origin, item in dead
        ]
        if facts is not None:
            facts.require_expected(one.expected for one in outcomes if one.expected is not None)
        epochs = [_epoch(one, current, facts) for one in outcomes]
        recordings = await self._sorted(connection, current, outcomes, epochs)
        await self._write(connection, recordings, facts)
        letter_epochs = zip(dead, epochs[len(raw) :], strict=True)
        return {id(item): log_epoch for (_, item), log_epoch in letter_epochs if log_epoch}

    async def _sorted(
        self,
        connection: AsyncConnection,
        current: Mapping[int, RawLedger],
        outcomes: Iterable[_Outcome],
        epochs: Iterable[int],
    ) -> dict[tuple[int, int], _RawRecording]:
        recordings: dict[tuple[int, int], _RawRecording] = {}
        for one, log_epoch in zip(outcomes, epochs, strict=True):
            ledger = current.get(one.partition)
            if ledger is None:
                continue  # Kafka has no such partition, so nobody waits for its records
            recording = recordings.get((one.partition, log_epoch))
            if recording is None:
                found: RawLedger | None = ledger
                if log_epoch != ledger.log_epoch:
                    found = await load_raw_epoch(connection, self.topic, one.partition, log_epoch)
                if found is None:
                    continue
                recording = recordings[one.partition, log_epoch] = _RawRecording(found)
            recording.add(one)
        return recordings

    async def _write(
        self,
        connection: AsyncConnection,
        recordings: Mapping[tuple[int, int], _RawRecording],
        facts: LogFacts | None,
    ) -> None:
        await load_chunks(
            connection,
            self.topic,
            [(partition, one.ledger, one.chunks()) for (partition, _), one in recordings.items()],
        )
        suspects = {
            (self.topic, partition)
            for (partition, _), one in recordings.items()
            if one.record() and one.ledger.ended_time is None
        }
        if facts is not None:
            facts.require_recognised(suspects)
        ledgers = [
            (partition, one.ledger)
            for (partition, _), one in sorted(recordings.items(), key=lambda item: item[0])
        ]
        await save_raw_ledgers(connection, self.topic, ledgers)

    def _doubt_verdict(
        self, item: ReadVerdict, position: tuple[int, int], current: Mapping[int, RawLedger]
    ) -> ExpectedRecord | None:
        ledger = current.get(position[0])
        if (
            ledger is None
            or not ledger.log_epoch
            or not in_doubt(ledger, item.verdict.accepted_time)
        ):
            return None
        return ExpectedRecord(
            self.topic, *position, raw_digest(item.verdict.event_id), submitted_digest
        )

    def _doubt_letter(
        self, item: DeadLettered, origin: Position, current: Mapping[int, RawLedger]
    ) -> ExpectedRecord | None:
        ledger = current.get(origin.partition)
        if ledger is None or not ledger.log_epoch or not in_doubt(ledger, item.failed_time):
            return None
        # of a canonical event that was dead-lettered, only the place of its raw record is known
        return expected_record(item) if item.origin == origin else None


def _position(origin: str) -> tuple[int, int]:
    _, partition, offset = origin.rsplit("/", 2)
    return int(partition), int(offset)


def _epoch(one: _Outcome, current: Mapping[int, RawLedger], facts: LogFacts | None) -> int:
    ledger = current.get(one.partition)
    if ledger is None:
        return 0
    is_old = one.expected is not None and facts is not None and not facts.expected[one.expected]
    return ledger.log_epoch - is_old
