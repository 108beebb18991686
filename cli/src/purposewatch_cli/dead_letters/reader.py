"""Read the topics of the dead letters and their dispositions, from the beginning to the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from purposewatch_cli.dead_letters.letters import Dispositions, Letter, LetterPosition
from purposewatch_contract import DEAD_LETTERS, DISPOSITIONS, DeadLetter, Disposition, topic_name
from purposewatch_runtime.kafka import build_admin, build_reader
from purposewatch_runtime.settings import KafkaSettings, LogSettings

CLIENT_ID = "purposewatch-cli"
_ANSWER_SECONDS = 15.0
_POLL_MS = 200
_AT_ONCE = 100  # fetches are compressed, and dead letters may be large


class DeadLetterSettings(KafkaSettings, LogSettings):
    """The services' settings for Kafka; only warnings are logged."""

    log_level: str = "warning"  # type: ignore[assignment]


class UnusableError(Exception):
    """Kafka or a topic is not available; the message says what to do."""


class DeadLetterReader:
    """Reads the dead letters of one installation."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self.topic = topic_name(settings.topic_prefix, DEAD_LETTERS)
        self.unreadable = 0
        """Records so far that are not dead letters."""

    async def letters(self) -> AsyncIterator[Letter]:
        """Every dead letter that exists at the start, in order per partition."""
        partitions = await _partitions(self._settings, self.topic)
        if not partitions:
            message = f"there is no topic `{self.topic}`; is PURPOSEWATCH_TOPIC_PREFIX right?"
            raise UnusableError(message)
        dispositions = await self._dispositions()
        async for record in _records(self._settings, self.topic, partitions):
            position = LetterPosition(record.partition, record.offset)
            try:
                content = DeadLetter.model_validate_json(record.value or b"")
            except ValidationError:
                self.unreadable += 1
                continue
            done = dispositions.get(position)
            # the topic may have been created again since, with the same offsets
            if done is not None and done.time < content.failed_time:
                done = None
            yield Letter(position, content, done)

    async def find(self, positions: Iterable[LetterPosition]) -> list[Letter]:
        """The letters at these positions, in order; raises `UnusableError` if one is missing."""
        wanted = list(dict.fromkeys(positions))
        found = {
            letter.position: letter async for letter in self.letters() if letter.position in wanted
        }
        missing = [str(position) for position in wanted if position not in found]
        if missing:
            message = f"no dead letter at {', '.join(missing)}; `list --all` shows what there is"
            raise UnusableError(message)
        return [found[position] for position in wanted]

    async def _dispositions(self) -> Dispositions:
        topic = topic_name(self._settings.topic_prefix, DISPOSITIONS)
        partitions = await _partitions(self._settings, topic)
        latest: dict[LetterPosition, Disposition] = {}
        async for record in _records(self._settings, topic, partitions):
            try:
                one = Disposition.model_validate_json(record.value or b"")
            except ValidationError:
                continue
            latest[LetterPosition(one.letter.partition, one.letter.offset)] = one
        return latest


@asynccontextmanager
async def answering(settings: KafkaSettings) -> AsyncIterator[None]:
    """Turn the errors of Kafka's clients into one sentence."""
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        message = (
            f"no Kafka answers at `{settings.kafka_bootstrap_servers}` ({type(error).__name__}); "
            "correct PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS and the settings beside it"
        )
        raise UnusableError(message) from error


async def _partitions(settings: KafkaSettings, topic: str) -> Sequence[int]:
    """The topic's partitions; none if it does not exist."""
    admin = build_admin(settings, client_id=CLIENT_ID)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await admin.start()
            # INVARIANT: never ask for a topic that may not exist. Some brokers create it.
            if topic not in await admin.list_topics():
                return ()
            [found] = await admin.describe_topics([topic])
            return sorted(partition["partition"] for partition in found["partitions"])
    finally:
        await admin.close()


async def _records(
    settings: KafkaSettings, topic: str, partitions: Sequence[int]
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Every record of the partitions up to their current end."""
    if not partitions:
        return
    positions = [TopicPartition(topic, number) for number in partitions]
    consumer = build_reader(settings, client_id=CLIENT_ID)
    consumer.assign(positions)
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = {}
        answered = time.monotonic()
        while time.monotonic() - answered < _ANSWER_SECONDS:
            fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
            for position in positions:
                end = consumer.highwater(position)
                if end is not None:
                    ends.setdefault(position, end)
            for records in fetched.values():
                for record in records:
                    yield record
                answered = time.monotonic()
            if len(ends) == len(positions) and await _is_through(consumer, ends):
                return
        raise TimeoutError
    finally:
        await consumer.stop()


async def _is_through(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for position, end in ends.items():
        if await consumer.position(position) < end:
            return False
    return True
