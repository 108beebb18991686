"""FastStream's batch subscriber, extended to deliver raw records. Written for FastStream 0.7.

FastStream builds its subscribers in a function of its own, so the subclass is registered here as
`KafkaRegistrator.subscriber` registers what that function returns.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from faststream import AckPolicy
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.kafka import KafkaBroker
from faststream.kafka.broker.registrator import KafkaRegistrator
from faststream.kafka.message import KafkaAckableMessage
from faststream.kafka.schemas import Topic
from faststream.kafka.subscriber.config import (
    KafkaSubscriberConfig,
    KafkaSubscriberSpecificationConfig,
)
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.kafka.subscriber.usecase import BatchSubscriber
from pydantic import BaseModel

from purposewatch_runtime.kafka.rejected import Record

if TYPE_CHECKING:
    from faststream.kafka.configs import KafkaBrokerConfig

Poll: TypeAlias = Callable[[AIOKafkaConsumer], Awaitable[Sequence[Record]]]
HandleBatch: TypeAlias = Callable[[KafkaAckableMessage], Awaitable[None]]


class RecordSubscriber(BatchSubscriber):
    """A batch subscriber that takes what `poll` returns, and hands it over undecoded.

    FastStream's own poll loses records when a partition can't be decoded. Its parser decodes every
    header of a batch first: one header that is not UTF-8 would fail, and then skip, the batch.
    """

    __slots__ = ("_poll",)

    def __init__(
        self,
        config: KafkaSubscriberConfig,
        specification: KafkaSubscriberSpecification,
        calls: CallsCollection[Any],
        poll: Poll,
    ) -> None:
        super().__init__(config, specification, calls, batch_timeout_ms=0, max_records=None)
        self._poll = poll

    async def get_msg(self, consumer: AIOKafkaConsumer) -> tuple[Record, ...]:
        """The next batch; empty when there is none now."""
        return tuple(await self._poll(consumer))

    async def parse(self, records: Sequence[Record]) -> KafkaAckableMessage:
        """A message around the records as they are."""
        return KafkaAckableMessage(records, b"", consumer=self.consumer)

    @staticmethod
    async def decode(message: KafkaAckableMessage) -> KafkaAckableMessage:
        """The message itself: the handler decodes record by record."""
        return message


class RecordSpecification(KafkaSubscriberSpecification):
    """Names the topic's messages in AsyncAPI; the handler's type, raw records, can't."""

    __slots__ = ("_messages",)

    def __init__(
        self,
        outer: "KafkaBrokerConfig",
        config: KafkaSubscriberSpecificationConfig,
        calls: CallsCollection[Any],
        messages: Sequence[type[BaseModel]],
    ) -> None:
        super().__init__(_outer_config=outer, specification_config=config, calls=calls)
        self._messages = messages

    def get_payloads(self) -> list[tuple[dict[str, Any], str]]:
        """The schemas of the topic's messages."""
        if not self._messages:
            return super().get_payloads()
        return [(each.model_json_schema(), each.__name__) for each in self._messages]


class RecordBroker(KafkaBroker):
    """A FastStream broker with subscribers of raw records."""

    def record_subscriber(  # noqa: PLR0913 - what a subscriber of FastStream's own takes, too
        self,
        topic: str,
        handle: HandleBatch,
        *,
        poll: Poll,
        group_id: str,
        listener: ConsumerRebalanceListener,
        consumer_options: dict[str, Any],
        messages: Sequence[type[BaseModel]] = (),
        description: str | None = None,
    ) -> RecordSubscriber:
        """Register `handle` for batches of one topic; it acknowledges by committing offsets.

        `messages` and `description` are what AsyncAPI says of the topic.
        """
        outer = cast("KafkaBrokerConfig", self.config)  # composed of the routers' configurations
        topics = [Topic(topic)]
        calls = CallsCollection[Any]()
        subscriber = RecordSubscriber(
            KafkaSubscriberConfig(
                topics=topics,
                group_id=group_id,
                connection_args=consumer_options,
                listener=listener,
                no_reply=True,
                _outer_config=outer,
                _ack_policy=AckPolicy.MANUAL,
            ),
            RecordSpecification(
                outer,
                KafkaSubscriberSpecificationConfig(
                    title_=topic, description_=description, topics=topics
                ),
                calls,
                messages,
            ),
            calls,
            poll,
        )
        super(KafkaRegistrator, self).subscriber(subscriber)
        subscriber.add_call(parser_=subscriber.parse, decoder_=subscriber.decode, dependencies_=())
        subscriber(handle)
        return subscriber
