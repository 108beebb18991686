"""Records that the Kafka client can't decode hold up their partition and cost no other a record."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as producer_module
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from purposewatch_shared import metrics as m
from purposewatch_shared.kafka import polling
from purposewatch_shared.kafka.connection import build_producer
from purposewatch_shared.kafka.consumer import BatchConsumer, Record
from purposewatch_shared.kafka.producer import ConfirmedProducer, OutgoingRecord
from purposewatch_shared.kafka.provision import TopicProvisioner
from purposewatch_shared.settings import KafkaSettings
from purposewatch_shared.topics import RAW, topic_name
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
