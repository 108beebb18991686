"""The private parts of aiokafka that the runtime touches are still there.

When a test here fails after an update of aiokafka, read `aiokafka_internals.py` beside the new
release, adapt it, and run the integration tests of the consumer before raising the version here.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from purposewatch_runtime.kafka import aiokafka_internals
from purposewatch_runtime.kafka.aiokafka_internals import RecordBatch

PARTITION = TopicPartition("t", 0)


@pytest.fixture
async def consumer() -> AsyncIterator[Any]:
    """A consumer that is not started."""
    made = AIOKafkaConsumer(bootstrap_servers="localhost:1")
    yield made
    await made.stop()


def test_written_for_this_release() -> None:
    """Private parts may change in every minor release."""
    assert version("aiokafka").startswith("0.14.")
    assert "aiokafka 0.14." in str(aiokafka_internals.__doc__)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (Fetcher._create_fetch_waiter, ["self"]),
        (GroupCoordinator.fetch_committed_offsets, ["self", "partitions"]),
        (
            FetchRequest.__init__,
            ["self", "max_wait_time", "min_bytes", "max_bytes", "isolation_level", "topics"],
        ),
        (RecordBatch._maybe_uncompress, ["self"]),
        (AIOKafkaAdminClient._send_request, ["self", "request", "node_id"]),
    ],
)
def test_signatures(function: Any, parameters: list[str]) -> None:
    """Functions take what they are called with."""
    found = list(inspect.signature(function).parameters)

    assert found[: len(parameters)] == parameters


async def test_positions_are_read_without_waiting(consumer: Any) -> None:
    """Only partitions with a position are there, and a consumer without partitions has none."""
    assert aiokafka_internals.positions(consumer) == {}
    assert isinstance(consumer._subscription, SubscriptionState)

    consumer._subscription.assign_from_user([PARTITION, TopicPartition("t", 1)])
    consumer._subscription.subscription.assignment.state_value(PARTITION).reset_to(7)

    assert aiokafka_internals.positions(consumer) == {PARTITION: 7}


async def test_fetch_wait_is_read_for_every_request() -> None:
    """The fetcher takes it from the attribute that is set, and not from a copy."""
    consumer = SimpleNamespace(_fetcher=SimpleNamespace(_fetch_max_wait_ms=10))

    aiokafka_internals.set_fetch_wait(cast("Any", consumer), 100)

    assert consumer._fetcher._fetch_max_wait_ms == 100
    assert "_fetch_max_wait_ms" in inspect.getsource(Fetcher.__init__)
    assert "_fetch_max_wait_ms" in inspect.getsource(Fetcher._get_actions_per_node)


async def test_waiter_of_the_fetcher_ends_with_a_fetch() -> None:
    """What is waited for is a future that the fetcher completes, or fails with Kafka's refusal."""
    fetcher: Any = Fetcher.__new__(Fetcher)
    fetcher._loop, fetcher._fetch_waiters = asyncio.get_running_loop(), set()

    waiter = fetcher._create_fetch_waiter()

    assert isinstance(waiter, asyncio.Future)
    assert fetcher._fetch_waiters == {waiter}
    waiter.cancel()


async def test_leader_is_looked_up_in_the_cluster(consumer: Any) -> None:
    """The bytes of a partition whose leader is not known can't be fetched."""
    assert inspect.iscoroutinefunction(consumer._client.send)
    assert await aiokafka_internals.fetch_bytes(consumer, PARTITION, 0) is None


@pytest.mark.parametrize("codec", [0, 1])
def test_batch_is_opened(codec: int) -> None:
    """A batch built by the library is decompressed to the position of its first record."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 10_000)
    for offset in range(3):
        builder.append(offset, 5, None, b"value", [])

    data, at, count = RecordBatch(bytes(builder.build())).decompress()

    assert count == 3
    assert bytes(data[at:]).count(b"value") == 3
