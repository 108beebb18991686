"""The subscriber delivers what was polled, undecoded, to the handler that it was registered for."""

from importlib.metadata import version
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord
from faststream._internal.endpoint.subscriber.usecase import SubscriberUsecase
from faststream.kafka.message import KafkaAckableMessage

from purposewatch_runtime.kafka import faststream_subscriber
from purposewatch_runtime.kafka.connection import build_broker
from purposewatch_runtime.kafka.faststream_subscriber import RecordSubscriber
from purposewatch_runtime.settings import KafkaSettings

RECORD: Any = ConsumerRecord("t", 0, 7, 0, 0, None, b"\xff", None, -1, 1, (("h", b"\xff"),))


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Not called here."""

    async def on_partitions_revoked(self, _: object) -> None:
        """Nothing is revoked."""

    async def on_partitions_assigned(self, _: object) -> None:
        """Nothing is assigned."""


def test_written_for_this_release() -> None:
    """The subclass is registered with parts of FastStream that a minor release may change."""
    assert version("faststream").startswith("0.7.")
    assert "FastStream 0.7." in str(faststream_subscriber.__doc__)


async def test_polled_records_reach_the_handler_as_they_are() -> None:
    """A header that is not UTF-8 passes, which FastStream's own parser would fail at."""
    handled: list[object] = []

    async def handle(message: KafkaAckableMessage) -> None:
        handled.append(message.raw_message)

    async def poll(_: object) -> list[Any]:
        return [RECORD]

    broker = build_broker(KafkaSettings(), client_id="c")
    subscriber = broker.record_subscriber(
        "t", handle, poll=poll, group_id="g", listener=Listener(), consumer_options={}
    )
    assert isinstance(subscriber, RecordSubscriber)
    assert list(broker.subscribers) == [subscriber]
    batch = await subscriber.get_msg(None)
    await broker.connect()  # connects nothing: this broker only consumes
    await SubscriberUsecase.start(subscriber)  # all of a start but the connection
    subscriber.running = True
    await subscriber.consume(batch)

    assert handled == [(RECORD,)]
