"""How the acknowledged producer behaves after errors; its guarantees are tested on a broker."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
)
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.record.memory_records import MemoryRecords

from purposewatch_runtime.kafka import MAX_REQUEST_BYTES, AcknowledgedProducer, OutgoingRecord
from purposewatch_runtime.kafka import producer as producer_module
from purposewatch_runtime.settings import KafkaSettings

RECORD = OutgoingRecord("t", b"v")


class Fake:
    """Stands for aiokafka's producer: fails on start or instead of an acknowledgement, as asked."""

    def __init__(self, *, start: Exception | None = None, send: Exception | None = None) -> None:
        self._start = start
        self._send = send
        self.sent = 0
        self.stopped = False
        self.batches: list[tuple[str, int, list[tuple[bytes | None, bytes | None]]]] = []
        self.unacknowledged: set[tuple[str, int]] = set()

    async def start(self) -> None:
        """Connect, or fail."""
        if self._start is not None:
            raise self._start

    async def stop(self) -> None:
        """Note it."""
        self.stopped = True

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        """Return a future that is acknowledged, or has failed."""
        self.sent += 1
        pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._send is None:
            pending.set_result(None)
        else:
            pending.set_exception(self._send)
        return pending

    def create_batch(self) -> BatchBuilder:
        """A batch of aiokafka's own, which takes some hundred bytes."""
        return BatchBuilder(500, 0)

    async def send_batch(
        self, batch: BatchBuilder, topic: str, *, partition: int
    ) -> asyncio.Future[None]:
        """Keep the batch, and acknowledge it a little later."""
        place = (topic, partition)
        assert place not in self.unacknowledged, "sent before the previous batch was acknowledged"
        assert batch.closed(), "would be kept back for more to come"
        self.unacknowledged.add(place)
        self.batches.append((topic, partition, read(batch)))
        pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, self._settle, pending, place)
        return pending

    def _settle(self, pending: asyncio.Future[None], place: tuple[str, int]) -> None:
        self.unacknowledged.remove(place)
        if self._send is None:
            pending.set_result(None)
        else:
            pending.set_exception(self._send)


def read(batch: BatchBuilder) -> list[tuple[bytes | None, bytes | None]]:
    """Keys and values of a batch's records, as a consumer would find them."""
    [found] = iter_batches(MemoryRecords(bytes(batch._build())))
    return [(each.key, each.value) for each in found]


def iter_batches(records: Any) -> Any:
    """The batches, as aiokafka reads them from the wire."""
    while records.has_next():
        yield records.next_batch()


def producer_of(monkeypatch: pytest.MonkeyPatch, *fakes: Fake) -> AcknowledgedProducer:
    """A producer that gets these underneath, one after the other."""
    supply = iter(fakes)
    monkeypatch.setattr(producer_module, "build_producer", lambda *_, **__: next(supply))
    return AcknowledgedProducer(KafkaSettings(), client_id="test")


async def test_not_started_is_an_error_and_not_a_loss() -> None:
    """Publishing before the start raises, so that the caller tries again."""
    producer = AcknowledgedProducer(KafkaSettings(), client_id="test")

    with pytest.raises(ConnectionError, match="try again later"):
        await producer.publish([RECORD])
    assert not (await producer.ready()).ok


async def test_temporary_error_keeps_the_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error from which the client recovers by itself, the same producer continues.

    The client doesn't call this one so, although all it says is that its queue was full.
    """
    fake = Fake(send=KafkaTimeoutError())
    producer = producer_of(monkeypatch, fake)
    await producer.start()

    for _ in range(2):
        with pytest.raises(KafkaTimeoutError):
            await producer.publish([RECORD, RECORD])

    assert (fake.sent, fake.stopped) == (4, False)


async def test_broken_producer_is_replaced_even_if_kafka_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A producer that lost its sequence is discarded; a later publish connects and succeeds."""
    broken = Fake(send=OutOfOrderSequenceNumber())
    away = Fake(start=KafkaConnectionError())
    fine = Fake()
    producer = producer_of(monkeypatch, broken, away, fine)
    await producer.start()

    with pytest.raises(OutOfOrderSequenceNumber):
        await producer.publish([RECORD])
    with pytest.raises(KafkaConnectionError):
        await producer.publish([RECORD])
    await producer.publish([RECORD])

    assert (broken.stopped, away.stopped, fine.sent) == (True, True, 1)
    assert (await producer.ready()).ok


