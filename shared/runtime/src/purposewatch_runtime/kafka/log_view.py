"""Looks at logs without consuming them: where they begin and end, and single records."""

import asyncio
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from purposewatch_runtime.kafka.aiokafka_internals import fetch_high_watermarks
from purposewatch_runtime.kafka.connection import build_observer
from purposewatch_runtime.kafka.rejected import Record
from purposewatch_runtime.settings import KafkaSettings

_POLL_MS = 20
_READ_SECONDS = 5.0


class LogView:
    """Asks about partitions of one topic over connections of its own.

    A consumer's own connection answers nothing else while one of its fetches waits for records.
    """

    def __init__(self, settings: KafkaSettings, topic: str, *, client_id: str) -> None:
        self._settings = settings
        self._topic = topic
        self._client_id = client_id
        self._consumer: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        """Connect."""
        consumer = build_observer(self._settings, client_id=self._client_id)
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

    async def ends(self, partitions: Collection[int]) -> Mapping[int, int]:
        """One above the last record of these partitions, as of now.

        Of the end that the broker gives when asked, and the one in its answer to a fetch from
        there, the higher: the embedded broker answers the first too low, and a new leader of Apache
        Kafka may answer the second too low for a moment, but gives no end until it knows it.
        """
        consumer = self._connected()
        positions = [TopicPartition(self._topic, partition) for partition in partitions]
        asked = await consumer.end_offsets(positions)
        fetched = await fetch_high_watermarks(consumer, asked)
        return {
            position.partition: max(end, fetched.get(position, 0))
            for position, end in asked.items()
        }

    async def begins(self, partitions: Collection[int]) -> Mapping[int, int]:
        """The lowest offset that each partition still holds."""
        positions = [TopicPartition(self._topic, partition) for partition in partitions]
        begins = await self._connected().beginning_offsets(positions)
        return {position.partition: int(begin) for position, begin in begins.items()}

    async def records(self, partition: int, offsets: Collection[int]) -> Mapping[int, Record]:
        """The records at these offsets, which must lie inside the log, as far as there are any.

        Compaction removes records, and what can't be decoded is left out. Raises `TimeoutError`
        when Kafka does not answer in time.
        """
        position = TopicPartition(self._topic, partition)
        found: dict[int, Record] = {}
        async with self._reading, asyncio.timeout(_READ_SECONDS):
            consumer = self._connected()
            consumer.assign([position])
            try:
                for offset in sorted(offsets):
                    consumer.seek(position, offset)
                    record = await _next_record(consumer, position, offset)
                    if record is not None and record.offset == offset:
                        found[offset] = record
            finally:
                consumer.unsubscribe()
        return found

    def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            message = "not connected to Kafka yet"
            raise ConnectionError(message)
        return self._consumer


async def _next_record(
    consumer: AIOKafkaConsumer, position: TopicPartition, offset: int
) -> Record | None:
    """The first record from an offset on; `None` where compaction has left an empty batch."""
    while await consumer.position(position) <= offset:
        try:
            fetched = await consumer.getmany(position, timeout_ms=_POLL_MS, max_records=1)
        except KafkaError:
            raise
        except Exception:  # noqa: BLE001 - its bytes can't be decoded, so it can't be compared
            return None
        if records := fetched.get(position):
            found: Record = records[0]
            return found
    return None
