"""The ledgers of the events topic that a batch touches, and the log epoch of each event."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.fingerprint import (
    RecordFingerprint,
    canonical_digest,
    event_digest,
    record_digest,
)
from purposewatch_reporter.ledger.lookups import ExpectedRecord, LogFacts
from purposewatch_reporter.ledger.offsets import TooManyIntervalsError
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.positions import ReadPosition
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict
from purposewatch_reporter.store.ledgers import lock_ledgers, lock_previous_epochs, save_ledgers
from purposewatch_runtime.kafka import StopConsumingError

DOUBT = timedelta(minutes=15)
"""How far the clocks of different machines may differ, with headroom."""


Run: TypeAlias = Sequence[ReadVerdict]
"""Verdicts of one log epoch, about one event after the other."""


class VerdictsBehindError(Exception):
    """Dead letters are too far ahead of the verdicts; they must be retried later."""


class Epoch(Protocol):
    """What tells whether something may belong to the previous log epoch."""

    log_epoch: int
    started_time: datetime | None


def in_doubt(ledger: Epoch, time: datetime) -> bool:
    """Whether what happened at that time may belong to the previous log epoch."""
    return ledger.started_time is not None and time < ledger.started_time + DOUBT


def expected_event(read: ReadVerdict) -> ExpectedRecord:
    """The event that the verdict is about, at the position that the verdict names."""
    said = read.verdict
    digest = event_digest(said.event_source, said.event_id, said.accepted_time)
    return ExpectedRecord(said.topic, said.partition, said.offset, digest, canonical_digest)


def expected_record(letter: DeadLettered) -> ExpectedRecord | None:
    """The record that the dead letter keeps, at the position that the letter names.

    `None` for a letter that keeps none, because it was too large or can't be decoded. Such a
    letter is taken to belong to the current log epoch.
    """
    if letter.digest is None:
        return None
    origin = letter.origin
    return ExpectedRecord(
        origin.topic, origin.partition, origin.offset, letter.digest, record_digest
    )


class LedgerSession:
    """Locked ledgers, by partition: of the current log epoch, and of the previous where needed.

    INVARIANT: what is about another record than the log holds now belongs to the previous epoch.
    Everything but locking and saving is pure; it notes in `facts` what must be looked up first.
    """

    def __init__(
        self,
        current: dict[int, PartitionLedger],
        facts: LogFacts,
        topic: str,
    ) -> None:
        self.current = current
        self._previous: dict[int, PartitionLedger] = {}
        self._facts = facts
        self.topic = topic

    @classmethod
    async def lock(
        cls,
        connection: AsyncConnection,
        topic: str,
        partitions: Iterable[int],
        facts: LogFacts,
    ) -> "LedgerSession":
        """Lock the current log epochs of these partitions."""
        return cls(await lock_ledgers(connection, topic, set(partitions)), facts, topic)

    async def lock_previous(
        self, connection: AsyncConnection, epochs: Iterable[tuple[int, int]]
    ) -> None:
        """Lock the previous log epochs among those given as (partition, log epoch)."""
        previous = {one for one in epochs if self.current[one[0]].log_epoch != one[1]}
        self._previous |= await lock_previous_epochs(connection, self.topic, previous)

    async def save(self, connection: AsyncConnection) -> None:
        """Store the locked ledgers."""
        both = [*self.current.items(), *self._previous.items()]
        await save_ledgers(connection, self.topic, both)

    def of(self, partition: int, log_epoch: int) -> PartitionLedger:
        """The ledger of a log epoch."""
        ledger = self.current[partition]
        return ledger if ledger.log_epoch == log_epoch else self._previous[partition]

    def assign_epochs(self, items: Sequence[ReadVerdict]) -> Sequence[ReadVerdict]:
        """The verdicts, each with its log epoch."""
        if not any(ledger.log_epoch for ledger in self.current.values()):
            return items
        assigned = []
        for item in items:
            ledger = self.current[item.verdict.partition]
            doubtful = in_doubt(ledger, item.verdict.accepted_time)
            epoch = self._epoch(ledger, expected_event(item) if doubtful else None)
            assigned.append(msgspec.structs.replace(item, log_epoch=epoch))
        return assigned

    def assign_letter_epochs(self, letters: Sequence[DeadLettered]) -> Sequence[DeadLettered]:
        """The dead letters about events, each with its log epoch."""
        if not any(ledger.log_epoch for ledger in self.current.values()):
            return letters
        assigned = []
        for item in letters:
            ledger = self.current[item.origin.partition]
            doubtful = in_doubt(ledger, min(item.record_time, item.failed_time))
            epoch = self._epoch(ledger, expected_record(item) if doubtful else None)
            assigned.append(replace(item, log_epoch=epoch))
        return assigned

    def _epoch(self, ledger: PartitionLedger, expected: ExpectedRecord | None) -> int:
        if expected is None or self._facts.holds(expected) is not False:
            return ledger.log_epoch
        return ledger.log_epoch - 1

    def start_late(self, positions: Mapping[int, ReadPosition], runs: Iterable[Run]) -> None:
        """Begin ledgers after 0 where Kafka has deleted the verdicts before this batch."""
        unread = {partition for partition, one in positions.items() if one.next_offset == 0}
        for item in itertools.chain.from_iterable(runs):
            if not unread:
                return
            if item.record.partition not in unread:
                continue
            unread.remove(item.record.partition)
            ledger = self.current[item.verdict.partition]
            if item.record.offset and not ledger.verdicts:
                ledger.start_at(item.verdict.offset)

    def record_verdicts(self, runs: Iterable[Run]) -> Sequence[ReadVerdict]:
        """Account for events by verdicts; return those that are not repeats."""
        new: list[ReadVerdict] = []
        suspects: set[int] = set()
        first: dict[int, ReadVerdict] = {}
        last: dict[int, ReadVerdict] = {}
        for run in runs:
            verdict = run[0].verdict
            partition = verdict.partition
            ledger = self.of(partition, run[0].log_epoch)
            if verdict.offset < ledger.base:
                suspects.add(partition)
            recorded = run
            if not ledger.record_verdicts(verdict.offset, len(run)):
                recorded = _record_singly(ledger, run)
                if len(recorded) < len(run) and ledger.ended_time is None:
                    suspects.add(partition)
            new += recorded
            if recorded and ledger.ended_time is None:
                first.setdefault(partition, recorded[0])
                last[partition] = recorded[-1]
        # a repeat, unless the log is another one
        self._facts.require_recognised((self.topic, partition) for partition in suspects)
        for partition, latest in last.items():
            self._move_fingerprint(self.current[partition], first[partition], latest)
        return new

    def _move_fingerprint(
        self, ledger: PartitionLedger, first: ReadVerdict, latest: ReadVerdict
    ) -> None:
        for item in (first, latest) if ledger.fingerprint.first is None else (latest,):
            expected = expected_event(item)
            ledger.remember(RecordFingerprint(expected.offset, expected.digest))

    def record_letters(self, letters: Iterable[DeadLettered]) -> list[DeadLettered]:
        """Account for events by dead letters; return those that are not repeats."""
        new: list[DeadLettered] = []
        for item in letters:
            ledger = self.of(item.origin.partition, item.log_epoch)
            try:
                recorded = ledger.record_dead_letter(item.origin.offset)
            except TooManyIntervalsError as error:
                message = (
                    f"partition {item.origin.partition} of the events topic: {error} with a dead "
                    "letter; waiting for the verdicts between them"
                )
                raise VerdictsBehindError(message) from error
            if recorded:
                new.append(item)
        return new


def runs_of(items: Sequence[ReadVerdict]) -> Iterator[Run]:
    """The verdicts in runs: of one log epoch, about one event after the other."""
    start = 0
    partition = log_epoch = expected = -1
    for number, item in enumerate(items):
        verdict = item.verdict
        offset = verdict.offset
        if offset != expected or verdict.partition != partition or item.log_epoch != log_epoch:
            if number > start:
                yield items[start:number]
            start, partition, log_epoch = number, verdict.partition, item.log_epoch
        expected = offset + 1
    if items:
        yield items[start:]


def _record_singly(ledger: PartitionLedger, run: Run) -> list[ReadVerdict]:
    try:
        return [item for item in run if ledger.record_verdict(item.verdict.offset)]
    except TooManyIntervalsError as error:
        message = (
            f"partition {run[0].verdict.partition} of the events topic: {error} with a verdict; "
            "compare the auditor's output with the events before restarting"
        )
        raise StopConsumingError(message) from error
