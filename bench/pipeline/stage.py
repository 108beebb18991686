"""Topics on the broker under measurement, filled before a run and removed after it."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.partitioner import DefaultPartitioner

from bench.pipeline.batches import send_in_batches
from bench.pipeline.contestant import Figure
from bench.pipeline.events import Keyed
from bench.pipeline.processes import Measured, cpu_seconds, rss_bytes
from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    FACTS,
    RAW,
    VERDICTS,
    TopicName,
    topic_name,
)
from purposewatch_runtime.kafka import TopicProvisioner, build_admin, build_producer
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.environment import variables

PARTITIONS = 6
WARM_SHARE = 0.1
"""Of the events, finished before the clock starts: connections, caches and memories are warm."""
_MEASURED_SHARE = 0.5
"""Of the events, at least so many must be measured; else the contestant gets too few."""

_ALL = list(range(PARTITIONS))
_AT_ONCE = 5_000
_POLL_SECONDS = 0.02
_STALLED_SECONDS = 120.0


class StalledError(RuntimeError):
    """A contestant makes no progress."""


class Stage:
    """One broker, and fresh topics for every run."""

    def __init__(self, bootstrap_servers: str, *, compression: str = "zstd") -> None:
        self.bootstrap_servers = bootstrap_servers
        self._compression = compression
        self._numbers = itertools.count(1)

    def environment(self, prefix: str) -> dict[str, str]:
        """Settings of every process, services and others alike."""
        return variables(
            **self.settings(prefix).model_dump(exclude_unset=True), log_level="warning"
        )

    def settings(self, prefix: str) -> KafkaSettings:
        """The same as an object."""
        return KafkaSettings.model_validate(
            {
                "kafka_bootstrap_servers": self.bootstrap_servers,
                "kafka_compression": self._compression,
                "topic_prefix": prefix,
                "topic_partitions": PARTITIONS,
                "topic_replication_factor": 1,
            }
        )

    @contextlib.asynccontextmanager
    async def topics(self) -> AsyncIterator[str]:
        """The prefix of fresh topics of every kind."""
        prefix = f"bench-{next(self._numbers)}"
        names: tuple[TopicName, ...] = (RAW, EVENTS, VERDICTS, DEAD_LETTERS, FACTS)
        settings = self.settings(prefix)
        await TopicProvisioner(settings, names, client_id="bench").start()
        try:
            yield prefix
        finally:
            async with self.admin(prefix) as admin:
                await admin.delete_topics([topic_name(prefix, name) for name in names])

    @contextlib.asynccontextmanager
    async def admin(self, prefix: str) -> AsyncIterator[AIOKafkaAdminClient]:
        """A connected admin client."""
        admin = build_admin(self.settings(prefix), client_id="bench")
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    @contextlib.asynccontextmanager
    async def producer(self, prefix: str) -> AsyncIterator[AIOKafkaProducer]:
        """A connected producer, set up as the services' own."""
        producer = build_producer(self.settings(prefix), client_id="bench")
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def fill(self, prefix: str, name: TopicName, events: Sequence[Keyed]) -> None:
        """Put the events into the topic, each in the partition that its key gives it."""
        topic = topic_name(prefix, name)
        async with self.producer(prefix) as producer:
            for start in range(0, len(events), _AT_ONCE):
                await send(producer, topic, events[start : start + _AT_ONCE])

    async def watch(
        self,
        prefix: str,
        group: str,
        events: int,
        processes: Sequence[Measured],
        *,
        name: TopicName = EVENTS,
    ) -> Figure:
        """Measure processes from warm until the group has committed so many of the events."""
        topic = topic_name(prefix, name)
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        begun: tuple[int, float, float] | None = None
        last, last_time = 0, time.perf_counter()
        async with self.admin(prefix) as admin:
            while True:
                done = await _committed(admin, group, places)
                now = time.perf_counter()
                if begun is None and done >= WARM_SHARE * events:
                    begun = (done, now, cpu_seconds(processes))
                if begun is not None and done >= events:
                    first, started, cpu = begun
                    if done - first < _MEASURED_SHARE * events:
                        message = (
                            f"`{group}` committed {first} of {events} events at once: give it more"
                        )
                        raise StalledError(message)
                    return Figure(
                        done - first,
                        now - started,
                        cpu_seconds(processes) - cpu,
                        rss_bytes(processes),
                    )
                if done > last:
                    last, last_time = done, now
                for process in processes:
                    process.check()
                if now - last_time > _STALLED_SECONDS:
                    message = f"`{group}` stands at {done} of {events} events"
                    raise StalledError(message)
                await asyncio.sleep(_POLL_SECONDS)


async def _committed(
    admin: AIOKafkaAdminClient, group: str, places: Sequence[TopicPartition]
) -> int:
    try:
        committed = await admin.list_consumer_group_offsets(group, partitions=list(places))
    except GroupCoordinatorNotAvailableError:
        return 0  # the broker has yet to make the topic that groups are kept in
    return sum(max(0, each.offset) for each in committed.values())


def partition_of(key: bytes) -> int:
    """The partition of an event with this key, as even as the choice of ingest."""
    partition: int = DefaultPartitioner()(key, _ALL, _ALL)
    return partition


async def send(producer: AIOKafkaProducer, topic: str, events: Sequence[Keyed]) -> None:
    """Publish events, a subject's in one partition, and wait."""
    by_partition: dict[int, list[Keyed]] = defaultdict(list)
    for event in events:
        by_partition[partition_of(event.key)].append(event)
    await send_in_batches(producer, topic, by_partition)
