"""Create the declared topics, or verify that existing topics match the declaration."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from purposewatch_contract import TopicName, declared_topics, topic_name
from purposewatch_runtime.kafka.access import refused
from purposewatch_runtime.kafka.connection import build_admin
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff, retry
from purposewatch_runtime.service.supervisor import FatalError
from purposewatch_runtime.settings import KafkaSettings

_DESCRIBE_ATTEMPTS = 9
_DESCRIBE_BACKOFF = Backoff(first_seconds=0.05, last_seconds=6.4)
"""With so many attempts, 6 to 13 seconds: a new topic takes a moment to be known everywhere."""

_log = get_logger(__name__)


class TopicProvisioner:
    """Makes sure that topics exist as declared before anything else of a service starts.

    A service without the right to create topics uses those that exist. Raises `FatalError` for a
    topic whose partitions or configuration differ: changing a topic that holds data is a person's
    decision. Any other error means that Kafka is unavailable, or refuses what is needed.
    """

    name = "kafka topics"

    def __init__(
        self, settings: KafkaSettings, topics: Sequence[TopicName], *, client_id: str
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._client_id = client_id
        self._not_created: set[str] = set()

    async def start(self) -> None:
        """Create what is missing and verify the rest."""
        admin = build_admin(self._settings, client_id=self._client_id)
        try:
            await admin.start()
            await self._create(admin)
            for name in self._topics:
                await self._verify(admin, name)
        finally:
            await admin.close()

    async def stop(self) -> None:
        """Nothing to release."""

    async def _create(self, admin: AIOKafkaAdminClient) -> None:
        # INVARIANT: create before describing. Some brokers create a topic, with their own
        # defaults, as soon as a metadata request names it.
        self._not_created.clear()
        wanted = [self._new_topic(name) for name in self._topics]
        answer = (await admin.create_topics(wanted)).to_object()
        for result in answer["topic_errors"]:
            code = result["error_code"]
            if not code:
                _log.info("topic created", topic=result["topic"])
                continue
            kind = for_code(code)
            if kind is TopicAlreadyExistsError:
                continue
            if kind is TopicAuthorizationFailedError:
                self._not_created.add(result["topic"])  # but it may exist
                continue
            message = f"cannot create topic `{result['topic']}`: {result['error_message'] or kind}"
            if getattr(kind, "retriable", False):
                raise kind(message)
            raise FatalError(message)

    def _new_topic(self, name: TopicName) -> NewTopic:
        topic = NewTopic(
            topic_name(self._settings.topic_prefix, name),
            num_partitions=self._settings.topic_partitions,
            replication_factor=1,
            topic_configs=dict(declared_topics()[name].config),
        )
        # the constructor refuses -1, which stands for the broker's default
        topic.replication_factor = self._settings.topic_replication_factor
        return topic

    async def _verify(self, admin: AIOKafkaAdminClient, name: TopicName) -> None:
        full = topic_name(self._settings.topic_prefix, name)
        partitions = await self._partitions(admin, full)
        if partitions != self._settings.topic_partitions:
            message = (
                f"topic `{full}` has {partitions} partitions, not the "
                f"{self._settings.topic_partitions} of PURPOSEWATCH_TOPIC_PARTITIONS; set the "
                "variable to the topic's number, or use another PURPOSEWATCH_TOPIC_PREFIX"
            )
            raise FatalError(message)
        actual = await self._configuration(admin, full)
        for key, declared in declared_topics()[name].config.items():
            if key in actual and actual[key] != declared:
                message = (
                    f"topic `{full}` has {key}={actual[key]}, but {declared} is declared; alter "
                    "the topic with Kafka's own tools, or change the declaration"
                )
                raise FatalError(message)

    async def _partitions(self, admin: AIOKafkaAdminClient, topic: str) -> int:
        """Return the topic's number of partitions."""

        async def describe() -> int:
            [found] = await admin.describe_topics([topic])
            if found["error_code"]:
                raise for_code(found["error_code"])(topic)
            return len(found["partitions"])

        try:
            if topic in self._not_created:
                return await describe()
            return await retry(describe, backoff=_DESCRIBE_BACKOFF, attempts=_DESCRIBE_ATTEMPTS)
        except TopicAuthorizationFailedError:
            raise refused(self._settings, "DESCRIBE", topic) from None
        except UnknownTopicOrPartitionError:
            if topic not in self._not_created:
                raise
            raise refused(self._settings, "CREATE", topic) from None

    async def _configuration(self, admin: AIOKafkaAdminClient, topic: str) -> Mapping[str, Any]:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, None)
        answers = await admin.describe_configs([resource])
        [described] = answers[0].to_object()["resources"]
        error = for_code(described["error_code"])
        if error is TopicAuthorizationFailedError:
            raise refused(self._settings, "DESCRIBE_CONFIGS", topic)
        if error is not NoError:
            raise error(topic)
        entries = described["config_entries"]
        return {entry["config_names"]: entry["config_value"] for entry in entries}
