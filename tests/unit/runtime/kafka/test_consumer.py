"""The batch consumer leaves partitions cleanly; real brokers are tested elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from purposewatch_contract import ErrorClass
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import BatchConsumer, Record, RejectedRecord
from purposewatch_runtime.kafka import consumer as consumer_module
from purposewatch_runtime.settings import KafkaSettings

PLACE = TopicPartition("t", 0)
Leave = Callable[[BatchConsumer], Awaitable[None]]


class Fake:
    """Stands for aiokafka's consumer, and keeps what is committed as Kafka does."""

    def __init__(self) -> None:
        self.kept = (7, "")
        self._coordinator = SimpleNamespace(fetch_committed_offsets=self._fetch)

    async def _fetch(self, _: Any) -> dict[TopicPartition, tuple[int, str]]:
        return {PLACE: self.kept}

    async def commit(self, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
        """Keep it."""
        self.kept = offsets[PLACE]

    def pause(self, *_: TopicPartition) -> None:
        """Nothing is fetched anyway."""

    resume = pause

    async def stop(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize("leave", [BatchConsumer.stop, BatchConsumer.revoked])
async def test_leaving_cleanly_does_not_count_against_records_in_flight(
    leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many processes are stopped while a batch waits for Kafka: no record is blamed."""
    monkeypatch.setattr(consumer_module, "_STOP_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(consumer_module, "_REVOKE_WAIT_SHARE", 0.001)
    kafka: Any = Fake()
    metadata = []
    for _ in range(6):
        begun = asyncio.Event()

        async def wait(_: Any, begun: asyncio.Event = begun) -> None:
            begun.set()
            await asyncio.Event().wait()

        consumer = BatchConsumer(
            KafkaSettings(),
            topic="t",
            group_id="g",
            client_id="c",
            handle=wait,
            metric_set=m.MetricSet("auditor", version="0"),
        )
        consumer._subscriber.consumer = kafka
        await consumer.assigned([0])
        consumer._idle.clear()
        record = ConsumerRecord("t", 0, 7, 0, 0, None, b"v", None, -1, 1, ())
        message: Any = SimpleNamespace(raw_message=[record])
        in_flight = asyncio.create_task(consumer._on_batch(message))
        await begun.wait()
        metadata.append(kafka.kept[1])
        await leave(consumer)
        in_flight.cancel()
        metadata.append(kafka.kept[1])

    assert metadata[1::2] == [""] * 6
    assert "" not in metadata[::2]
    assert kafka.kept[0] == 7


async def test_the_handler_gets_what_was_verified() -> None:
    """A batch that can't be verified is put back, like one that can't be handled."""
    handled: list[Record] = []
    problems = [ConnectionError("later")]

    async def verify(records: Sequence[Record]) -> Sequence[Record]:
        if problems:
            raise problems.pop()
        return [RejectedRecord.of(each, ErrorClass.SUSPECT, "not signed") for each in records]

    async def handle(records: Sequence[Record]) -> None:
        handled.extend(records)

    consumer = BatchConsumer(
        KafkaSettings(),
        topic="t",
        group_id="g",
        client_id="c",
        handle=handle,
        metric_set=m.MetricSet("reporter", version="0"),
        verify=verify,
    )
    consumer._stopping.set()  # so that it does not wait before it puts the batch back
    record: Record = ConsumerRecord("t", 0, 7, 0, 0, None, b"v", None, -1, 1, ())
    for failing in (True, False):
        message: Any = SimpleNamespace(raw_message=[record])
        await consumer._on_batch(message)
        assert consumer.failing is failing
        assert bool(handled) is not failing
    [got] = handled
    assert isinstance(got, RejectedRecord)


def test_a_rebalance_ends_before_the_requests_to_join_do() -> None:
    """A member whose request timed out first would join again as another, and delay everybody."""
    assert consumer_module._REVOKE_WAIT_SHARE < consumer_module._REBALANCE_SHARE < 1
