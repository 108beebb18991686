"""Ask Kafka what this client may do with topics and consumer groups (KIP-430).

The requests are defined here because aiokafka has the first only up to version 5, which does not
ask, and decodes the response to the second without the operations.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NoError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

from purposewatch_runtime.kafka.aiokafka_internals import send
from purposewatch_runtime.retry import Backoff, retry

_BITS: Final[Mapping[str, int]] = {"READ": 3, "WRITE": 4, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10}
_ATTEMPTS = 6
_BACKOFF = Backoff(first_seconds=0.1, last_seconds=1.6)
"""The first group of a cluster waits until its coordinator is there."""
_TEXT = String("utf-8")


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT)),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(_TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> _MetadataRequestStruct:
        return request_struct_class(self._topics, False, False, True)  # noqa: FBT003 - as on the wire


class _GroupsResponse(Response):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("protocol", _TEXT),
                (
                    "members",
                    Array(
                        ("member_id", _TEXT),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _GroupsRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = _GroupsResponse
    SCHEMA = Schema(("groups", Array(_TEXT)), ("include_authorized_operations", Boolean))


class _GroupsRequest(Request[_GroupsRequestStruct]):  # type: ignore[misc]
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupsRequestStruct]) -> _GroupsRequestStruct:
        return request_struct_class([self._group], True)  # noqa: FBT003 - as on the wire


async def topic_operations(
    admin: AIOKafkaAdminClient, topics: Iterable[str]
) -> Mapping[str, frozenset[str]]:
    """What this client may do with each topic; without those that do not exist.

    Raises `KafkaError`, and `NotImplementedError` for a broker older than Kafka 2.3.
    """
    answer = (await send(admin, _MetadataRequest(topics))).to_object()
    found: dict[str, frozenset[str]] = {}
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if error is TopicAuthorizationFailedError:  # it may not even see whether the topic exists
            found[topic["topic"]] = frozenset()
        elif error is NoError:
            found[topic["topic"]] = _operations(topic["authorized_operations"])
        elif error is not UnknownTopicOrPartitionError:
            raise error(topic["topic"])
    return found


async def group_operations(admin: AIOKafkaAdminClient, group: str) -> frozenset[str]:
    """What this client may do with a consumer group, which need not exist.

    Raises `KafkaError`, and `NotImplementedError` for a broker older than Kafka 2.3.
    """

    async def describe() -> frozenset[str]:
        coordinator = await admin.find_coordinator(group)
        answer = (await send(admin, _GroupsRequest(group), coordinator)).to_object()
        [described] = answer["groups"]
        error = for_code(described["error_code"])
        if error is not NoError:
            raise error(group)
        return _operations(described["authorized_operations"])

    try:
        return await retry(
            describe,
            backoff=_BACKOFF,
            on=KafkaError,
            fatal=GroupAuthorizationFailedError,
            attempts=_ATTEMPTS,
        )
    except GroupAuthorizationFailedError:
        return frozenset()


def _operations(bits: int) -> frozenset[str]:
    return frozenset(name for name, bit in _BITS.items() if bits >> bit & 1)
