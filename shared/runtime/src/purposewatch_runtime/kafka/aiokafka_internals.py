"""The only module that touches private parts of aiokafka. Written for aiokafka 0.14.

`tests/unit/runtime/kafka/test_aiokafka_internals.py` fails when a release moves any of them. Each
function says why the public interface is not enough.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.api import Request
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy

_UNKNOWN_PARTITION = "Unrecognized partition"
_FETCH_MAX_BYTES = 8 * 1024 * 1024
_FETCH_WAIT_MS = 500


async def wait_for_fetch(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Wait until something has been fetched, at most so long.

    Raises when Kafka refuses to let this consumer read. `getmany` waits like this, but it also
    takes records, and drops some when a partition can't be decoded.
    """
    waiter = consumer._fetcher._create_fetch_waiter()  # noqa: SLF001
    await asyncio.wait([waiter], timeout=seconds)
    if waiter.done():
        waiter.result()
    waiter.cancel()


def set_fetch_wait(consumer: AIOKafkaConsumer, milliseconds: int) -> None:
    """Let Kafka hold further fetches open so long when it has nothing new.

    The public parameter is fixed when the consumer is made.
    """
    consumer._fetcher._fetch_max_wait_ms = milliseconds  # noqa: SLF001


def positions(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """The next offset of every assigned partition that has one.

    The public `position` waits for partitions that have none yet.
    """
    subscription = consumer._subscription.subscription  # noqa: SLF001
    if subscription is None or subscription.assignment is None:
        return {}
    assignment = subscription.assignment
    states = {partition: assignment.state_value(partition) for partition in assignment.tps}
    return {
        partition: state.position for partition, state in states.items() if state.has_valid_position
    }


async def committed(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> Mapping[TopicPartition, tuple[int, str]]:
    """The group's committed offsets with their metadata, which the public `committed` leaves out.

    The offset is -1 where nothing was committed. Raises `KafkaError`.
    """
    found: Mapping[TopicPartition, tuple[int, str]] = (
        await consumer._coordinator.fetch_committed_offsets(partitions)  # noqa: SLF001
    )
    return found


async def fetch_bytes(
    consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int
) -> tuple[bytes, int] | None:
    """The bytes of the record batches from `offset` on, and the end offset of the partition.

    `None` when the leader is unknown or answers with an error. Raises `KafkaError`. There is no
    public way to the bytes.
    """
    client = consumer._client  # noqa: SLF001
    node = client.cluster.leader_for_partition(partition)
    if node is None or node == -1:
        return None
    wanted = [(partition.topic, [(partition.partition, offset, _FETCH_MAX_BYTES)])]
    request = FetchRequest(_FETCH_WAIT_MS, 1, _FETCH_MAX_BYTES, 0, wanted)
    response = await client.send(node, request)
    _, error_code, end, *rest = response.topics[0][1][0]
    return None if error_code else (bytes(rest[-1] or b""), end)


async def fetch_high_watermarks(
    consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The end offsets of partitions as the leaders' answers to a fetch have them, at once.

    `offsets` says where to fetch from: no offset may lie beyond a partition's end. Partitions
    whose leader is unknown, or answers with an error, are left out. Raises `KafkaError`. A public
    fetch waits for records, and does not say when its answer was asked for; this one waits for a
    millisecond, because without a wait the embedded broker answers nothing.
    """
    client = consumer._client  # noqa: SLF001
    wanted: dict[int, dict[str, list[tuple[int, int, int]]]] = {}
    for partition, offset in offsets.items():
        node = client.cluster.leader_for_partition(partition)
        if node is not None and node != -1:
            topics = wanted.setdefault(node, {})
            topics.setdefault(partition.topic, []).append((partition.partition, offset, 1))
    requests = [
        client.send(node, FetchRequest(1, 1, _FETCH_MAX_BYTES, 0, list(topics.items())))
        for node, topics in wanted.items()
    ]
    found: dict[TopicPartition, int] = {}
    for response in await asyncio.gather(*requests):
        for topic, partitions in response.topics:
            for partition, error_code, end, *_ in partitions:
                if not error_code:
                    found[TopicPartition(topic, partition)] = end
    return found


class RecordBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A record batch, version 2. The compiled class of the same module hides its buffer."""

    __slots__ = ()

    def decompress(self) -> tuple[bytearray, int, int]:
        """The bytes that hold the records, where the first begins, and how many there are.

        Raises what the codec raises.
        """
        self._maybe_uncompress()
        return self._buffer, self._pos, self._num_records


def is_unknown_partition(error: AssertionError) -> bool:
    """Whether a producer refused a record because its topic has no such partition.

    It only asserts. `tests/integration/test_provisioning.py` notices when the text changes.
    """
    return str(error) == _UNKNOWN_PARTITION


async def send(admin: AIOKafkaAdminClient, request: Request[Any], node: int | None = None) -> Any:
    """Send a request that the admin client has no method for, to any node or to this one."""
    return await admin._send_request(request, node)  # noqa: SLF001
