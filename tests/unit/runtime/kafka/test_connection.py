"""How the clients are configured; the integration tests show what brokers do with it."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import pytest
from aiokafka import AIOKafkaProducer

from purposewatch_contract import declared_topics
from purposewatch_runtime.kafka import (
    MAX_BATCH_BYTES,
    build_admin,
    build_observer,
    build_producer,
    build_reader,
    connection,
)
from purposewatch_runtime.kafka.connection import METADATA_MAX_AGE_MS, build_broker
from purposewatch_runtime.settings import KafkaSettings, load_settings

Codec = Literal["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.mark.parametrize("codec", get_args(Codec))
async def test_compression_follows_the_setting(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets the codec of the setting and has the library for it; `none` is none."""
    asked: list[object] = []

    def producer(**options: object) -> AIOKafkaProducer:
        asked.append(options["compression_type"])
        return AIOKafkaProducer(**options)  # raises when the codec's library is missing

    monkeypatch.setattr(connection, "AIOKafkaProducer", producer)
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_COMPRESSION", codec)
    built = build_producer(KafkaSettings(), client_id="test")
    await built.stop()

    assert asked == [None if codec == "none" else codec]


def test_zstd_by_default() -> None:
    """It takes the fewest bytes, and less time than what it saves."""
    assert KafkaSettings().kafka_compression == "zstd"


def test_unknown_compression_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the variable and the allowed values, and not the value."""
    monkeypatch.setenv("PURPOSEWATCH_KAFKA_COMPRESSION", "zip")

    with pytest.raises(SystemExit) as ended:
        load_settings(KafkaSettings)

    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "PURPOSEWATCH_KAFKA_COMPRESSION: input should be "
        "'none', 'gzip', 'snappy', 'lz4' or 'zstd'\n"
    )


def test_batches_fit_every_topic_uncompressed() -> None:
    """A batch of several records is below what every topic accepts, however badly it compresses."""
    least = min(int(topic.config["max.message.bytes"]) for topic in declared_topics().values())

    assert least > MAX_BATCH_BYTES


@pytest.mark.parametrize("build", [build_producer, build_admin, build_observer, build_reader])
async def test_clients_refresh_leaders_often(build: Callable[..., Any]) -> None:
    """By default aiokafka would use stale metadata for minutes."""
    client = build(KafkaSettings(), client_id="test")
    age = (client.client if build is build_producer else client._client)._metadata_max_age_ms
    await (client.close() if build is build_admin else client.stop())

    assert age == METADATA_MAX_AGE_MS


async def test_subscribers_refresh_leaders_often() -> None:
    """FastStream builds their consumers from the options of the broker."""
    broker = build_broker(KafkaSettings(), client_id="test")
    consumer = broker.config.builder()
    await consumer.stop()

    assert consumer._client._metadata_max_age_ms == METADATA_MAX_AGE_MS
