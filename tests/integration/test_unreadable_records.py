"""Records that the Kafka client can't decode are dead-lettered, and no other record is lost."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as producer_module
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c

from purposewatch_contract import EVENTS, RAW, topic_name
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    BatchConsumer,
    OutgoingRecord,
    Record,
    RejectedRecord,
    TopicProvisioner,
    build_producer,
    polling,
)
from purposewatch_runtime.kafka import consumer as consumer_module
from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings


class _NoText(str):
    """A header's name that other clients can send and this one can't read."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        """Bytes that are not UTF-8."""
        return b"\xff\xfe"


async def publish_unreadable(
    settings: KafkaSettings, topic: str, partition: int, *, before: int = 0, behind: int = 0
) -> None:
    """Publish one record whose header's name is not UTF-8, as for example librdkafka lets one.

    With good ones before and behind it in its batch.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (message_accumulator, producer_module):
            patch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
        producer = build_producer(settings, client_id="test")
        await producer.start()
        try:
            batch = producer.create_batch()
            for name in ["good"] * before + [_NoText("x")] + ["good"] * behind:
                batch.append(timestamp=None, key=None, value=b"x", headers=[(name, b"")])
            await (await producer.send_batch(batch, topic, partition=partition))
        finally:
            await producer.stop()


@pytest.fixture
async def settings(broker: RunningBroker, topic_prefix: str) -> KafkaSettings:
    """Settings with the raw topic provisioned."""
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (RAW,), client_id="test").start()
    return settings


