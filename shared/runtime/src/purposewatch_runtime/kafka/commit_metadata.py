"""Stores the state of the poison-pill detectors in the metadata of the committed offsets."""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka.aiokafka_internals import committed
from purposewatch_runtime.kafka.offsets import first_offsets
from purposewatch_runtime.kafka.poison_pill import PartitionMetadata, PoisonPillDetector
from purposewatch_runtime.kafka.rejected import Record, RejectedRecord

_COMMIT_SECONDS = 10.0
_RELEASE_SECONDS = 3.0

Commits: TypeAlias = dict[TopicPartition, tuple[int, str]]


class LostPartitionError(Exception):
    """A partition of the batch belongs to another member now, which will process it."""


class CommitMetadata:
    """The poison-pill detector of every assigned partition. See `PoisonPillDetector`.

    Costs one commit before a partition's first batch. All other metadata travels with commits that
    are made anyway, until a process crashes.
    """

    def __init__(self, topic: str, *, max_crashes: int, span: int) -> None:
        self._topic = topic
        self._max_crashes = max_crashes
        self._span = span
        self._owner = uuid.uuid4().hex[:12]
        self._detectors: dict[int, PoisonPillDetector] = {}

    async def load(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[int]
    ) -> Mapping[int, int]:
        """Read what earlier owners committed; returns the committed offsets.

        Raises `KafkaError`.
        """
        self._detectors.clear()
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        found = await committed(consumer, wanted)
        offsets = {}
        for topic_partition in wanted:
            offset, text = found.get(topic_partition, (-1, ""))
            if offset >= 0:
                offsets[topic_partition.partition] = offset
            self._detectors[topic_partition.partition] = PoisonPillDetector(
                PartitionMetadata.parse(text),
                max(0, offset),
                owner=self._owner,
                max_crashes=self._max_crashes,
                span=self._span,
            )
        return offsets

    def limit(self, partition: int, offset: int) -> int | None:
        """How many records may be processed from `offset` on; see `PoisonPillDetector.limit`."""
        detector = self._detectors.get(partition)
        return None if detector is None else detector.limit(offset)

    def reject_poison(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records, with a `RejectedRecord` in place of one that crashed enough processes."""
        if len(records) != 1:
            return records
        (record,) = records
        if isinstance(record, RejectedRecord):
            return records
        detector = self._detectors.get(record.partition)
        crashes = None if detector is None else detector.fatal_crashes(record.offset)
        if crashes is None:
            return records
        reason = (
            f"{crashes} processes in a row crashed while they processed this record alone; it was "
            "dead-lettered without being parsed"
        )
        return [RejectedRecord.of(record, ErrorClass.POISON, reason)]

    async def before(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        """Commit what is about to be processed, where that is needed.

        Raises `LostPartitionError`, and `KafkaError` or `TimeoutError` when Kafka is unavailable.
        """
        commits: Commits = {}
        for partition, offset in first_offsets(records).items():
            detector = self._detectors.get(partition)
            metadata = None if detector is None else detector.before(offset)
            if metadata is not None:
                commits[TopicPartition(self._topic, partition)] = (offset, str(metadata))
        if not commits:
            return
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await consumer.commit(commits)
        except (IllegalStateError, CommitFailedError) as error:
            raise LostPartitionError from error

    def after(self, offsets: Mapping[int, int]) -> Commits:
        """What to commit once everything before `offsets` is finished."""
        detectors = self._detectors
        return {
            TopicPartition(self._topic, partition): (
                offset,
                str(detectors[partition].after(offset)) if partition in detectors else "",
            )
            for partition, offset in offsets.items()
        }

    async def survived(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        """The batch failed without a crash: its records are not under suspicion."""
        partition, offset = records[0].partition, records[0].offset
        detector = self._detectors.get(partition)
        metadata = None if detector is None else detector.survived()
        if metadata is not None:
            commits = {TopicPartition(self._topic, partition): (offset, str(metadata))}
            await self._try_commit(consumer, commits)

    async def release(self, consumer: AIOKafkaConsumer) -> None:
        """Leave the partitions cleanly: what is in flight has not crashed the process."""
        released = {
            partition: left
            for partition, detector in self._detectors.items()
            if (left := detector.released()) is not None
        }
        commits = {
            TopicPartition(self._topic, partition): (offset, str(metadata))
            for partition, (offset, metadata) in released.items()
        }
        await self._try_commit(consumer, commits)

    async def _try_commit(self, consumer: AIOKafkaConsumer, commits: Commits) -> None:
        # Without it the next owner is careful without need, and that is all.
        with contextlib.suppress(IllegalStateError, KafkaError, TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                if commits:
                    await consumer.commit(commits)
