"""Measures a consumer's lag by asking Kafka, also while nothing is consumed."""

import asyncio
import time
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_runtime import metrics as m
from purposewatch_runtime.logs import get_logger

_EVERY_SECONDS = 2.0
_ANSWER_SECONDS = 5.0

_log = get_logger(__name__)


class Lag:
    """Sets the gauges of each assigned partition's unfinished records, on a timer.

    Records in flight count as unfinished. When Kafka does not answer, the last values stay and the
    seconds without progress keep counting.
    """

    def __init__(self, topic: str, metric_set: m.MetricSet) -> None:
        self._topic = topic
        self._records = metric_set.gauge(m.CONSUMER_LAG)
        self._stalled = metric_set.gauge(m.CONSUMER_STALLED_SECONDS).labels(topic)
        self._assigned: frozenset[int] = frozenset()
        self._next: dict[int, int] = {}
        self._shown: dict[int, int] = {}
        self._progress = time.monotonic()

    def assigned(self, partitions: Iterable[int], offsets: Mapping[int, int]) -> None:
        """Partitions are assigned; those that were consumed before resume at these offsets."""
        self._assigned = frozenset(partitions)
        self.begin(offsets)

    def begin(self, offsets: Mapping[int, int]) -> None:
        """Batches begin at these offsets; used for partitions without a known offset."""
        for partition, offset in offsets.items():
            self._next.setdefault(partition, offset)

    def finished(self, offsets: Mapping[int, int]) -> None:
        """Everything before these offsets is finished."""
        self._next.update(offsets)
        self._progress = time.monotonic()

    def forget(self) -> None:
        """The partitions are revoked."""
        for partition in self._shown:
            self._records.remove(self._topic, str(partition))
        self._assigned = frozenset()
        self._next.clear()
        self._shown.clear()
        self._stalled.set(0)

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Measure until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._measure(consumer)
            except Exception as error:  # noqa: BLE001 - the next round may go better
                _log.debug("lag not measured", topic=self._topic, error=type(error).__name__)
            waiting = any(self._shown.values())
            if not waiting:
                self._progress = time.monotonic()
            self._stalled.set(time.monotonic() - self._progress if waiting else 0)
            await asyncio.sleep(_EVERY_SECONDS)

    async def _measure(self, consumer: AIOKafkaConsumer) -> None:
        positions = [TopicPartition(self._topic, partition) for partition in self._assigned]
        ends = await consumer.end_offsets(positions) if positions else {}
        for position in positions:
            if position.partition not in self._assigned:
                continue  # it was revoked meanwhile
            # The embedded broker's end offsets may lag behind what it has sent.
            end = max(ends[position], consumer.highwater(position) or 0)
            start = self._next.get(position.partition)
            if start is None:
                start = await self._standing(consumer, position)
                if position.partition not in self._assigned:
                    continue
            self._show(position.partition, max(0, end - start))

    async def _standing(self, consumer: AIOKafkaConsumer, position: TopicPartition) -> int:
        offset: int = await consumer.position(position)
        if position.partition not in self._assigned:  # or it would be kept for the next time
            return offset
        return self._next.setdefault(position.partition, offset)

    def _show(self, partition: int, records: int) -> None:
        self._shown[partition] = records
        self._records.labels(self._topic, str(partition)).set(records)
