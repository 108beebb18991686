"""Look up single records of any log, with a consumer that belongs to no group."""

import asyncio
import time
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from purposewatch_runtime.kafka import Record, build_observer
from purposewatch_runtime.settings import KafkaSettings

_LOOK_SECONDS = 5.0
_READ_SECONDS = 15.0
_POLL_MS = 20
_SKIP = 32
"""Offsets that lie further apart are looked up one by one instead of reading on.

To read on takes a fetch for each batch between them, and under little load each record is one.
"""


class LogReader:
    """Reads records by their offsets. Raises when Kafka does not answer in time."""

    name = "log reader"

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

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

    async def spans(self, topic: str, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """The lowest offset that each partition still holds, and one above its highest."""
        positions = [TopicPartition(topic, partition) for partition in partitions]
        asked_ms = int(time.time() * 1000)
        async with self._turn, asyncio.timeout(_LOOK_SECONDS):
            consumer = self._connected()
            starts = await consumer.beginning_offsets(positions)
            consumer.assign(positions)
            try:
                for position, end in (await consumer.end_offsets(positions)).items():
                    consumer.seek(position, end)
                # ends are taken from fetches: see `LogOffsets.ends`
                while any((consumer.last_poll_timestamp(p) or 0) < asked_ms for p in positions):
                    await consumer.getmany(timeout_ms=_POLL_MS)
                return {
                    position.partition: (int(starts[position]), int(consumer.highwater(position)))
                    for position in positions
                }
            finally:
                consumer.unsubscribe()

    async def read(
        self, topic: str, partition: int, offsets: Collection[int]
    ) -> Mapping[int, Record]:
        """The records at these offsets, which must be in the log, as far as they can be decoded."""
        position = TopicPartition(topic, partition)
        found: dict[int, Record] = {}
        async with self._turn, asyncio.timeout(_READ_SECONDS):
            self._connected().assign([position])
            try:
                for stretch in _stretches(sorted(set(offsets))):
                    await self._read(position, stretch, found)
            finally:
                self._connected().unsubscribe()
        return found

    async def _read(
        self, position: TopicPartition, wanted: Collection[int], found: dict[int, Record]
    ) -> None:
        consumer = self._connected()
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

    def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            message = "not connected to Kafka yet"
            raise ConnectionError(message)
        return self._consumer


def _stretches(offsets: Collection[int]) -> list[list[int]]:
    """Sorted offsets, cut where the next is far away."""
    cut: list[list[int]] = []
    for offset in offsets:
        if cut and offset - cut[-1][-1] <= _SKIP:
            cut[-1].append(offset)
        else:
            cut.append([offset])
    return cut
