"""Publish records and wait until they are acknowledged."""

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from purposewatch_runtime.kafka.access import refused
from purposewatch_runtime.kafka.aiokafka_internals import is_unknown_partition
from purposewatch_runtime.kafka.connection import MAX_REQUEST_BYTES, build_producer
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service.probes import Check
from purposewatch_runtime.settings import KafkaSettings

_ACKNOWLEDGED_FRESH_SECONDS = 10.0
_DISCARD_SECONDS = 5.0

_log = get_logger(__name__)


class NoSuchPartitionError(Exception):
    """A topic has fewer partitions than the topics that must have as many."""


class OutgoingRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to publish. Without a partition, the key decides."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    joins: bool = False
    """Sent with records of other calls where possible, and without the order that `publish`
    guarantees. For many concurrent calls with few records each."""


class Tombstone(msgspec.Struct, frozen=True, gc=False):
    """Removes the records with a key from a partition of a compacted topic."""

    topic: str
    key: bytes
    partition: int

    value: None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    joins: bool = False


Sign: TypeAlias = Callable[
    [Sequence[OutgoingRecord | Tombstone]], Sequence[OutgoingRecord | Tombstone]
]


class AcknowledgedProducer:
    """Publishes with acks=all; `publish` returns once every record is acknowledged."""

    name = "kafka producer"

    def __init__(
        self, settings: KafkaSettings, *, client_id: str, sign: Sign | None = None
    ) -> None:
        """`sign` adds signatures to what is published."""
        self._settings = settings
        self._sign = sign
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._running = False
        self._connecting = asyncio.Lock()
        self._acknowledged_at = 0.0
        # aiokafka sends one waiting batch of a partition at a time, and counts the time that the
        # others wait against their timeout: many at once would time out within a second.
        self._turns: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Connect."""
        async with self._connecting:
            await self._connect()
        self._running = True

    async def _connect(self) -> None:
        producer = build_producer(self._settings, client_id=self._client_id)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Flush, then disconnect."""
        self._running = False
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def publish(self, records: Sequence[OutgoingRecord | Tombstone]) -> None:
        """Send in the given order and wait until all records are acknowledged.

        INVARIANT: a record that names its partition and does not join others is sent only once all
        records before it in that partition are acknowledged, except those of its own batch, which
        arrive together or not at all. So a partition has no gaps.

        Raises the first error; then any of the records may have arrived, and the caller must treat
        all of them as not published.
        """
        producer = await self._connected()
        if self._sign is not None:
            records = self._sign(records)
        batches = _prepare(producer, records)
        pending: list[asyncio.Future[object]] = []
        try:
            for record in records:
                if record.partition is None or record.joins:
                    pending.append(await _send(producer, record))  # noqa: PERF401 - see below
            while batches:
                for (topic, partition), waiting in list(batches.items()):
                    async with self._turns[topic, partition]:
                        batch = waiting.popleft()
                        with _named(topic, partition):
                            sent = await producer.send_batch(batch, topic, partition=partition)
                    pending.append(sent)
                    if not waiting:
                        del batches[topic, partition]
                await asyncio.gather(*pending)
            await asyncio.gather(*pending)
        except Exception as error:
            # records that were sent may still arrive
            await asyncio.gather(*pending, return_exceptions=True)
            # a full queue in the client does not mean that the client is broken
            if not (getattr(error, "retriable", False) or isinstance(error, KafkaTimeoutError)):
                await self._discard(producer, error)
            if isinstance(error, TopicAuthorizationFailedError):
                raise refused(self._settings, "WRITE", *map(str, error.args)) from error
            raise
        self._acknowledged_at = time.monotonic()

    async def ready(self) -> Check:
        """Whether records can be published: one was just acknowledged, or the cluster answers."""
        if not self._running:
            return Check(ok=False, detail="not connected")
        if time.monotonic() - self._acknowledged_at < _ACKNOWLEDGED_FRESH_SECONDS:
            return Check(ok=True, detail="acknowledged recently")
        try:
            async with asyncio.timeout(2):
                producer = await self._connected()
                answered = await producer.client.force_metadata_update()
        except Exception as error:  # noqa: BLE001 - any failure means `not ready`
            return Check(ok=False, detail=f"no answer from Kafka ({type(error).__name__})")
        if not answered:
            return Check(ok=False, detail="no answer from Kafka")
        return Check(ok=True, detail="the cluster answers")

    async def _connected(self) -> AIOKafkaProducer:
        """The producer; a new one when the last one was discarded and this component still runs."""
        if self._is_missing():
            async with self._connecting:
                if self._is_missing():
                    await self._connect()
        if self._producer is None:
            message = "the producer is not connected; try again later"
            raise ConnectionError(message)
        return self._producer

    def _is_missing(self) -> bool:
        return self._running and self._producer is None

    async def _discard(self, broken: AIOKafkaProducer, error: Exception) -> None:
        """Discard a producer after an error from which it may never recover.

        An idempotent producer that was fenced or lost its sequence refuses every later record.
        The next `publish` connects again, or the one after that if Kafka is unavailable.
        """
        is_current = self._producer is broken
        if not is_current:  # another `publish` discarded it
            return
        self._producer = None
        _log.warning("producer replaced", error=type(error).__name__)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_DISCARD_SECONDS):
                await broken.stop()


def _prepare(
    producer: AIOKafkaProducer, records: Sequence[OutgoingRecord | Tombstone]
) -> dict[tuple[str, int], deque[BatchBuilder]]:
    """Return the records that name their partition, in batches: several times as fast as `send`."""
    batches: dict[tuple[str, int], deque[BatchBuilder]] = {}
    now_ms = int(time.time() * 1000)
    seen: object = None
    headers: list[tuple[str, bytes]] = []
    for record in records:
        if record.partition is None or record.joins:
            continue
        target = (record.topic, record.partition)
        waiting = batches.get(target)
        if waiting is None:
            waiting = batches[target] = deque((producer.create_batch(),))
        if record.headers is not seen:  # most records share one tuple
            seen, headers = record.headers, list(record.headers)
        key, value = record.key, record.value
        if waiting[-1].append(timestamp=now_ms, key=key, value=value, headers=headers) is None:
            waiting.append(producer.create_batch())  # an empty batch takes any size
            waiting[-1].append(timestamp=now_ms, key=key, value=value, headers=headers)
    for waiting in batches.values():
        if any(batch.size() > MAX_REQUEST_BYTES for batch in waiting):
            message = (
                f"a record is larger than {MAX_REQUEST_BYTES} bytes, the most that can be sent"
            )
            raise MessageSizeTooLargeError(message)
        waiting[-1].close()  # sent without waiting for more; full batches are closed already
    return batches


async def _send(
    producer: AIOKafkaProducer, record: OutgoingRecord | Tombstone
) -> asyncio.Future[object]:
    with _named(record.topic, record.partition):
        pending: asyncio.Future[object] = await producer.send(
            record.topic,
            record.value,
            key=record.key,
            partition=record.partition,
            headers=list(record.headers) or None,
        )
    return pending


@contextlib.contextmanager
def _named(topic: str, partition: int | None) -> Iterator[None]:
    """Say what is wrong where aiokafka only asserts that the partition exists."""
    try:
        yield
    except AssertionError as error:
        if not is_unknown_partition(error):
            raise
        message = (
            f"`{topic}` has no partition {partition}; give it as many partitions as the topics "
            "beside it (PURPOSEWATCH_TOPIC_PARTITIONS)"
        )
        raise NoSuchPartitionError(message) from None
