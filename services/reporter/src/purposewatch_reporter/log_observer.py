"""Reads offsets and records of any topic, with one consumer outside any group."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from purposewatch_runtime.kafka import Record, build_observer, written_at
from purposewatch_runtime.settings import KafkaSettings

_LOOK_SECONDS = 5.0
_READ_SECONDS = 15.0
_REACHED_SECONDS = 1.0
_FETCH_SECONDS = 2.0
_POLL_MS = 20
_SKIP = 32
"""Offsets that lie further apart are looked up one by one instead of reading on.

To read on takes a fetch for each batch between them, and under little load each record is one.
"""


class LogObserver:
    """Finds log starts, log ends and single records. Raises when Kafka does not answer in time.

    One look at a time: the consumer is assigned what a look is about, and nothing between looks,
    so that it does not fetch while nobody asks.
    """

    name = "log observer"

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._consumer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

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

    async def ends(
        self, topics: Iterable[str], partitions: Collection[int]
    ) -> Mapping[str, Mapping[int, int]]:
        """One above the last record of these partitions of each topic, as of now.

        Of the end that the broker gives when asked, and the one in the answer to a fetch from
        there, the higher: the embedded broker answers the first too low, and a new leader of Apache
        Kafka may answer the second too low for a moment, but gives no end until it knows it.
        `seek_to_end` would ask too, but stays with a broker that no longer leads the partition.
        """
        positions = [TopicPartition(topic, number) for topic in topics for number in partitions]
        asked_ms = int(time.time() * 1000)
        async with self._looking(positions, _LOOK_SECONDS) as consumer:
            asked = await consumer.end_offsets(positions)
            for position, end in asked.items():
                consumer.seek(position, end)
            while any((consumer.last_poll_timestamp(p) or 0) < asked_ms for p in positions):
                await consumer.getmany(timeout_ms=_POLL_MS)
            found: dict[str, dict[int, int]] = {}
            for position in positions:
                end = max(asked[position], consumer.highwater(position))
                found.setdefault(position.topic, {})[position.partition] = int(end)
            return found

    async def reached(
        self, partitions: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], int]:
        """Lower bounds of the ends of these partitions, as of now: one request to each leader.

        Of none of them, when Kafka does not answer soon.
        """
        positions = [TopicPartition(*partition) for partition in partitions]
        try:
            async with asyncio.timeout(_REACHED_SECONDS):
                return dict(await self._connected().end_offsets(positions))
        except (TimeoutError, ConnectionError, KafkaError):
            return {}

    async def starts(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        """The lowest offset that each partition still holds."""
        positions = [TopicPartition(topic, partition) for partition in partitions]
        async with asyncio.timeout(_LOOK_SECONDS):
            starts = await self._connected().beginning_offsets(positions)
        return {position.partition: int(start) for position, start in starts.items()}

    async def spans(self, topic: str, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """The lowest offset that each partition still holds, and one above its highest."""
        starts = await self.starts(topic, partitions)
        ends = (await self.ends([topic], partitions))[topic] if partitions else {}
        return {partition: (start, ends[partition]) for partition, start in starts.items()}

    async def read(
        self, topic: str, partition: int, offsets: Collection[int]
    ) -> Mapping[int, Record]:
        """The records at these offsets, which must be in the log, as far as they can be decoded."""
        position = TopicPartition(topic, partition)
        found: dict[int, Record] = {}
        async with self._looking([position], _READ_SECONDS) as consumer:
            for near in _near_offsets(sorted(set(offsets))):
                await _read(consumer, position, near, found)
        return found

    async def written_at(self, topic: str, partition: int, offset: int) -> datetime | None:
        """When the record at this offset, or the next one there is, was written.

        `None` when it is not found in time.
        """
        with contextlib.suppress(TimeoutError):
            return written_at(await self._record_from(topic, partition, offset, _FETCH_SECONDS))
        return None

    async def first_from(self, topic: str, partition: int, offset: int) -> int:
        """The first offset from this one on that holds a record; there must be one."""
        try:
            found = await self._record_from(topic, partition, offset, _READ_SECONDS)
        except (TimeoutError, KafkaError):
            raise
        except Exception:  # noqa: BLE001 - it can't be decoded, but it is there
            return offset
        return int(found.offset)

    async def _record_from(self, topic: str, partition: int, offset: int, seconds: float) -> Record:
        position = TopicPartition(topic, partition)
        async with self._looking([position], seconds) as consumer:
            consumer.seek(position, offset)
            while True:
                # one: to unpack the rest of the batch would cost far more
                fetched = await consumer.getmany(position, timeout_ms=_POLL_MS, max_records=1)
                if records := fetched.get(position):
                    return records[0]

    @contextlib.asynccontextmanager
    async def _looking(
        self, positions: Collection[TopicPartition], seconds: float
    ) -> AsyncIterator[AIOKafkaConsumer]:
        async with self._lock, asyncio.timeout(seconds):
            consumer = self._connected()
            consumer.assign(positions)
            try:
                yield consumer
            finally:
                consumer.unsubscribe()

    def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            message = "not connected to Kafka yet"
            raise ConnectionError(message)
        return self._consumer


async def _read(
    consumer: AIOKafkaConsumer,
    position: TopicPartition,
    wanted: Collection[int],
    found: dict[int, Record],
) -> None:
    missing = set(wanted)
    first, last = min(wanted), max(wanted)
    consumer.seek(position, first)
    while missing:
        try:
            # no more than that, of the whole batches that Kafka hands over
            fetched = await consumer.getmany(
                position, timeout_ms=_POLL_MS, max_records=last - first + 1
            )
        except KafkaError:
            raise
        except Exception:  # noqa: BLE001 - its bytes can't be decoded, so it can't be compared
            return
        for record in fetched.get(position, ()):
            if record.offset in missing:
                found[record.offset] = record
                missing.discard(record.offset)
            if record.offset >= last:
                return


def _near_offsets(offsets: Collection[int]) -> list[list[int]]:
    """Sorted offsets, cut where the next is far away."""
    cut: list[list[int]] = []
    for offset in offsets:
        if cut and offset - cut[-1][-1] <= _SKIP:
            cut[-1].append(offset)
        else:
            cut.append([offset])
    return cut
