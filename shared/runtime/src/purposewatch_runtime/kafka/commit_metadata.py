"""Keep the suspicions against records in Kafka, beside the committed offsets."""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka.poison_pill import Mark, PoisonPillDetector
from purposewatch_runtime.kafka.rejected import Record, RejectedRecord

_COMMIT_SECONDS = 10.0
_CLOSE_SECONDS = 3.0

Commits: TypeAlias = dict[TopicPartition, tuple[int, str]]


class LostPartitionError(Exception):
    """A partition of the batch belongs to another member by now; leave the batch to it."""


class Marks:
    """The poison-pill detector of every assigned partition. See `PoisonPillDetector`.

    Costs one commit when a partition's first batch is taken in hand; all other marks travel with
    commits that are made anyway, until a process has ended without leaving.
    """

    def __init__(self, topic: str, *, deaths: int, span: int) -> None:
        self._topic = topic
        self._deaths = deaths
        self._span = span
        self._owner = uuid.uuid4().hex[:12]
        self._suspicions: dict[int, PoisonPillDetector] = {}

    async def inherit(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[int]
    ) -> Mapping[int, int]:
        """Read what the predecessors left; returns the committed offsets. Raises `KafkaError`."""
        self._suspicions.clear()
        positions = [TopicPartition(self._topic, partition) for partition in partitions]
        # `consumer.committed` leaves the metadata out
        kept = await consumer._coordinator.fetch_committed_offsets(positions)  # noqa: SLF001
        offsets = {}
        for position in positions:
            offset, text = kept.get(position, (-1, ""))
            if offset >= 0:
                offsets[position.partition] = offset
            self._suspicions[position.partition] = PoisonPillDetector(
                Mark.parse(text),
                max(0, offset),
                owner=self._owner,
                deaths=self._deaths,
                span=self._span,
            )
        return offsets

    def limit(self, partition: int, offset: int) -> int | None:
        """How many records may be in hand from `offset` on; see `PoisonPillDetector.limit`."""
        suspicion = self._suspicions.get(partition)
        return None if suspicion is None else suspicion.limit(offset)

    def judge(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records, with a condemned one in place of one that has ended enough processes."""
        if len(records) != 1:
            return records
        (record,) = records
        if isinstance(record, RejectedRecord):
            return records
        suspicion = self._suspicions.get(record.partition)
        deaths = None if suspicion is None else suspicion.condemns(record.offset)
        if deaths is None:
            return records
        reason = (
            f"{deaths} processes in a row ended with this record, and it alone, in hand; it was "
            "set aside unread"
        )
        return [RejectedRecord.of(record, ErrorClass.POISON, reason)]

    async def before(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        """Write down what is taken in hand, where that is needed.

        Raises `LostPartitionError`, and `KafkaError` or `TimeoutError` when Kafka is away.
        """
        first: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition, record.offset)
        commits: Commits = {}
        for partition, offset in first.items():
            suspicion = self._suspicions.get(partition)
            mark = None if suspicion is None else suspicion.before(offset)
            if mark is not None:
                commits[TopicPartition(self._topic, partition)] = (offset, str(mark))
        if not commits:
            return
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await consumer.commit(commits)
        except (IllegalStateError, CommitFailedError) as error:
            raise LostPartitionError from error

    def after(self, offsets: Mapping[int, int]) -> Commits:
        """What to commit once everything before `offsets` is finished."""
        return {
            TopicPartition(self._topic, partition): (
                offset,
                str(self._suspicions[partition].after(offset))
                if partition in self._suspicions
                else "",
            )
            for partition, offset in offsets.items()
        }

    async def survived(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        """The batch failed and the process lives: nothing is held against its records."""
        partition, offset = records[0].partition, records[0].offset
        suspicion = self._suspicions.get(partition)
        mark = None if suspicion is None else suspicion.survived()
        if mark is not None:
            commits = {TopicPartition(self._topic, partition): (offset, str(mark))}
            await self._try_commit(consumer, commits)

    async def close(self, consumer: AIOKafkaConsumer) -> None:
        """Leave the partitions in good order: whatever is in hand has not ended the process."""
        closing = {
            TopicPartition(self._topic, partition): left
            for partition, suspicion in self._suspicions.items()
            if (left := suspicion.closed()) is not None
        }
        await self._try_commit(
            consumer,
            {position: (offset, str(mark)) for position, (offset, mark) in closing.items()},
        )

    async def _try_commit(self, consumer: AIOKafkaConsumer, commits: Commits) -> None:
        # Without it the next owner is careful for nothing, and that is all.
        with contextlib.suppress(IllegalStateError, KafkaError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                if commits:
                    await consumer.commit(commits)
