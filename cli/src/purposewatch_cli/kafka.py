"""Run a command on Kafka, and read topics from their beginning to their present end."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError

from purposewatch_cli.terminal import errors_console, printable
from purposewatch_contract import TopicName, topic_name
from purposewatch_runtime.kafka import (
    KafkaAccessError,
    build_admin,
    build_reader,
    principal,
    refused,
    refused_connection,
)
from purposewatch_runtime.logs import configure_logs
from purposewatch_runtime.service import FatalError
from purposewatch_runtime.settings import KafkaSettings, LogSettings, load_settings

CLIENT_ID = "purposewatch-cli"
UNUSABLE = 2
"""Exit status if a command could not start, or Kafka became unavailable."""

_ANSWER_SECONDS = 15.0
_POLL_MS = 200


class CommandSettings(KafkaSettings, LogSettings):
    """The services' settings for Kafka; only warnings are logged."""

    log_level: str = "warning"  # type: ignore[assignment]


class UnusableError(Exception):
    """Kafka or a topic is not available; the message says what to do."""


def run_on_kafka(command: Callable[[KafkaSettings], Coroutine[Any, Any, int]]) -> NoReturn:
    """Run a command with the settings of the environment, and end with its exit status."""
    settings = load_settings(CommandSettings)
    configure_logs(settings, service="cli")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # errors are reported in one line

    async def connected() -> int:
        async with _answering(settings):
            return await command(settings)

    try:
        status = asyncio.run(connected())
    except (UnusableError, FatalError) as error:
        fail(str(error))
    raise typer.Exit(status)


def fail(message: str) -> NoReturn:
    """Say why the command is of no use, and end it."""
    say(message)
    raise typer.Exit(UNUSABLE)


def say(message: str) -> None:
    """Print a message beside the output."""
    errors_console().print(printable(message, 2_000), soft_wrap=True)


@asynccontextmanager
async def _answering(settings: KafkaSettings) -> AsyncIterator[None]:
    """Turn the errors of Kafka's clients into one sentence."""
    try:
        yield
    except KafkaAccessError as error:
        raise UnusableError(str(error)) from error
    except TopicAuthorizationFailedError as error:
        raise UnusableError(str(refused(settings, "READ", *map(str, error.args)))) from error
    except (KafkaError, OSError, TimeoutError) as error:
        if isinstance(error, KafkaConnectionError) and (
            found := await refused_connection(settings, client_id=CLIENT_ID)
        ):
            raise UnusableError(str(found)) from error
        message = (
            f"no Kafka answers at `{settings.kafka_bootstrap_servers}` ({type(error).__name__}); "
            "correct PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS and the settings beside it"
        )
        raise UnusableError(message) from error


class TopicReader:
    """Reads one topic of an installation."""

    def __init__(self, settings: KafkaSettings, name: TopicName, *, at_once: int) -> None:
        """`at_once` records are kept in memory at a time; fetches are compressed."""
        self._settings = settings
        self._at_once = at_once
        self.topic = topic_name(settings.topic_prefix, name)

    async def required(
        self, *, last: int | None = None
    ) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
        """See `records`; raises `UnusableError` if there is no such topic."""
        if not await self._partitions():
            known = "there is no topic"
            if self._settings.kafka_security_protocol != "PLAINTEXT":
                known = f"{principal(self._settings)} sees no topic"
            message = f"{known} `{self.topic}`; is PURPOSEWATCH_TOPIC_PREFIX right?"
            raise UnusableError(message)
        async for record in self.records(last=last):
            yield record

    async def records(
        self, *, last: int | None = None
    ) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
        """Every record up to the end that the topic has when it is first seen.

        In order per partition; none if there is no such topic. `last`: only about the last so many
        of each partition.
        """
        partitions = await self._partitions()
        if not partitions:
            return
        positions = [TopicPartition(self.topic, number) for number in partitions]
        consumer = build_reader(self._settings, client_id=CLIENT_ID)
        consumer.assign(positions)
        await consumer.start()
        try:
            if last is not None:
                await _seek_back(consumer, positions, last)
            ends: dict[TopicPartition, int] = {}
            answered = time.monotonic()
            while time.monotonic() - answered < _ANSWER_SECONDS:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=self._at_once)
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

    async def _partitions(self) -> Sequence[int]:
        """The topic's partitions; none if it does not exist."""
        admin = build_admin(self._settings, client_id=CLIENT_ID)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await admin.start()
                # INVARIANT: never ask for a topic that may not exist. Some brokers create it.
                if self.topic not in await admin.list_topics():
                    return ()
                [found] = await admin.describe_topics([self.topic])
                return sorted(partition["partition"] for partition in found["partitions"])
        finally:
            await admin.close()


async def _seek_back(
    consumer: AIOKafkaConsumer, positions: Sequence[TopicPartition], last: int
) -> None:
    begins = await consumer.beginning_offsets(positions)
    for position, end in (await consumer.end_offsets(positions)).items():
        consumer.seek(position, max(begins[position], end - last))


async def _is_through(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    for position, end in ends.items():
        if await consumer.position(position) < end:
            return False
    return True
