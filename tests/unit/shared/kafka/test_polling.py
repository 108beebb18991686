"""What polling takes from a consumer that is in trouble; real brokers are tested elsewhere."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from purposewatch_shared.kafka import polling as polling_module
from purposewatch_shared.kafka.polling import Polling, Watch


class Fake:
    """Stands for aiokafka's consumer: hands out records once, or raises as it is told."""

    def __init__(self, fetched: Mapping[int, Sequence[int] | Exception]) -> None:
        self.states = {
            TopicPartition("t", partition): SimpleNamespace(position=0, has_valid_position=True)
            for partition in fetched
        }
        self._fetched = {TopicPartition("t", number): what for number, what in fetched.items()}
        assignment = SimpleNamespace(tps=list(self.states), state_value=self.states.__getitem__)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self._fetcher = SimpleNamespace(
            _create_fetch_waiter=lambda: asyncio.get_running_loop().create_future()
        )
        self.still: set[TopicPartition] = set()

    def paused(self) -> set[TopicPartition]:
        """What nothing is to be taken from."""
        return self.still

    def seek(self, position: TopicPartition, offset: int) -> None:
        """Go there."""
        self.states[position].position = offset

    async def getmany(
        self, *wanted: TopicPartition, **_: Any
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """What has been fetched of these, once."""
        taken = {}
        for position in wanted or self.states:
            found = self._fetched.pop(position, ())
            if isinstance(found, Exception):
                raise found
            if found and position not in self.still:
                taken[position] = [record(position, offset) for offset in found]
                self.states[position].position = found[-1] + 1
        return taken


def record(position: TopicPartition, offset: int) -> ConsumerRecord[bytes, bytes]:
    """A record at a place."""
    return ConsumerRecord(
        position.topic, position.partition, offset, 0, 0, None, b"v", None, -1, 1, ()
    )


def polling_under_suspicion(partition: int) -> Polling:
    """Polling that takes partition by partition, because one is under suspicion."""
    watch = Watch(
        unreadable=lambda *_: None, limit=lambda number, _: 1 if number == partition else None
    )
    return Polling(watch, patience_seconds=0)


async def places(polling: Polling, consumer: Any) -> list[tuple[int, int]]:
    """Partition and offset of what polling takes."""
    taken = await polling.take(consumer, max_records=10, idle_seconds=0.01)
    return [(each.partition, each.offset) for each in taken]


async def test_refusal_of_one_partition_drops_nothing_taken_from_another() -> None:
    """What is in hand when Kafka refuses a later partition is handed over, not passed by."""
    consumer: Any = Fake({0: (0, 1), 1: TopicAuthorizationFailedError("t"), 2: ()})
    polling = polling_under_suspicion(2)

    assert await places(polling, consumer) == [(0, 0), (0, 1)]


async def test_refusal_with_nothing_in_hand_is_told() -> None:
    """The consumer has to know that Kafka does not let it read."""
    consumer: Any = Fake({0: (), 1: TopicAuthorizationFailedError("t"), 2: ()})

    with pytest.raises(TopicAuthorizationFailedError):
        await polling_under_suspicion(2).take(consumer, max_records=10, idle_seconds=0.01)


async def test_nothing_is_set_aside_while_the_consumer_holds_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record that can't be decoded and is due stays where it is in a paused partition."""

    async def rescue(*_: Any, **__: Any) -> Sequence[Any]:
        return [record(TopicPartition("t", 0), 0)]

    monkeypatch.setattr(polling_module, "rescue", rescue)
    monkeypatch.setattr(polling_module, "_RETRY_SECONDS", 0.01)
    polling = polling_under_suspicion(1)
    unreadable = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
    consumer: Any = Fake({0: unreadable, 1: ()})
    assert await places(polling, consumer) == []
    consumer = Fake({0: unreadable, 1: (0,)})
    assert await places(polling, consumer) == [(1, 0)]
    await asyncio.sleep(0.02)
    consumer = Fake({0: unreadable, 2: (5,)})
    assert await places(polling, consumer) == [(2, 5)]

    consumer.still = set(consumer.states)
    held = await places(polling, consumer)
    consumer.still = set()

    assert (held, await places(polling, consumer)) == ([], [(0, 0)])
