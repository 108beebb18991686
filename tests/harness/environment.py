"""What the services of a test are configured with: built here, and nowhere else."""

from pathlib import Path

from purposewatch_runtime.settings import KafkaSettings
from tests.harness.broker import RunningBroker
from tests.harness.process import PREFIX

POLICIES = Path(__file__).parents[2] / "policies"


def variables(**settings: object) -> dict[str, str]:
    """The environment variables of these settings."""
    return {
        f"{PREFIX}{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in settings.items()
    }


def service_environment(
    broker: RunningBroker, topic_prefix: str, **settings: object
) -> dict[str, str]:
    """The variables of a service on the test's broker: quick to notice what dies, and `settings`.

    It reads the project's own policies unless `settings` say otherwise.
    """
    usual: dict[str, object] = {
        "kafka_bootstrap_servers": broker.bootstrap_servers,
        "kafka_enable_idempotence": broker.kind == "apache_kafka",
        "kafka_fetch_max_wait_ms": 10,
        "kafka_session_timeout_ms": 2000,
        "topic_prefix": topic_prefix,
        "topic_partitions": 3,
        "topic_replication_factor": 1,
        "policies_dir": POLICIES,
        "pseudonym_key": "ab" * 32,
    }
    return variables(**usual | settings)


def kafka_settings(broker: RunningBroker, topic_prefix: str) -> KafkaSettings:
    """The same as a settings object, for clients inside the test's own process."""
    return KafkaSettings.model_validate(
        {
            field: value
            for name, value in service_environment(broker, topic_prefix).items()
            if (field := name.removeprefix(PREFIX).lower()) in KafkaSettings.model_fields
        }
    )
