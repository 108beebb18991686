"""Topics are created as declared, and a topic that differs is a clear error."""

from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from purposewatch_contract import EVENTS, RAW, VERDICTS, topic_name
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    NoSuchPartitionError,
    OutgoingRecord,
    TopicProvisioner,
)
from purposewatch_runtime.service import FatalError
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings


async def described(broker: RunningBroker, topics: list[str]) -> list[dict[str, Any]]:
    """What the broker says of topics: their partitions, and on Apache Kafka their settings."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        found: list[dict[str, Any]] = sorted(
            await admin.describe_topics(topics), key=lambda topic: topics.index(topic["topic"])
        )
        if broker.kind == "apache_kafka":
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
            answers = await admin.describe_configs(resources)
            found.append({"configs": [answer.resources for answer in answers]})
    finally:
        await admin.close()
    return found


async def test_provisioning_twice_changes_nothing(broker: RunningBroker, topic_prefix: str) -> None:
    """The first service to start creates the topics; the others find them as declared."""
    settings = kafka_settings(broker, topic_prefix)

    await TopicProvisioner(settings, (EVENTS, RAW), client_id="test").start()
    names = [topic_name(topic_prefix, name) for name in (EVENTS, RAW)]
    before = await described(broker, names)
    await TopicProvisioner(settings, (EVENTS, RAW, VERDICTS), client_id="test").start()

    assert [len(topic["partitions"]) for topic in before[:2]] == [3, 3]
    assert await described(broker, names) == before
    verdicts, *_ = await described(broker, [topic_name(topic_prefix, VERDICTS)])
    assert len(verdicts["partitions"]) == 3


async def test_other_number_of_partitions_is_refused(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """A topic with other partitions than configured stops the service and says what to do."""
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    other = settings.model_copy(update={"topic_partitions": 5})

    with pytest.raises(FatalError, match="has 3 partitions, not the 5 of PURPOSEWATCH_TOPIC_PART"):
        await TopicProvisioner(other, (EVENTS,), client_id="test").start()


@pytest.mark.parametrize("joins", [False, True])
async def test_a_partition_that_is_not_there_is_named(
    broker: RunningBroker,
    topic_prefix: str,
    joins: bool,  # noqa: FBT001 - a table
) -> None:
    """As when only the events topic was given more; what fits is published all the same."""
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (VERDICTS,), client_id="test").start()
    topic = topic_name(topic_prefix, VERDICTS)
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    try:
        with pytest.raises(NoSuchPartitionError, match=f"`{topic}` has no partition 3; give it"):
            await producer.publish([OutgoingRecord(topic, b"v", partition=3, joins=joins)])
        await producer.publish([OutgoingRecord(topic, b"v", partition=2, joins=joins)])
    finally:
        await producer.stop()


async def test_absent_broker_is_no_fatal_error(topic_prefix: str) -> None:
    """A cluster that is away is waited for, so the error is not fatal."""
    settings = kafka_settings(RunningBroker("127.0.0.1:1", "embedded"), topic_prefix)

    with pytest.raises(Exception, match=r"127\.0\.0\.1") as failed:
        await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    assert not isinstance(failed.value, FatalError)


async def test_replication_is_the_brokers_default(broker: RunningBroker, topic_prefix: str) -> None:
    """Without a setting, -1 leaves the number of replicas to the cluster."""
    settings = kafka_settings(broker, topic_prefix)
    assert KafkaSettings().topic_replication_factor == -1

    await TopicProvisioner(
        settings.model_copy(update={"topic_replication_factor": -1}), (EVENTS,), client_id="test"
    ).start()


@pytest.mark.apache_kafka
async def test_raw_records_are_as_large_in_memory_as_allowed(
    kafka_to_crash: ApacheKafka, topic_prefix: str
) -> None:
    """A little compressed text that would fill the memory of ingest is refused by the broker.

    The embedded broker does not look into records; only the demo publishes there.
    """
    broker = RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka")
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (RAW,), client_id="test").start()

    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        compression_type="zstd",
        max_request_size=2**26,
        max_batch_size=2**26,
    ) as producer:
        topic = topic_name(topic_prefix, RAW)
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(topic, bytes(2**23))
        await producer.send_and_wait(topic, bytes(2**19))
