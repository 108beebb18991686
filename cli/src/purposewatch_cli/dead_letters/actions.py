"""Replay or drop dead letters, and record what was done."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from purposewatch_cli.dead_letters.letters import Letter
from purposewatch_cli.kafka import CLIENT_ID
from purposewatch_contract import (
    DEAD_LETTERS,
    DISPOSITIONS,
    EVENTS,
    RAW,
    REPLAY_HEADER,
    DeadLetter,
    DeadLetterAction,
    Disposition,
    ErrorClass,
    Position,
    topic_name,
)
from purposewatch_runtime.kafka import (
    KafkaAccessError,
    OutgoingRecord,
    TopicProvisioner,
    build_producer,
    refused,
)
from purposewatch_runtime.settings import KafkaSettings
from purposewatch_runtime.signing import SIGNATURE_HEADER, load_signer

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer
    from aiokafka.structs import RecordMetadata

_ACKNOWLEDGE_SECONDS = 30.0
_MAX_REASON = 2_000
_JSON = [("content-type", b"application/json")]


class NotReplayableError(Exception):
    """This dead letter can't be replayed, others may be; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done with one dead letter."""

    letter: Letter
    act: DeadLetterAction | None
    """`None` if nothing was done."""
    result: Position | None = None
    problem: str | None = None


