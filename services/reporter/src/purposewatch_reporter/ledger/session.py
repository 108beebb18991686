"""The ledgers of the events topic that a batch touches, and the log epoch of each event."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, Self

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.epochs.digests import canonical_digest, event_digest, record_digest
from purposewatch_reporter.epochs.lookup import ExpectedRecord, LogFacts
from purposewatch_reporter.ledger.fingerprint import RecordFingerprint
from purposewatch_reporter.ledger.offsets import TooManyIntervalsError
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict
from purposewatch_reporter.store.ledgers import lock_ledgers, lock_previous_epochs, save_ledgers
from purposewatch_runtime.kafka import StopConsumingError

DOUBT = timedelta(minutes=15)
"""How far the clocks of different machines may be apart, with room."""


class VerdictsBehindError(Exception):
    """Dead letters are too far ahead of the verdicts; they must be tried again later."""


class Epoch(Protocol):
    """What there is to know about a log epoch to see whether something belongs to it."""

    log_epoch: int
    started_time: datetime | None


def in_doubt(ledger: Epoch, time: datetime) -> bool:
    """Whether what happened at that time may belong to the previous log epoch."""
    return ledger.started_time is not None and time < ledger.started_time + DOUBT


def expected_event(read: ReadVerdict) -> ExpectedRecord:
    """That the event which the verdict is about stands where the verdict says."""
    said = read.verdict
    digest = event_digest(said.event_source, said.event_id, said.accepted_time)
    return ExpectedRecord(said.topic, said.partition, said.offset, digest, canonical_digest)


def expected_record(letter: DeadLettered) -> ExpectedRecord | None:
    """That the record which the dead letter keeps stands where the letter says.

    `None` for a letter that keeps none, because it was too large or can't be decoded. Such a
    letter is taken to be about the log as it is.
    """
    if letter.digest is None:
        return None
    origin = letter.origin
    return ExpectedRecord(
        origin.topic, origin.partition, origin.offset, letter.digest, record_digest
    )


class LedgerSession:
    """Locked ledgers: the current log epoch of each partition, and the previous where needed.

    INVARIANT: what is about another record than the log holds now belongs to the previous epoch.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        topic: str,
        current: dict[int, PartitionLedger],
        facts: LogFacts | None,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._known = facts
        self.current = current
        self._before: dict[int, PartitionLedger] = {}

    @classmethod
    async def lock(
        cls,
        connection: AsyncConnection,
        topic: str,
        partitions: Iterable[int],
        facts: LogFacts | None,
    ) -> Self:
        """The ledgers of these partitions. Without `facts` Kafka is never asked."""
        current = await lock_ledgers(connection, topic, sorted(set(partitions)))
        return cls(connection, topic, current, facts)

    async def save(self) -> None:
        """Store them."""
        both = [*self.current.items(), *self._before.items()]
        await save_ledgers(self._connection, self._topic, both)

    def of(self, item: ReadVerdict) -> PartitionLedger:
        """The ledger that a verdict is recorded in."""
        return self._of(item.verdict.partition, item.log_epoch)

    async def assign_epochs(self, items: Sequence[ReadVerdict]) -> Sequence[ReadVerdict]:
        """The verdicts, each with its log epoch."""
        if not any(ledger.log_epoch for ledger in self.current.values()):
            return items
        expected = {
            id(item): expected_event(item)
            for item in items
            if in_doubt(self.current[item.verdict.partition], item.verdict.accepted_time)
        }
        epochs = await self._epochs(expected)
        return [
            msgspec.structs.replace(
                item,
                log_epoch=epochs.get(id(item), self.current[item.verdict.partition].log_epoch),
            )
            for item in items
        ]

    async def assign_letter_epochs(self, letters: Sequence[DeadLettered]) -> Sequence[DeadLettered]:
        """The dead letters about events, each with its log epoch."""
        if not any(ledger.log_epoch for ledger in self.current.values()):
            return letters
        expected = {
            id(item): expected
            for item in letters
            if in_doubt(
                self.current[item.origin.partition], min(item.record_time, item.failed_time)
            )
            and (expected := expected_record(item)) is not None
        }
        epochs = await self._epochs(expected)
        return [
            replace(
                item, log_epoch=epochs.get(id(item), self.current[item.origin.partition].log_epoch)
            )
            for item in letters
        ]

    async def _epochs(self, expected: Mapping[int, ExpectedRecord]) -> dict[int, int]:
        """The log epoch of each item in doubt that is not about the current one."""
        if self._known is None:
            return {}
        self._known.require_expected(expected.values())
        old = {
            name: expected.partition
            for name, expected in expected.items()
            if not self._known.expected[expected]
        }
        epochs = {partition: self.current[partition].log_epoch - 1 for partition in old.values()}
        self._before |= await lock_previous_epochs(self._connection, self._topic, epochs.items())
        return {name: epochs[partition] for name, partition in old.items()}

    def record_verdicts(self, items: Sequence[ReadVerdict]) -> Sequence[ReadVerdict]:
        """Account for events by verdicts; those that are not repeats."""
        new: list[ReadVerdict] = []
        suspects: set[int] = set()
        first: dict[int, ReadVerdict] = {}
        last: dict[int, ReadVerdict] = {}
        for run in _runs(items):
            verdict = run[0].verdict
            partition = verdict.partition
            ledger = self._of(partition, run[0].log_epoch)
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
        if self._known is not None:  # a repeat, unless the log is another one
            self._known.require_recognised((self._topic, partition) for partition in suspects)
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
        """Account for events by dead letters; those that are not repeats."""
        new: list[DeadLettered] = []
        for item in letters:
            ledger = self._of(item.origin.partition, item.log_epoch)
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

    def _of(self, partition: int, log_epoch: int) -> PartitionLedger:
        ledger = self.current[partition]
        return ledger if ledger.log_epoch == log_epoch else self._before[partition]


def _runs(items: Sequence[ReadVerdict]) -> Iterator[Sequence[ReadVerdict]]:
    """The verdicts in pieces: of one log epoch, about one event after the other."""
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


def _record_singly(ledger: PartitionLedger, run: Sequence[ReadVerdict]) -> list[ReadVerdict]:
    try:
        return [item for item in run if ledger.record_verdict(item.verdict.offset)]
    except TooManyIntervalsError as error:
        message = (
            f"partition {run[0].verdict.partition} of the events topic: {error} with a verdict; "
            "compare the auditor's output with the events before restarting"
        )
        raise StopConsumingError(message) from error
