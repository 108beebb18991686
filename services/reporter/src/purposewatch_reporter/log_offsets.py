"""Where the logs begin and end, seen by a consumer that belongs to no group."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_runtime.kafka import build_observer, written_at
from purposewatch_runtime.settings import KafkaSettings

_LOOK_SECONDS = 5.0
_FETCH_SECONDS = 2.0
_POLL_MS = 20


class LogOffsets:
    """Observes one topic's partitions. Raises when Kafka does not answer in time."""

    def __init__(self, settings: KafkaSettings, *, topic: str, client_id: str) -> None:
        self.name = f"ends of {topic}"
        self._settings = settings
        self._client_id = client_id
        self._observed = [
            TopicPartition(topic, partition) for partition in range(settings.topic_partitions)
        ]
        self.topic = topic
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect."""
        consumer = build_observer(self._settings, client_id=self._client_id)
        consumer.assign(self._observed)
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer

    async def stop(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def ends(self) -> Mapping[int, int]:
        """One above the last record of every partition, as of now.

        Taken from the answers to fetches: not every broker gives the right end when asked for it.
        It is asked all the same, to fetch from there: `seek_to_end` would do so too, but stays
        with a broker that no longer leads the partition.
        """
        consumer = self._connected()
        asked_ms = int(time.time() * 1000)
        async with asyncio.timeout(_LOOK_SECONDS):
            for position, end in (await consumer.end_offsets(self._observed)).items():
                # this also drops fetched records, so that fetching never stalls on a full buffer
                consumer.seek(position, end)
            while any(
                (consumer.last_poll_timestamp(position) or 0) < asked_ms
                for position in self._observed
            ):
                await consumer.getmany(timeout_ms=_POLL_MS)
        return {position.partition: consumer.highwater(position) for position in self._observed}

    async def log_start(self, topic: str, partition: int) -> int:
        """The lowest offset that the log still holds, of any topic."""
        position = TopicPartition(topic, partition)
        async with asyncio.timeout(_LOOK_SECONDS):
            starts = await self._connected().beginning_offsets([position])
        return int(starts[position])

    async def written_at(self, partition: int, offset: int) -> datetime | None:
        """When the record at this offset, or the next one there is, was written.

        `None` when it is not found in time. Must not run at the same time as `ends`.
        """
        consumer = self._connected()
        position = TopicPartition(self.topic, partition)
        consumer.seek(position, offset)
        deadline = time.monotonic() + _FETCH_SECONDS
        while time.monotonic() < deadline:
            # one: Kafka hands over a whole batch, and to unpack the rest of it would cost far more
            fetched = await consumer.getmany(position, timeout_ms=_POLL_MS, max_records=1)
            if records := fetched.get(position):
                return written_at(records[0])
        return None

    def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            message = "not connected to Kafka yet"
            raise ConnectionError(message)
        return self._consumer
