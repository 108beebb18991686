"""Bare aiokafka clients: the most that Python on Kafka can do.

    python -m bench.pipeline.clients.bare consume|pass <group>

`consume` takes batches and drops them. `pass` publishes every batch unchanged, one prepared batch
for each partition, to the same partitions of another topic, waits for the confirmations, commits.
"""

import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from bench.pipeline.batches import send_in_batches
from purposewatch_contract import EVENTS, VERDICTS, topic_name
from purposewatch_runtime.kafka import build_producer
from purposewatch_runtime.settings import KafkaSettings

_MILLISECONDS_BETWEEN_COMMITS = 20


async def consume(settings: KafkaSettings, group: str) -> None:
    """Take everything and do nothing with it."""
    consumer = _consumer(settings, group, commit=True)
    await consumer.start()
    while True:
        await consumer.getmany(timeout_ms=200, max_records=settings.kafka_max_batch_records)


async def pass_through(settings: KafkaSettings, group: str) -> None:
    """Take batches and publish them, each confirmed before its offsets are committed."""
    consumer = _consumer(settings, group, commit=False)
    producer = build_producer(settings, client_id="bench")
    await producer.start()
    await consumer.start()
    target = topic_name(settings.topic_prefix, VERDICTS)
    while True:
        taken = await consumer.getmany(timeout_ms=200, max_records=settings.kafka_max_batch_records)
        if taken:
            await _publish(producer, target, taken)
            await consumer.commit(
                {place: records[-1].offset + 1 for place, records in taken.items()}
            )


async def _publish(
    producer: AIOKafkaProducer,
    topic: str,
    taken: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]],
) -> None:
    await send_in_batches(producer, topic, {at.partition: own for at, own in taken.items()})


def _consumer(settings: KafkaSettings, group: str, *, commit: bool) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic_name(settings.topic_prefix, EVENTS),
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=commit,
        auto_commit_interval_ms=_MILLISECONDS_BETWEEN_COMMITS,
        fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
    )


if __name__ == "__main__":
    uvloop.run(
        {"consume": consume, "pass": pass_through}[sys.argv[1]](KafkaSettings(), sys.argv[2])
    )
