"""Records that the Kafka client can't decode: they cost no other a record, and are set aside."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as producer_module
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from purposewatch_shared import metrics as m
from purposewatch_shared.kafka import consumer as consumer_module
from purposewatch_shared.kafka import polling
from purposewatch_shared.kafka.condemned import CondemnedRecord
from purposewatch_shared.kafka.connection import build_producer
from purposewatch_shared.kafka.consumer import BatchConsumer, Record
from purposewatch_shared.kafka.producer import ConfirmedProducer, OutgoingRecord
from purposewatch_shared.kafka.provision import TopicProvisioner
from purposewatch_shared.settings import KafkaSettings
from purposewatch_shared.topics import RAW, topic_name
from tests.integration.brokers.apache_kafka import ApacheKafka
from tests.integration.brokers.running_broker import RunningBroker
from tests.integration.kafka_settings import kafka_settings


class _NoText(str):
    """A header's name that other clients can send and this one can't read."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        """Bytes that are not UTF-8."""
        return b"\xff\xfe"


async def publish_unreadable(settings: KafkaSettings, topic: str, partition: int) -> None:
    """Publish one record whose header's name is not UTF-8, as for example librdkafka lets one."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (message_accumulator, producer_module):
            patch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
        producer = build_producer(settings, client_id="test")
        await producer.start()
        try:
            await producer.send_and_wait(
                topic, b"x", partition=partition, headers=[(_NoText("x"), b"")]
            )
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
    monkeypatch.setattr(polling, "_CAREFUL_SECONDS", 0.2)
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
    producer = ConfirmedProducer(settings, client_id="test")
    await producer.start()
    await consumer.start()
    for _ in range(60):
        await producer.publish([OutgoingRecord(topic, b"x", partition=p) for p in (0, 1)])
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    ready = await consumer.ready()
    await consumer.stop()
    await producer.stop()

    assert seen == {0: list(range(60)), 1: list(range(60)), 2: []}
    assert (ready.ok, ready.detail) == (
        False,
        "partition 2 can't be decoded from offset 0 on (UnicodeDecodeError)",
    )


async def test_record_is_set_aside_and_its_neighbours_are_not(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time only the bad record arrives condemned; all before and behind it as they are.

    A handler that fails in between changes nothing of that.
    """
    monkeypatch.setattr(polling, "_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(consumer_module, "_BACKOFF_FIRST_SECONDS", 0.05)
    topic = topic_name(settings.topic_prefix, RAW)
    producer = ConfirmedProducer(settings, client_id="test")
    await producer.start()
    good = [OutgoingRecord(topic, b"good", partition=2) for _ in range(3)]
    await producer.publish(good)
    await publish_unreadable(settings, topic, 2)
    await producer.publish(good)
    seen: list[Record] = []
    failures = 0

    async def handle(records: Sequence[Record]) -> None:
        nonlocal failures
        if isinstance(records[0], CondemnedRecord) and failures < 2:
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
    condemned = [record for record in seen if isinstance(record, CondemnedRecord)]
    assert [(record.offset, record.value) for record in condemned] == [(3, b"x")]
    assert condemned[0].headers == (("\\xff\\xfe", b""),)
    assert failures == 2


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
    producer = ConfirmedProducer(settings, client_id="test")
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
    kept = [record.raw for record in seen if isinstance(record, CondemnedRecord)]
    assert kept[0] is not None
    assert kept[0].count(b"amaged") == 2
    assert kept[1] is None


def damage(log: Path, before: bytes, after: bytes) -> None:
    """Change the first occurrence of some bytes in a file, in place."""
    at = log.read_bytes().index(before)
    with log.open("r+b") as file:
        file.seek(at)
        file.write(after)
