"""Offsets of a batch, and what a consumer without an answer from Kafka says of itself."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError

from purposewatch_runtime.kafka.offsets import (
    check_fetching,
    first_offsets,
    next_offsets,
    seek_back,
)


class Fake:
    """Stands for aiokafka's consumer of one topic, with positions that can be moved."""

    def __init__(self, positions: Mapping[int, int], *, end: int = 100, polled: int = 0) -> None:
        self.positions = dict(positions)
        self.end = end
        self.polled = polled

    def assignment(self) -> set[TopicPartition]:
        """Every partition with a position."""
        return {TopicPartition("t", number) for number in self.positions}

    async def position(self, partition: TopicPartition) -> int:
        """Raise as aiokafka does for a partition that is not assigned."""
        if partition.partition not in self.positions:
            raise IllegalStateError(partition)
        return self.positions[partition.partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Move."""
        self.positions[partition.partition] = offset

    def highwater(self, _: TopicPartition) -> int:
        """The same end everywhere."""
        return self.end

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        """When Kafka last answered."""
        return self.polled


def test_first_and_next_offsets_of_each_partition() -> None:
    """Batches span partitions and have gaps where Kafka has none to deliver."""
    records: list[Any] = [
        ConsumerRecord("t", partition, offset, 0, 0, None, b"", None, -1, 0, ())
        for partition, offset in [(0, 7), (1, 3), (0, 8), (0, 12)]
    ]

    assert first_offsets(records) == {0: 7, 1: 3}
    assert next_offsets(records) == {0: 13, 1: 4}


async def test_seeks_back_but_never_forward() -> None:
    """A revoked partition is skipped, and one that stands further back stays there."""
    consumer: Any = Fake({0: 9, 1: 2})

    await seek_back(consumer, "t", {0: 5, 1: 4, 2: 0})

    assert consumer.positions == {0: 5, 1: 2}


@pytest.mark.parametrize(
    ("consumer", "ok", "detail"),
    [
        (Fake({0: 5, 1: 5}), True, "2 partitions"),
        (Fake({0: 5}, polled=-20_000), False, "no answer from Kafka for partition 0"),
        (
            Fake({0: 5}, end=4),
            False,
            "partition 0 is shorter than what was consumed of it",
        ),
    ],
)
async def test_fetching_is_checked(consumer: Any, detail: str, *, ok: bool) -> None:
    """Each partition must have been answered recently, and must not have lost records."""
    check = await check_fetching(consumer, 1_000)

    assert (check.ok, check.detail) == (ok, detail)
