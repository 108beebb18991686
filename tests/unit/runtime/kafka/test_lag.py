"""The lag's gauges during rebalances; the values are tested on a real broker."""

import asyncio
from typing import Any

from aiokafka import TopicPartition

from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka.lag import Lag


class Fake:
    """Stands for aiokafka's consumer, which has no position for the partition yet."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.found = asyncio.Event()

    async def end_offsets(self, positions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Ten records everywhere."""
        return dict.fromkeys(positions, 10)

    def highwater(self, _: TopicPartition) -> int:
        """The same."""
        return 10

    async def position(self, _: TopicPartition) -> int:
        """Known after a while."""
        self.asked.set()
        await self.found.wait()
        return 3


async def test_partition_revoked_while_it_is_measured_is_not_shown() -> None:
    """No gauge is left for a partition of another member, and none starts with a wrong value."""
    metric_set = m.MetricSet("auditor", version="0")
    lag = Lag("t", metric_set)
    consumer: Any = Fake()
    lag.assigned([0], {})
    watching = asyncio.create_task(lag.watch(consumer))
    await consumer.asked.wait()
    lag.forget()
    consumer.found.set()
    await asyncio.sleep(0.01)

    labels = {"topic": "t", "partition": "0"}
    assert metric_set.registry.get_sample_value(m.CONSUMER_LAG.name, labels) is None

    watching.cancel()
    lag.assigned([0], {0: 7})
    watching = asyncio.create_task(lag.watch(consumer))
    await asyncio.sleep(0.01)
    watching.cancel()

    assert metric_set.registry.get_sample_value(m.CONSUMER_LAG.name, labels) == 3