class DeadLetterActions:
    """Replays and drops dead letters, one after the other.

    INVARIANT: an action is recorded only after Kafka has acknowledged what it produced. If the
    process is killed in between, the dead letter stays open and can be replayed again. That is
    harmless, because an event id is recorded once.
    """

    def __init__(
        self, settings: KafkaSettings, *, author: str, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._author = author
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        key_file = settings.kafka_signing_key_file
        self._signer = None if key_file is None else load_signer(key_file)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Connect, and create the topic of dispositions if it does not exist."""
        await TopicProvisioner(self._settings, (DISPOSITIONS,), client_id=CLIENT_ID).start()
        self._producer = build_producer(self._settings, client_id=CLIENT_ID)
        await self._producer.start()
        try:
            yield self
        finally:
            await self._producer.stop()

    async def replay(self, letters: Iterable[Letter], *, reinsert: bool) -> AsyncIterator[Done]:
        """Produce the original records again.

        With `reinsert`, what can't be replayed becomes a new dead letter. Raises `KafkaError` or
        `TimeoutError` if Kafka is unavailable.
        """
        for letter in letters:
            try:
                check_replayable(letter.content, self._settings)
                result = await self._produce_original(letter)
            except NotReplayableError as error:
                if reinsert:
                    yield await self._reinsert(letter, str(error))
                else:
                    yield Done(letter, None, problem=str(error))
                continue
            await self._record_action(letter, DeadLetterAction.REPLAYED, result=result)
            yield Done(letter, DeadLetterAction.REPLAYED, result)

    async def drop(self, letters: Iterable[Letter], *, reason: str) -> AsyncIterator[Done]:
        """Mark dead letters as not worth replaying; they stay until their retention ends."""
        for letter in letters:
            await self._record_action(letter, DeadLetterAction.DROPPED, reason=reason)
            yield Done(letter, DeadLetterAction.DROPPED)

    async def _produce_original(self, letter: Letter) -> Position:
        headers = [
            (header.name, header.value)
            for header in letter.content.headers
            if header.name != REPLAY_HEADER
        ]
        marked = [*headers, (REPLAY_HEADER, str(letter.position).encode())]
        try:
            return await self._original(letter.content, marked)
        except NotReplayableError:
            # the header may be what makes it too large
            return await self._original(letter.content, headers)

    async def _original(
        self, content: DeadLetter, headers: list[tuple[str, bytes | None]]
    ) -> Position:
        origin = content.position
        try:
            await self._check_partition(origin)
            return await self._send(
                origin.topic,
                content.value,
                key=content.key,
                partition=origin.partition,
                headers=headers,
            )
        except (KafkaAccessError, TopicAuthorizationFailedError) as error:
            raise NotReplayableError(str(refused(self._settings, "WRITE", origin.topic))) from error
        except KafkaError as error:
            if getattr(error, "retriable", False):
                raise
            message = f"`{origin.topic}` does not take the record ({type(error).__name__})"
            raise NotReplayableError(message) from error

    async def _check_partition(self, origin: Position) -> None:
        # the client has no error for this, only an assertion
        assert self._producer is not None, "call `open` first"  # noqa: S101
        async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
            partitions = await self._producer.partitions_for(origin.topic)
        if origin.partition not in partitions:
            message = f"`{origin.topic}` no longer has partition {origin.partition}"
            raise NotReplayableError(message)

    async def _reinsert(self, letter: Letter, problem: str) -> Done:
        reason = f"not replayed: {problem}; before: {letter.content.reason}"[:_MAX_REASON]
        fresh = letter.content.model_copy(update={"reason": reason, "failed_time": self._clock()})
        topic = topic_name(self._settings.topic_prefix, DEAD_LETTERS)
        value, partition = fresh.model_dump_json().encode(), letter.position.partition
        headers = list(_JSON)
        if self._signer is not None:
            [signature] = self._signer.headers([OutgoingRecord(topic, value, None, partition)])
            headers.append((SIGNATURE_HEADER, signature))
        result = await self._send(topic, value, partition=partition, headers=headers)
        await self._record_action(
            letter, DeadLetterAction.REINSERTED, reason=problem, result=result
        )
        return Done(letter, DeadLetterAction.REINSERTED, result, problem)

    async def _record_action(
        self,
        letter: Letter,
        act: DeadLetterAction,
        *,
        reason: str | None = None,
        result: Position | None = None,
    ) -> None:
        prefix = self._settings.topic_prefix
        position = letter.position
        disposition = Disposition(
            letter=Position(
                topic=topic_name(prefix, DEAD_LETTERS),
                partition=position.partition,
                offset=position.offset,
            ),
            act=act,
            author=self._author,
            reason=reason,
            time=self._clock(),
            result=result,
        )
        await self._send(
            topic_name(prefix, DISPOSITIONS),
            disposition.model_dump_json().encode(),
            key=str(position).encode(),
            partition=position.partition,
            headers=_JSON,
        )

    async def _send(
        self,
        topic: str,
        value: bytes | None,
        *,
        partition: int,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | list[tuple[str, bytes | None]],
    ) -> Position:
        assert self._producer is not None, "call `open` first"  # noqa: S101
        try:
            async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
                sent: RecordMetadata = await self._producer.send_and_wait(
                    topic, value, key=key, partition=partition, headers=headers
                )
        except TopicAuthorizationFailedError as error:
            raise refused(self._settings, "WRITE", topic) from error
        return Position(topic=sent.topic, partition=sent.partition, offset=sent.offset)


def check_replayable(content: DeadLetter, settings: KafkaSettings) -> None:
    """Raise `NotReplayableError` if the original is missing or its topic is not ours."""
    origin = content.position
    mine = [topic_name(settings.topic_prefix, name) for name in (RAW, EVENTS)]
    if origin.topic not in mine:
        message = f"it comes from `{origin.topic}`; only {' and '.join(mine)} are replayed to"
        raise NotReplayableError(message)
    if content.error_class is ErrorClass.TOO_LARGE and content.value is None:
        message = (
            f"it was too large to be kept; the original is at offset {origin.offset} of "
            f"partition {origin.partition} of `{origin.topic}`"
        )
        raise NotReplayableError(message)
    if content.key is None and content.value is None:
        message = "it has neither key nor value; there is nothing to replay, `drop` it"
        raise NotReplayableError(message)
    if content.error_class is ErrorClass.UNDECODABLE:
        message = "it could not be decoded, so it can't be produced as it was; ask its sender"
        raise NotReplayableError(message)