async def test_other_partitions_lose_nothing(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All records of the other partitions arrive, in order, and readiness names the bad one."""
    monkeypatch.setattr(polling, "_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(polling, "_BY_PARTITION_SECONDS", 0.2)
    topic = topic_name(settings.topic_prefix, RAW)
    await publish_unreadable(settings, topic, 2)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}

    async def handle(records: Sequence[Record]) -> None:
        for record in records:
            seen[record.partition].append(record.offset)

    consumer = BatchConsumer(
        settings,
        topic=topic,
        group_id=f"{topic}.group",
        client_id="test",
        handle=handle,
        metric_set=m.MetricSet("ingest", version="0"),
    )
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    await consumer.start()
    for _ in range(60):
        await producer.publish([OutgoingRecord(topic, b"x", partition=p) for p in (0, 1)])
        await asyncio.sleep(0.01)
    async with asyncio.timeout(20):
        while [len(seen[0]), len(seen[1])] != [60, 60]:
            await asyncio.sleep(0.05)
    ready = await consumer.ready()
    await consumer.stop()
    await producer.stop()

    assert seen == {0: list(range(60)), 1: list(range(60)), 2: []}
    assert (ready.ok, ready.detail) == (
        False,
        "partition 2 can't be decoded from offset 0 on (UnicodeDecodeError)",
    )


async def test_record_is_dead_lettered_and_its_neighbours_are_not(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time only the bad record arrives rejected; all before and behind it as they are.

    A handler that fails in between changes nothing of that.
    """
    monkeypatch.setattr(polling, "_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(consumer_module, "_BACKOFF", Backoff(0.05, 15))
    topic = topic_name(settings.topic_prefix, RAW)
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    good = [OutgoingRecord(topic, b"good", partition=2) for _ in range(3)]
    await producer.publish(good)
    await publish_unreadable(settings, topic, 2)
    await producer.publish(good)
    seen: list[Record] = []
    failures = 0

    async def handle(records: Sequence[Record]) -> None:
        nonlocal failures
        if isinstance(records[0], RejectedRecord) and failures < 2:
            failures += 1
            raise ConnectionError
        seen.extend(records)

    consumer = BatchConsumer(
        settings.model_copy(update={"kafka_undecodable_seconds": 0.3}),
        topic=topic,
        group_id=f"{topic}.group",
        client_id="test",
        handle=handle,
        metric_set=m.MetricSet("ingest", version="0"),
    )
    await consumer.start()
    async with asyncio.timeout(30):
        while len(seen) < 7:
            await asyncio.sleep(0.05)
        while not (await consumer.ready()).ok:
            await asyncio.sleep(0.05)
    await consumer.stop()
    await producer.stop()

    assert [record.offset for record in seen] == list(range(7))
    rejected = [record for record in seen if isinstance(record, RejectedRecord)]
    assert [(record.offset, record.value) for record in rejected] == [(3, b"x")]
    assert rejected[0].headers == (("\\xff\\xfe", b""),)
    assert failures == 2


@pytest.mark.parametrize("codec", ["none", "zstd"])
async def test_good_records_of_its_batch_are_not_dead_lettered(
    broker: RunningBroker,
    topic_prefix: str,
    codec: Literal["none", "zstd"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those before and behind it in the very batch arrive as they are, compressed or not.

    Nothing follows in the partition, and the consumer is ready again all the same.
    """
    monkeypatch.setattr(polling, "_RETRY_SECONDS", 0.1)
    settings = kafka_settings(broker, topic_prefix).model_copy(
        update={
            "kafka_undecodable_seconds": 0.3,
            "kafka_compression": codec,
            "kafka_max_batch_records": 20,
        }
    )
    # Kafka unpacks what comes into the raw topic
    await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    topic = topic_name(settings.topic_prefix, EVENTS)
    await publish_unreadable(settings, topic, 2, before=30, behind=50)
    seen: list[Record] = []

    async def handle(records: Sequence[Record]) -> None:
        seen.extend(records)

    consumer = BatchConsumer(
        settings,
        topic=topic,
        group_id=f"{topic}.group",
        client_id="test",
        handle=handle,
        metric_set=m.MetricSet("auditor", version="0"),
    )
    await consumer.start()
    async with asyncio.timeout(30):
        while len(seen) < 81:
            await asyncio.sleep(0.05)
        while not (await consumer.ready()).ok:
            await asyncio.sleep(0.05)
    await consumer.stop()

    assert [record.offset for record in seen] == list(range(81))
    assert [record.offset for record in seen if isinstance(record, RejectedRecord)] == [30]
    assert all(record.headers == (("good", b""),) for record in seen if record.offset != 30)


@pytest.mark.apache_kafka
async def test_compressed_batch_damaged_in_the_log(
    kafka_to_crash: ApacheKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch that can't be unpacked every record gets a letter, the first one all its bytes.

    With a checksum that is right again, as of a client that compresses wrongly.
    """
    monkeypatch.setattr(polling, "_RETRY_SECONDS", 0.1)
    settings = kafka_settings(
        RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka"), topic_prefix
    ).model_copy(update={"kafka_undecodable_seconds": 0.3})
    await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    topic = topic_name(settings.topic_prefix, EVENTS)
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    for text in (b"before", b"damaged", b"behind"):
        await producer.publish([OutgoingRecord(topic, text * 9, partition=0) for _ in range(9)])
    await producer.stop()
    packed = damage_second_batch(kafka_to_crash.log_of(topic, 0))
    seen: list[Record] = []

    async def handle(records: Sequence[Record]) -> None:
        seen.extend(records)

    consumer = BatchConsumer(
        settings,
        topic=topic,
        group_id=f"{topic}.group",
        client_id="test",
        handle=handle,
        metric_set=m.MetricSet("auditor", version="0"),
    )
    await consumer.start()
    async with asyncio.timeout(30):
        while len(seen) < 27:
            await asyncio.sleep(0.05)
    await consumer.stop()

    assert [record.offset for record in seen] == list(range(27))
    rejected = [record for record in seen if isinstance(record, RejectedRecord)]
    assert [record.offset for record in rejected] == list(range(9, 18))
    assert [record.raw for record in rejected] == [packed, *[None] * 8]
    assert all("can't be decompressed" in record.reason for record in rejected)


def damage_second_batch(log: Path) -> bytes:
    """Change what the second batch of a log was packed to, and seal it; returns its new bytes."""
    data = bytearray(log.read_bytes())
    at = 12 + int.from_bytes(data[8:12], "big")
    end = at + 12 + int.from_bytes(data[at + 8 : at + 12], "big")
    assert data[at + 22] & DefaultRecordBatch.CODEC_MASK == DefaultRecordBatch.CODEC_ZSTD
    data[at + 61 : at + 65] = b"what"
    data[at + 17 : at + 21] = calc_crc32c(bytes(data[at + 21 : end])).to_bytes(4, "big")
    with log.open("r+b") as file:
        file.write(data)
    return bytes(data[at:end])


@pytest.mark.apache_kafka
async def test_batch_damaged_in_the_log(
    kafka_to_crash: ApacheKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte that changes in Kafka's log costs the records of its batch, one dead letter each.

    The broker hands the bytes out as they are; the checksum is looked at by the consumer.
    """
    monkeypatch.setattr(polling, "_RETRY_SECONDS", 0.1)
    settings = kafka_settings(
        RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka"), topic_prefix
    )
    await TopicProvisioner(settings, (RAW,), client_id="test").start()
    topic = topic_name(settings.topic_prefix, RAW)
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    for text in (b"before", b"damaged", b"behind"):
        await producer.publish([OutgoingRecord(topic, text, partition=0) for _ in range(2)])
    await producer.stop()
    damage(kafka_to_crash.log_of(topic, 0), b"damaged", b"Damaged")
    seen: list[Record] = []

    async def handle(records: Sequence[Record]) -> None:
        seen.extend(records)

    consumer = BatchConsumer(
        settings.model_copy(update={"kafka_undecodable_seconds": 0.3}),
        topic=topic,
        group_id=f"{topic}.group",
        client_id="test",
        handle=handle,
        metric_set=m.MetricSet("ingest", version="0"),
    )
    await consumer.start()
    async with asyncio.timeout(30):
        while len(seen) < 6:
            await asyncio.sleep(0.05)
    await consumer.stop()

    assert [record.value for record in seen] == [b"before"] * 2 + [None] * 2 + [b"behind"] * 2
    kept = [record.raw for record in seen if isinstance(record, RejectedRecord)]
    assert kept[0] is not None
    assert kept[0].count(b"amaged") == 2
    assert kept[1] is None


def damage(log: Path, before: bytes, after: bytes) -> None:
    """Change the first occurrence of some bytes in a file, in place."""
    at = log.read_bytes().index(before)
    with log.open("r+b") as file:
        file.seek(at)
        file.write(after)
