"""Settings of the product's Kafka clients for a test's broker and topic prefix."""

from purposewatch_runtime.settings import KafkaSettings
from tests.integration.brokers.running_broker import RunningBroker


def kafka_environment(broker: RunningBroker, topic_prefix: str) -> dict[str, str]:
    """The variables that point a service at the test's broker."""
    return {
        "PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "PURPOSEWATCH_KAFKA_ENABLE_IDEMPOTENCE": str(broker.kind == "apache_kafka").lower(),
        "PURPOSEWATCH_KAFKA_FETCH_MAX_WAIT_MS": "10",
        "PURPOSEWATCH_KAFKA_SESSION_TIMEOUT_MS": "2000",
        "PURPOSEWATCH_TOPIC_PREFIX": topic_prefix,
        "PURPOSEWATCH_TOPIC_PARTITIONS": "3",
        "PURPOSEWATCH_TOPIC_REPLICATION_FACTOR": "1",
    }


def kafka_settings(broker: RunningBroker, topic_prefix: str) -> KafkaSettings:
    """The same as a settings object, for clients inside the test's own process."""
    prefix = "PURPOSEWATCH_"
    values = {
        name.removeprefix(prefix).lower(): value
        for name, value in kafka_environment(broker, topic_prefix).items()
    }
    return KafkaSettings.model_validate(values)
