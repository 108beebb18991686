"""Sets the start offsets of newly assigned partitions."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_runtime.kafka.commit_metadata import CommitMetadata
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff, retry

Resume: TypeAlias = Callable[[Sequence[int]], Awaitable[Mapping[int, int]]]
"""Every partition asked for -> the next offset to consume."""

T = TypeVar("T")

_log = get_logger(__name__)


class Assignment:
    """Seeks assigned partitions of a topic to where they are to be consumed from."""

    def __init__(
        self, topic: str, metadata: CommitMetadata, resume: Resume | None, backoff: Backoff
    ) -> None:
        self._topic = topic
        self._metadata = metadata
        self._resume = resume
        self._backoff = backoff

    async def begin(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[int], stopping: asyncio.Event
    ) -> Mapping[int, int]:
        """Return the offsets to start from; partitions that were never consumed have none.

        Tries again until it succeeds: the caller swallows what is raised here. Raises
        `ConnectionError` once `stopping` is set, because leaving the group waits for this.
        """
        positions = [TopicPartition(self._topic, partition) for partition in partitions]
        # INVARIANT: paused before the first await. Records are delivered while this runs, before
        # it is known how many at once, and perhaps not those to start with.
        consumer.pause(*positions)
        load = partial(self._metadata.load, consumer, partitions)
        offsets = await self._retry(load, stopping, "commit metadata not read")
        if self._resume is not None:
            resume = partial(self._resume, partitions)
            offsets = await self._retry(resume, stopping, "positions not read")
            for position in positions:
                consumer.seek(position, offsets[position.partition])
        consumer.resume(*positions)
        return offsets

    async def _retry(
        self, attempt: Callable[[], Awaitable[T]], stopping: asyncio.Event, failure: str
    ) -> T:
        def report(error: BaseException, pause: float) -> None:
            detail = f"{type(error).__name__}: {error}"
            _log.error(failure, topic=self._topic, error=detail, retry_seconds=pause)

        return await retry(attempt, backoff=self._backoff, stopping=stopping, on_failure=report)