def numbered(count: int, **fields: Any) -> list[OutgoingRecord]:
    """Records that hold their number and name their partition."""
    return [OutgoingRecord("t", b"%06d" % number + b"v" * 60, **fields) for number in range(count)]


async def test_records_of_a_partition_are_sent_in_order_and_batch_after_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Batches are split by size; the next is sent only when the previous one is acknowledged."""
    fake = Fake()
    producer = producer_of(monkeypatch, fake)
    await producer.start()
    first, second = numbered(40, partition=1, key=b"k"), numbered(15, partition=2)

    await producer.publish(
        [each for pair in zip(first, [*second, *numbered(25)], strict=True) for each in pair]
    )

    for partition, expected in ((1, first), (2, second)):
        batches = [each for _, number, each in fake.batches if number == partition]
        assert len(batches) > 1
        found = [record for batch in batches for record in batch]
        assert [(each.key, each.value) for each in expected] == found
    assert (fake.sent, fake.unacknowledged) == (25, set())


async def test_nothing_follows_a_batch_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later batch of the partition never arrives before an earlier one is tried again."""
    fake = Fake(send=KafkaTimeoutError())
    producer = producer_of(monkeypatch, fake)
    await producer.start()

    with pytest.raises(KafkaTimeoutError):
        await producer.publish([*numbered(40, partition=1), *numbered(40, partition=2)])

    assert [partition for _, partition, _ in fake.batches] == [1, 2]


async def test_callers_take_turns_in_a_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the client's own queue most of many callers would time out too early."""
    accumulator = MessageAccumulator(SimpleNamespace(leader_for_partition=lambda _: 0), 500, 0, 30)
    fake = Fake()

    async def send_batch(batch: BatchBuilder, topic: str, *, partition: int) -> Any:
        return await accumulator.add_batch(batch, TopicPartition(topic, partition), 0.5)

    async def acknowledge() -> None:
        while True:
            await asyncio.sleep(0.01)
            nodes, _ = accumulator.drain_by_nodes(())
            for batches in nodes.values():
                for batch in batches.values():
                    batch.done(0, -1)

    monkeypatch.setattr(fake, "send_batch", send_batch)
    producer = producer_of(monkeypatch, fake)
    await producer.start()
    acknowledging = asyncio.create_task(acknowledge())
    await asyncio.gather(*(producer.publish(numbered(1, partition=1)) for _ in range(40)))
    acknowledging.cancel()

    assert not fake.stopped


async def test_record_larger_than_a_batch_is_sent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch size does not limit the record size."""
    fake = Fake()
    producer = producer_of(monkeypatch, fake)
    await producer.start()
    large = OutgoingRecord("t", b"x" * 5_000, partition=1)

    await producer.publish([*numbered(2, partition=1), large, *numbered(2, partition=1)])

    assert [len(records) for _, _, records in fake.batches] == [2, 1, 2]


async def test_record_that_no_request_can_hold_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would fail at the broker; nothing else of the call is sent either."""
    fake = Fake()
    producer = producer_of(monkeypatch, fake)
    await producer.start()
    huge = OutgoingRecord("t", b"x" * (MAX_REQUEST_BYTES + 1), partition=1)

    with pytest.raises(MessageSizeTooLargeError):
        await producer.publish([RECORD, huge])

    assert (fake.sent, fake.batches) == (0, [])


async def test_a_record_that_joins_others_leaves_its_batch_to_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records of many callers share few batches; each keeps its partition."""
    fake = Fake()
    asked: list[Any] = []
    send = fake.send

    async def note(*args: Any, **named: Any) -> asyncio.Future[None]:
        asked.append((args[0], named["partition"]))
        return await send(*args, **named)

    monkeypatch.setattr(fake, "send", note)
    producer = producer_of(monkeypatch, fake)
    await producer.start()
    await producer.publish([OutgoingRecord("t", b"v", b"k", 4, joins=True)])
    assert asked == [("t", 4)]
