"""What Purposewatch relies on a broker for, checked on each broker that it is tested with."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aiokafka import ConsumerRecord

    from tests.harness.apache_kafka import ApacheKafka
    from tests.harness.broker import RunningBroker

_MEMBER = Path(__file__).with_name("group_member.py")
_GROUP: dict[str, Any] = {"session_timeout_ms": 2000, "heartbeat_interval_ms": 500}
_LARGEST = 2 * 1024 * 1024


async def create_topic(servers: str, topic: str, partitions: int = 1) -> None:
    """Create a topic that takes large messages."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        declared = NewTopic(
            topic, partitions, 1, topic_configs={"max.message.bytes": str(_LARGEST)}
        )
        answer = await admin.create_topics([declared])
        assert [error["error_code"] for error in answer.to_object()["topic_errors"]] == [0]
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def producer(servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a producer that waits for all replicas."""
    started = AIOKafkaProducer(bootstrap_servers=servers, acks="all", max_request_size=_LARGEST)
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


@contextlib.asynccontextmanager
async def consumer(
    servers: str, *topics: str, partitions: Sequence[TopicPartition] = (), **settings: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer of topics or of partitions that starts at their beginning."""
    settings = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": 10, **settings}
    started = AIOKafkaConsumer(
        *topics, bootstrap_servers=servers, enable_auto_commit=False, **settings
    )
    if partitions:
        started.assign(list(partitions))
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


async def read(started: AIOKafkaConsumer, count: int, patience: float = 20.0) -> list[Any]:
    """Return the next `count` records."""
    records: list[ConsumerRecord[bytes | None, bytes | None]] = []
    async with asyncio.timeout(patience):
        while len(records) < count:
            fetched = await started.getmany(timeout_ms=100, max_records=count - len(records))
            records += [record for batch in fetched.values() for record in batch]
    return records


async def test_a_partition_gives_back_what_was_produced_to_it_in_order(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """Keys, values, headers and timestamps come back from the chosen partition, in order."""
    topic = f"{topic_prefix}.events"
    await create_topic(broker.bootstrap_servers, topic, partitions=3)
    produced = [
        (
            f"key-{n}".encode(),
            f"value-{n}".encode(),
            (("n", str(n).encode()),),
            1_700_000_000_000 + n,
        )
        for n in range(200)
    ]
    async with producer(broker.bootstrap_servers) as out:
        sent = [
            await out.send(
                topic, value, key=key, partition=2, timestamp_ms=timestamp, headers=list(headers)
            )
            for key, value, headers, timestamp in produced
        ]
        confirmed = [await future for future in sent]

    async with consumer(
        broker.bootstrap_servers, partitions=[TopicPartition(topic, 2)]
    ) as incoming:
        records = await read(incoming, len(produced))

    assert list(range(200)) == [metadata.offset for metadata in confirmed]
    assert list(range(200)) == [record.offset for record in records]
    assert produced == [
        (record.key, record.value, tuple(record.headers), record.timestamp) for record in records
    ]


async def test_a_null_value_stays_null(broker: RunningBroker, topic_prefix: str) -> None:
    """A record with a key and no value comes back with no value, not with an empty one."""
    topic = f"{topic_prefix}.events"
    await create_topic(broker.bootstrap_servers, topic)
    async with producer(broker.bootstrap_servers) as out:
        await out.send_and_wait(topic, None, key=b"gone")
        await out.send_and_wait(topic, b"", key=b"empty")

    async with consumer(broker.bootstrap_servers, topic) as incoming:
        records = await read(incoming, 2)

    assert [(r.key, r.value) for r in records] == [(b"gone", None), (b"empty", b"")]


async def test_a_message_of_one_and_a_half_megabytes_passes(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """A topic declared for large messages takes one, and gives it back unharmed."""
    topic = f"{topic_prefix}.dead-letters"
    await create_topic(broker.bootstrap_servers, topic)
    large = bytes(range(256)) * 6000
    async with producer(broker.bootstrap_servers) as out:
        await out.send_and_wait(topic, large)

    async with consumer(broker.bootstrap_servers, topic) as incoming:
        [record] = await read(incoming, 1)

    assert large == record.value


async def test_committed_offsets_survive_their_consumer(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """The next member of a group goes on where the last one committed, not where it had read."""
    topic, group = f"{topic_prefix}.events", f"{topic_prefix}.group"
    await create_topic(broker.bootstrap_servers, topic)
    async with producer(broker.bootstrap_servers) as out:
        for n in range(10):
            await out.send_and_wait(topic, str(n).encode())

    async with consumer(broker.bootstrap_servers, topic, group_id=group, **_GROUP) as first:
        await read(first, 6)
        await first.commit({TopicPartition(topic, 0): 4})
    async with consumer(broker.bootstrap_servers, topic, group_id=group, **_GROUP) as second:
        records = await read(second, 6)

    assert [record.value for record in records] == [b"4", b"5", b"6", b"7", b"8", b"9"]


async def test_the_high_watermark_of_a_fetch_is_the_next_offset(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """Idle, growing and empty partitions tell their next offset through a fetch at the end."""
    topic = f"{topic_prefix}.events"
    await create_topic(broker.bootstrap_servers, topic, partitions=2)
    partitions = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    seen: list[list[int | None]] = []
    async with (
        producer(broker.bootstrap_servers) as out,
        consumer(broker.bootstrap_servers, partitions=partitions) as watcher,
    ):
        for batch in (0, 500, 0, 70):
            sent = [await out.send(topic, b"x" * 500, partition=0) for _ in range(batch)]
            await asyncio.gather(*sent)
            asked = time.time() * 1000
            await watcher.seek_to_end(*partitions)
            async with asyncio.timeout(10):
                while any((watcher.last_poll_timestamp(p) or 0) < asked for p in partitions):
                    await watcher.getmany(timeout_ms=20)
            seen.append([watcher.highwater(partition) for partition in partitions])

    assert seen == [[0, 0], [500, 0], [500, 0], [570, 0]]


async def test_a_survivor_takes_over_from_a_killed_member_and_nothing_is_lost(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """Every record is read by the member that was killed or, after it, by the one that wasn't."""
    topic, group = f"{topic_prefix}.events", f"{topic_prefix}.group"
    await create_topic(broker.bootstrap_servers, topic, partitions=4)
    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_MEMBER),
        broker.bootstrap_servers,
        group,
        topic,
        stdout=asyncio.subprocess.PIPE,
    )
    assert victim.stdout is not None
    values = [f"record-{n}" for n in range(400)]
    read_by_survivor: set[str] = set()
    try:
        assert await victim.stdout.readline() == b"ready\n"
        async with (
            producer(broker.bootstrap_servers) as out,
            consumer(broker.bootstrap_servers, topic, group_id=group, **_GROUP) as survivor,
        ):
            await _until(lambda: len(survivor.assignment()) == 2)
            for n, value in enumerate(values[:200]):
                await out.send_and_wait(topic, value.encode(), partition=n % 4)
            lines = [await victim.stdout.readline() for _ in range(20)]
            victim.kill()
            lines += (await victim.stdout.read()).splitlines()
            read_by_victim = {line.split()[2].decode() for line in lines}
            for n, value in enumerate(values[200:]):
                await out.send_and_wait(topic, value.encode(), partition=n % 4)

            async with asyncio.timeout(30):
                while set(values) != read_by_victim | read_by_survivor:
                    fetched = await survivor.getmany(timeout_ms=100)
                    for records in fetched.values():
                        read_by_survivor |= {str(r.value, "utf-8") for r in records}
            assert len(survivor.assignment()) == 4
    finally:
        with contextlib.suppress(ProcessLookupError):
            victim.kill()
        await victim.wait()

    # the victim's partitions went on: the second half of the records was read by the survivor
    assert set(values[200:]) <= read_by_survivor


@pytest.mark.apache_kafka
async def test_what_was_confirmed_survives_a_crash_of_the_broker(
    kafka_to_crash: ApacheKafka, topic_prefix: str
) -> None:
    """After a SIGKILL and a restart, Apache Kafka still has the records and the offsets."""
    topic, group = f"{topic_prefix}.events", f"{topic_prefix}.group"
    servers = kafka_to_crash.bootstrap_servers
    await create_topic(servers, topic)
    async with producer(servers) as out:
        for n in range(10):
            await out.send_and_wait(topic, str(n).encode())
    async with consumer(servers, topic, group_id=group, **_GROUP) as first:
        await read(first, 5)
        await first.commit({TopicPartition(topic, 0): 5})

    kafka_to_crash.kill()
    await kafka_to_crash.restart()

    assert servers == kafka_to_crash.bootstrap_servers
    async with consumer(servers, topic, group_id=group, **_GROUP) as second:
        records = await read(second, 5)
    assert [record.value for record in records] == [b"5", b"6", b"7", b"8", b"9"]


async def _until(condition: Callable[[], bool], patience: float = 30.0) -> None:
    async with asyncio.timeout(patience):
        while not condition():
            await asyncio.sleep(0.05)
