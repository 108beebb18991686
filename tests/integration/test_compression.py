"""What the services publish is compressed in Kafka as is set, and reads back the same."""

import asyncio
from typing import Literal

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatch

from purposewatch_contract import EVENTS, RAW, VERDICTS, topic_name
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    OutgoingRecord,
    TopicProvisioner,
    build_reader,
)
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings

_ATTRIBUTES = 22
"""Where the lower byte of a batch's attributes stands; its last three bits name the codec."""
_NUMBERS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

VALUES = [b'{"purpose":"marketing.advertising","number":%d}' % number for number in range(300)]
HEADERS = (("content-type", b"application/cloudevents+json"),)


async def published(settings: KafkaSettings, topic: str, *, joins: bool) -> None:
    """Publish the values to partition 1, in a batch of their own or along with others."""
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    try:
        await producer.publish(
            [OutgoingRecord(topic, value, b"key", 1, HEADERS, joins) for value in VALUES]
        )
    finally:
        await producer.stop()


async def in_kafka(settings: KafkaSettings, topic: str) -> tuple[set[int], int, list[bytes | None]]:
    """How partition 1 is compressed there, its bytes, and the values that a client reads."""
    place = TopicPartition(topic, 1)
    consumer = build_reader(settings, client_id="test")
    await consumer.start()
    try:
        consumer.assign([place])
        values: list[bytes | None] = []
        while len(values) < len(VALUES):
            found = await consumer.getmany(place, timeout_ms=1_000)
            values += [record.value for record in found.get(place, ())]
            assert all(record.headers == HEADERS for record in found.get(place, ()))
        codecs, size, at = set(), 0, 0
        while at < len(VALUES):
            data = await _fetched(consumer, place, at)
            length = 12 + int.from_bytes(data[8:12], "big")
            codecs.add(data[_ATTRIBUTES] & DefaultRecordBatch.CODEC_MASK)
            size += length
            at = DefaultRecordBatch(data[:length]).next_offset
    finally:
        await consumer.stop()
    return codecs, size, values


async def _fetched(consumer: object, place: TopicPartition, offset: int) -> bytes:
    """The batch that holds an offset, and what else Kafka sends with it, byte for byte."""
    client = consumer._client  # type: ignore[attr-defined] # there is no public way to the bytes
    node = client.cluster.leader_for_partition(place)
    limit = 2**20
    request = FetchRequest(500, 1, limit, 0, [(place.topic, [(place.partition, offset, limit)])])
    response = await client.send(node, request)
    return bytes(response.topics[0][1][0][-1])


@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
async def test_as_set_and_the_same_when_read(
    broker: RunningBroker,
    topic_prefix: str,
    codec: Literal["none", "gzip", "zstd"],
    joins: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Batches have the codec of the setting, far fewer bytes with one, and the same records."""
    settings = kafka_settings(broker, topic_prefix)
    assert settings.kafka_compression == "zstd"
    settings = settings.model_copy(update={"kafka_compression": codec})
    await TopicProvisioner(settings, (VERDICTS,), client_id="test").start()
    topic = topic_name(topic_prefix, VERDICTS)

    await published(settings, topic, joins=joins)
    async with asyncio.timeout(30):
        codecs, size, values = await in_kafka(settings, topic)

    plain = sum(len(value) for value in VALUES)
    assert codecs == {_NUMBERS[codec]}
    assert size < plain / 4 if codec != "none" else size > plain
    assert values == VALUES


@pytest.mark.apache_kafka
async def test_log_is_as_small_as_what_was_sent(
    kafka_to_crash: ApacheKafka, topic_prefix: str
) -> None:
    """Kafka keeps batches of the services' own topics as they come; the raw topic it unpacks."""
    broker = RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka")
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (RAW, EVENTS), client_id="test").start()
    sizes = {}
    for name in (RAW, EVENTS):
        topic = topic_name(topic_prefix, name)
        await published(settings, topic, joins=False)
        sizes[name] = kafka_to_crash.log_of(topic, 1).stat().st_size

    plain = sum(len(value) for value in VALUES)
    assert sizes[RAW] > plain
    assert sizes[EVENTS] < plain / 4


@pytest.mark.apache_kafka
async def test_what_a_record_may_be_is_said_unpacked_or_packed(
    kafka_to_crash: ApacheKafka, topic_prefix: str
) -> None:
    """The raw topic holds a record to its size in memory; the others to what is sent of it."""
    broker = RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka")
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (RAW, EVENTS), client_id="test").start()
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    above = bytes(2**20 + 1)
    try:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.publish([OutgoingRecord(topic_name(topic_prefix, RAW), above, None, 0)])
        await producer.publish([OutgoingRecord(topic_name(topic_prefix, EVENTS), above, None, 0)])
    finally:
        await producer.stop()
