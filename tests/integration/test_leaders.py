"""Whoever looks at logs finds out by itself that another broker leads a partition now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from purposewatch_reporter.log_observer import LogObserver
from purposewatch_runtime.kafka import build_admin, build_producer
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.apache_kafka import ApacheKafka, require_apache_kafka

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import AIOKafkaConsumer

pytestmark = pytest.mark.apache_kafka

_TOPIC = "led-by-two"
_PARTITIONS = 4


@pytest_asyncio.fixture
async def settings() -> AsyncIterator[KafkaSettings]:
    """Two brokers with a topic of which each leads a part, and as many records as partitions."""
    require_apache_kafka()
    async with ApacheKafka(2, heap_mb=256) as kafka:
        settings = KafkaSettings(
            kafka_bootstrap_servers=kafka.bootstrap_servers, topic_partitions=_PARTITIONS
        )
        admin = build_admin(settings, client_id="test")
        try:
            await admin.start()
            await admin.create_topics([NewTopic(_TOPIC, _PARTITIONS, 1)])
        finally:
            await admin.close()
        async with build_producer(settings, client_id="test") as producer:
            for partition in range(_PARTITIONS):
                await producer.send_and_wait(_TOPIC, b"record", partition=partition)
        yield settings


def _mistake_the_leaders(consumer: AIOKafkaConsumer | None) -> None:
    """Have the client believe that each broker leads what the other does."""
    assert consumer is not None
    known = consumer._client.cluster._partitions[_TOPIC]
    leaders = {partition: metadata.leader for partition, metadata in known.items()}
    assert set(leaders.values()) == {1, 2}
    for partition, leader in leaders.items():
        known[partition] = known[partition]._replace(leader=3 - leader)


async def test_the_ends_are_found_with_mistaken_leaders(settings: KafkaSettings) -> None:
    """The very next look asks for the leaders again; it doesn't go on asking the wrong broker."""
    observer = LogObserver(settings, client_id="test")
    await observer.start()
    try:
        before = await observer.ends([_TOPIC], range(_PARTITIONS))
        _mistake_the_leaders(observer._consumer)
        after = await observer.ends([_TOPIC], range(_PARTITIONS))
        _mistake_the_leaders(observer._consumer)
        start = (await observer.starts(_TOPIC, [0]))[0]
    finally:
        await observer.stop()

    assert before == after == {_TOPIC: dict.fromkeys(range(_PARTITIONS), 1)}
    assert start == 0


async def test_records_are_found_with_mistaken_leaders(settings: KafkaSettings) -> None:
    """The spans of partitions, and single records."""
    observer = LogObserver(settings, client_id="test")
    await observer.start()
    try:
        before = await observer.spans(_TOPIC, range(_PARTITIONS))
        _mistake_the_leaders(observer._consumer)
        after = await observer.spans(_TOPIC, range(_PARTITIONS))
        _mistake_the_leaders(observer._consumer)
        found = await observer.read(_TOPIC, 1, [0])
    finally:
        await observer.stop()

    assert before == after == dict.fromkeys(range(_PARTITIONS), (0, 1))
    assert TopicPartition(found[0].topic, found[0].partition) == TopicPartition(_TOPIC, 1)
