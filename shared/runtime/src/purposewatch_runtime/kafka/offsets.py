"""Offsets of a batch, and a consumer's position."""

from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from purposewatch_runtime.kafka.rejected import Record
from purposewatch_runtime.service.probes import Check

_POLL_STALE_MS = 10_000


def first_offsets(records: Sequence[Record]) -> dict[int, int]:
    """The first offset of each partition in the batch."""
    first: dict[int, int] = {}
    for record in records:
        first.setdefault(record.partition, record.offset)
    return first


def next_offsets(records: Sequence[Record]) -> dict[int, int]:
    """The offset behind the last record of each partition in the batch."""
    last = {record.partition: record.offset for record in records}
    return {partition: offset + 1 for partition, offset in last.items()}


async def seek_back(consumer: AIOKafkaConsumer, topic: str, offsets: Mapping[int, int]) -> None:
    """Go back to these offsets in every partition that is still assigned.

    INVARIANT: never seeks forward. A partition that was revoked and assigned again meanwhile
    already stands at its committed offset, which is not behind the first record of a failed batch.
    """
    for number, offset in offsets.items():
        partition = TopicPartition(topic, number)
        try:
            if await consumer.position(partition) > offset:
                consumer.seek(partition, offset)
        except (IllegalStateError, KafkaError):
            continue  # revoked; the new owner starts from the committed offset


async def check_fetching(consumer: AIOKafkaConsumer, now_ms: float) -> Check:
    """Whether Kafka answers for every assigned partition; `now_ms` is the time since 1970."""
    assignment = consumer.assignment()
    for partition in assignment:
        polled = consumer.last_poll_timestamp(partition)
        if polled is None or now_ms - polled > _POLL_STALE_MS:
            detail = f"no answer from Kafka for partition {partition.partition}"
            return Check(ok=False, detail=detail)
        end = consumer.highwater(partition)
        if end is not None and await consumer.position(partition) > end:
            detail = f"partition {partition.partition} is shorter than what was consumed of it"
            return Check(ok=False, detail=detail)
    return Check(ok=True, detail=f"{len(assignment)} partitions")
