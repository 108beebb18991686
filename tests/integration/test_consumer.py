"""The batch consumer on a real broker: nothing is skipped, whatever the handler does."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import pytest

from purposewatch_contract import EVENTS, topic_name
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    BatchConsumer,
    OutgoingRecord,
    Record,
    StopConsumingError,
    TopicProvisioner,
)
from purposewatch_runtime.kafka import consumer as consumer_module
from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings

Handler = Callable[[Sequence[Record]], Awaitable[None]]
Resume = Callable[[Sequence[int]], Awaitable[Mapping[int, int]]]


class Bench:
    """A topic with records in it, and consumers made for it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.topic = topic_name(settings.topic_prefix, EVENTS)
        self.producer = AcknowledgedProducer(settings, client_id="test")
        self.metric_set = m.MetricSet("auditor", version="0")

    async def publish(self, count: int, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        """Put `count` records into the topic, dealt out over its three partitions."""
        await self.producer.publish(
            [
                OutgoingRecord(
                    self.topic, str(number).encode(), partition=number % 3, headers=headers
                )
                for number in range(count)
            ]
        )

    async def read_by_another(self, count: int) -> None:
        """Wait until a consumer of another group has read so many records."""
        read = 0

        async def handle(records: Sequence[Record]) -> None:
            nonlocal read
            read += len(records)

        consumer = self.consumer(handle, group="another")
        await consumer.start()
        await until(lambda: read >= count)
        await consumer.stop()

    def consumer(
        self, handle: Handler, resume: Resume | None = None, *, group: str = "group"
    ) -> BatchConsumer:
        """A consumer; those of a test share one group unless another is named."""
        return BatchConsumer(
            self.settings,
            topic=self.topic,
            group_id=f"{self.topic}.{group}",
            client_id="test",
            handle=handle,
            metric_set=self.metric_set,
            resume=resume,
        )


@pytest.fixture
async def bench(
    broker: RunningBroker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """A provisioned topic, with short pauses between attempts."""
    monkeypatch.setattr(consumer_module, "_BACKOFF", Backoff(0.05, 15))
    settings = kafka_settings(broker, topic_prefix).model_copy(
        update={"kafka_max_batch_records": 50}
    )
    bench = Bench(settings)
    await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    await bench.producer.start()
    yield bench
    await bench.producer.stop()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def positions(records: Sequence[Record]) -> list[tuple[int, int]]:
    """Partition and offset of each record."""
    return [(record.partition, record.offset) for record in records]


async def test_failing_batches_are_tried_again(bench: Bench) -> None:
    """Every record is handled exactly once although one batch in three fails at first."""
    await bench.publish(600)
    handled: list[tuple[int, int]] = []
    attempts = 0

    async def handle(records: Sequence[Record]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts % 3 == 0:
            raise ConnectionError
        handled.extend(positions(records))

    consumer = bench.consumer(handle)
    await consumer.start()
    await until(lambda: len(handled) >= 600)
    await consumer.stop()

    assert sorted(handled) == [(partition, o) for partition in range(3) for o in range(200)]


async def test_finished_records_are_released_at_once(bench: Bench) -> None:
    """Otherwise there are as many in memory as are read between two garbage collections."""
    await bench.publish(200)
    seen: list[weakref.ref[Record]] = []

    async def handle(records: Sequence[Record]) -> None:
        seen.extend(map(weakref.ref, records))

    consumer = bench.consumer(handle)
    gc.disable()
    try:
        await consumer.start()
        await until(lambda: len(seen) == 200)
        # the last batch is held until there is another
        await until(lambda: not any(record() for record in seen[:-50]), seconds=5)
    finally:
        gc.enable()
        await consumer.stop()


async def test_offsets_are_committed_only_after_handling(bench: Bench) -> None:
    """What was handled is not handed out again; what had failed is, to the next consumer."""
    await bench.publish(300)
    first: list[tuple[int, int]] = []
    second: list[tuple[int, int]] = []

    async def fail_after_a_while(records: Sequence[Record]) -> None:
        if len(first) >= 100:
            raise ConnectionError
        first.extend(positions(records))

    async def handle(records: Sequence[Record]) -> None:
        second.extend(positions(records))

    consumer = bench.consumer(fail_after_a_while)
    await consumer.start()
    await until(lambda: len(first) >= 100)
    await until(lambda: consumer.failing)
    assert not (await consumer.ready()).ok
    await consumer.stop()
    consumer = bench.consumer(handle)
    await consumer.start()
    await until(lambda: len(first) + len(second) >= 300)
    await consumer.stop()

    assert sorted(first + second) == [(partition, o) for partition in range(3) for o in range(100)]


async def test_headers_that_are_no_text_arrive(bench: Bench) -> None:
    """A header that is not UTF-8 and one that names a reply topic do no harm."""
    await bench.publish(3, headers=(("trace", b"\xff\xfe"), ("reply_to", b"elsewhere")))
    seen: list[Record] = []

    async def handle(records: Sequence[Record]) -> None:
        seen.extend(records)

    consumer = bench.consumer(handle)
    await consumer.start()
    await until(lambda: len(seen) == 3)
    ready = await consumer.ready()
    await consumer.stop()

    assert {record.headers[0] for record in seen} == {("trace", b"\xff\xfe")}
    assert ready.ok


async def test_consumer_that_stops_itself_keeps_its_place(bench: Bench) -> None:
    """After `StopConsumingError` nothing more is taken in, readiness says why, nothing is lost."""
    await bench.publish(30)
    seen: list[tuple[int, int]] = []

    async def refuse(records: Sequence[Record]) -> None:
        seen.extend(positions(records))
        message = "too many bad records"
        raise StopConsumingError(message)

    consumer = bench.consumer(refuse)
    await consumer.start()
    await until(lambda: consumer.stopped is not None)
    taken = len(seen)
    await bench.publish(30)
    await bench.read_by_another(60)
    ready = await consumer.ready()
    await consumer.stop()
    assert len(seen) == taken
    assert (ready.ok, ready.detail) == (False, "stopped: too many bad records")

    again: list[tuple[int, int]] = []

    async def handle(records: Sequence[Record]) -> None:
        again.extend(positions(records))

    consumer = bench.consumer(handle)
    await consumer.start()
    await until(lambda: len(again) >= 60)
    await consumer.stop()
    assert sorted(again) == [(partition, o) for partition in range(3) for o in range(20)]


async def test_positions_come_from_where_they_are_kept(bench: Bench) -> None:
    """With `resume`, the committed offsets don't count, however slowly the positions are read."""
    await bench.publish(30)
    first: list[tuple[int, int]] = []
    second: list[tuple[int, int]] = []
    asked = 0

    async def handle_first(records: Sequence[Record]) -> None:
        first.extend(positions(records))

    async def handle_second(records: Sequence[Record]) -> None:
        second.extend(positions(records))

    async def resume(partitions: Sequence[int]) -> dict[int, int]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ConnectionError
        await asyncio.sleep(0.5)
        return dict.fromkeys(partitions, 7)

    consumer = bench.consumer(handle_first)
    await consumer.start()
    await until(lambda: len(first) == 30)
    await consumer.stop()
    consumer = bench.consumer(handle_second, resume)
    await consumer.start()
    await until(lambda: len(second) >= 9)
    await bench.publish(3)
    await until(lambda: {(partition, 10) for partition in range(3)} <= set(second))
    await consumer.stop()

    assert sorted(second) == [(partition, o) for partition in range(3) for o in (7, 8, 9, 10)]


async def test_stop_does_not_wait_for_positions_that_cannot_be_read(bench: Bench) -> None:
    """A consumer stops although the place where its positions are kept stays away."""
    await bench.publish(3)
    asked = asyncio.Event()
    seen: list[tuple[int, int]] = []

    async def handle(records: Sequence[Record]) -> None:
        seen.extend(positions(records))

    async def resume(_: Sequence[int]) -> dict[int, int]:
        asked.set()
        raise ConnectionError

    consumer = bench.consumer(handle, resume)
    await consumer.start()
    await asked.wait()
    async with asyncio.timeout(10):
        await consumer.stop()

    assert seen == []


async def test_rebalance_of_one_topic_keeps_the_lag_of_others(bench: Bench) -> None:
    """A process with two consumers shows the lag of each until its own partitions go."""
    lag = bench.metric_set.gauge(m.CONSUMER_LAG)
    lag.labels("another.topic", "0").set(7)
    await bench.publish(3)

    async def handle(_: Sequence[Record]) -> None:
        return

    consumer = bench.consumer(handle)
    await consumer.start()
    await until(lambda: len(next(iter(lag.collect())).samples) == 4)
    await consumer.revoked()
    left = [sample.labels["topic"] for sample in next(iter(lag.collect())).samples]
    await consumer.stop()

    assert left == ["another.topic"]


async def test_batch_in_flight_is_finished_before_stopping(bench: Bench) -> None:
    """A stop waits for the batch that the handler is busy with, and commits it."""
    await bench.publish(3)
    begun = asyncio.Event()
    done: list[tuple[int, int]] = []

    async def slow(records: Sequence[Record]) -> None:
        begun.set()
        await asyncio.sleep(1)
        done.extend(positions(records))

    consumer = bench.consumer(slow)
    await consumer.start()
    await begun.wait()
    await consumer.stop()

    assert len(done) == 3


async def test_group_shares_and_takes_over_without_loss(bench: Bench) -> None:
    """Joining and leaving under load repeats at most what was in flight; nothing is lost."""
    seen: list[tuple[int, int]] = []

    async def handle(records: Sequence[Record]) -> None:
        await asyncio.sleep(0.01)
        seen.extend(positions(records))

    one, two = bench.consumer(handle), bench.consumer(handle)
    await one.start()
    await bench.publish(900)
    await two.start()
    await bench.publish(900)
    await one.stop()
    await bench.publish(900)
    await until(lambda: len(set(seen)) >= 2700, 60)
    await two.stop()

    assert set(seen) == {(partition, o) for partition in range(3) for o in range(900)}
    assert len(seen) == len(set(seen))
