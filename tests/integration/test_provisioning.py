"""Topics are created as declared, and a topic that differs is a clear error."""

import pytest

from purposewatch_shared.kafka.provision import TopicProvisioner
from purposewatch_shared.service import FatalError
from purposewatch_shared.settings import KafkaSettings
from purposewatch_shared.topics import EVENTS, RAW, VERDICTS
from tests.integration.brokers.running_broker import RunningBroker
from tests.integration.kafka_settings import kafka_settings


async def test_provisioning_twice_changes_nothing(broker: RunningBroker, topic_prefix: str) -> None:
    """The first service to start creates the topics; the others find them as declared."""
    settings = kafka_settings(broker, topic_prefix)

    await TopicProvisioner(settings, (EVENTS, RAW), client_id="test").start()
    await TopicProvisioner(settings, (EVENTS, RAW, VERDICTS), client_id="test").start()


async def test_other_number_of_partitions_is_refused(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """A topic with other partitions than configured stops the service and says what to do."""
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    other = settings.model_copy(update={"topic_partitions": 5})

    with pytest.raises(FatalError, match="has 3 partitions, not the 5 of PURPOSEWATCH_TOPIC_PART"):
        await TopicProvisioner(other, (EVENTS,), client_id="test").start()


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
