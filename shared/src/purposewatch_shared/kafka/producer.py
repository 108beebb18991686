"""Publish records and know that they arrived."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from purposewatch_shared.health import Check
from purposewatch_shared.kafka.connection import build_producer
from purposewatch_shared.logs import get_logger
from purposewatch_shared.settings import KafkaSettings

_CONFIRMATION_FRESH_SECONDS = 10.0
_DISCARD_SECONDS = 5.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to publish. Without a partition, the key decides."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = field(default=())


class ConfirmedProducer:
    """Publishes with acks=all; `publish` returns only after every record has been confirmed."""

    name = "kafka producer"

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._running = False
        self._connecting = asyncio.Lock()
        self._confirmed_at = 0.0

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

        Raises the first error; then any of the records may or may not have arrived, in any
        combination, and the caller must treat all of them as not published.
        """
        producer = await self._connected()
        confirmations = []
        try:
            for record in records:
                confirmations.append(  # noqa: PERF401 - those already sent matter when one fails
                    await producer.send(
                        record.topic,
                        record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=list(record.headers) or None,
                    )
                )
            await asyncio.gather(*confirmations)
        except Exception as error:
            await asyncio.gather(*confirmations, return_exceptions=True)
            if not getattr(error, "retriable", False):
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
