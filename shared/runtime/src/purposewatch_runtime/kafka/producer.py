"""Publish records and know that they arrived."""

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from purposewatch_runtime.kafka.connection import MAX_REQUEST_BYTES, build_producer
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service.probes import Check
from purposewatch_runtime.settings import KafkaSettings

_CONFIRMATION_FRESH_SECONDS = 10.0
_DISCARD_SECONDS = 5.0
_NO_PARTITION = "Unrecognized partition"
"""What aiokafka asserts with; `tests/integration/test_provisioning.py` notices a change."""

_log = get_logger(__name__)


class NoSuchPartitionError(Exception):
    """A topic has fewer partitions than those it must have as many as."""


class OutgoingRecord(msgspec.Struct, frozen=True, gc=False):
    """A record to publish. Without a partition, the key decides."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    joins: bool = False
    """Travels with records of other calls where it can, and without the order that `publish`
    promises. For many calls at once with few records each."""


class AcknowledgedProducer:
    """Publishes with acks=all; `publish` returns only after every record has been confirmed."""

    name = "kafka producer"

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._running = False
        self._connecting = asyncio.Lock()
        self._confirmed_at = 0.0
        # Of all that wait in the client for the same partition, each round takes one, and charges
        # the others all the time since they came: many at once would time out within a second.
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
        """Flush what is on its way, then disconnect."""
        self._running = False
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Send in the given order and wait for all confirmations.

        INVARIANT: of the records that name their partition and join no others, none is sent
        before all that come before it in that partition are confirmed, but for those of its own
        batch, which arrive together or not at all. So nothing is missing before what has arrived.

        Raises the first error; then any of the records may or may not have arrived, and the
        caller must treat all of them as not published.
        """
        producer = await self._connected()
        batches = _prepare(producer, records)
        confirmations: list[asyncio.Future[object]] = []
        try:
            for record in records:
                if record.partition is None or record.joins:
                    confirmations.append(await _send(producer, record))  # noqa: PERF401 - see below
            while batches:
                for (topic, partition), waiting in list(batches.items()):
                    async with self._turns[topic, partition]:
                        batch = waiting.popleft()
                        with _named(topic, partition):
                            sent = await producer.send_batch(batch, topic, partition=partition)
                    confirmations.append(sent)
                    if not waiting:
                        del batches[topic, partition]
                await asyncio.gather(*confirmations)
            await asyncio.gather(*confirmations)
        except Exception as error:
            # those that are on their way already may still arrive
            await asyncio.gather(*confirmations, return_exceptions=True)
            # a full queue in the client says nothing against the client
            if not (getattr(error, "retriable", False) or isinstance(error, KafkaTimeoutError)):
                await self._discard(producer, error)
            raise
        self._confirmed_at = time.monotonic()

    async def ready(self) -> Check:
        """Whether records can be published: one was confirmed lately, or the cluster answers."""
        if not self._running:
            return Check(ok=False, detail="not connected")
        if time.monotonic() - self._confirmed_at < _CONFIRMATION_FRESH_SECONDS:
            return Check(ok=True, detail="confirmed lately")
        try:
            async with asyncio.timeout(2):
                producer = await self._connected()
                answered = await producer.client.force_metadata_update()
        except Exception as error:  # noqa: BLE001 - any failure means «not now»
            return Check(ok=False, detail=f"no answer from Kafka ({type(error).__name__})")
        if not answered:
            return Check(ok=False, detail="no answer from Kafka")
        return Check(ok=True, detail="the cluster answers")

    async def _connected(self) -> AIOKafkaProducer:
        """The producer; a new one when the last one was discarded and the part still runs."""
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
        """Let go of a producer after an error that it may never recover from by itself.

        An idempotent producer that was fenced or lost its sequence refuses every later record.
        The next `publish` connects anew, and the one after that if Kafka is away meanwhile.
        """
        is_current = self._producer is broken
        if not is_current:  # another `publish` was quicker
            return
        self._producer = None
        _log.warning("producer is being replaced", error=type(error).__name__)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_DISCARD_SECONDS):
                await broken.stop()


def _prepare(
    producer: AIOKafkaProducer, records: Sequence[OutgoingRecord]
) -> dict[tuple[str, int], deque[BatchBuilder]]:
    """The records that name their partition, in batches as they go out: several times as fast."""
    batches: dict[tuple[str, int], deque[BatchBuilder]] = {}
    now_ms = int(time.time() * 1000)
    seen: object = None
    headers: list[tuple[str, bytes]] = []
    for record in records:
        if record.partition is None or record.joins:
            continue
        place = (record.topic, record.partition)
        waiting = batches.get(place)
        if waiting is None:
            waiting = batches[place] = deque((producer.create_batch(),))
        if record.headers is not seen:  # most records have the very same ones
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
        waiting[-1].close()  # not kept back for more to come; the full ones are closed already
    return batches


async def _send(producer: AIOKafkaProducer, record: OutgoingRecord) -> asyncio.Future[object]:
    with _named(record.topic, record.partition):
        confirmation: asyncio.Future[object] = await producer.send(
            record.topic,
            record.value,
            key=record.key,
            partition=record.partition,
            headers=list(record.headers) or None,
        )
    return confirmation


@contextlib.contextmanager
def _named(topic: str, partition: int | None) -> Iterator[None]:
    """Say what is wrong where aiokafka only asserts that the partition is there."""
    try:
        yield
    except AssertionError as error:
        if str(error) != _NO_PARTITION:
            raise
        message = (
            f"`{topic}` has no partition {partition}; give it as many partitions as the topics "
            "beside it (PURPOSEWATCH_TOPIC_PARTITIONS)"
        )
        raise NoSuchPartitionError(message) from None
