"""Take fetched records from a consumer so that one unreadable partition costs the others nothing.

`AIOKafkaConsumer.getmany` decodes while it takes. When a partition's bytes can't be decoded (a
header's name that is not UTF-8, a broken compression), it raises, and drops what it had taken from
other partitions in the same call, whose positions have moved: those records would be lost.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    UnsupportedCodecError,
)

Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]
Report: TypeAlias = Callable[[int, str], None]

_RETRY_SECONDS = 15.0
_CAREFUL_SECONDS = 15.0


class Polling:
    """Polls one consumer.

    INVARIANT: what is taken is returned, or its partition is put back to where it stood.
    """

    def __init__(self, report: Report) -> None:
        """`report` is told of every failure: the partition, and what is wrong in plain words."""
        self._report = report
        self._unreadable: dict[TopicPartition, tuple[float, str]] = {}
        self._careful_until = 0.0

    @property
    def unreadable(self) -> str | None:
        """What can't be read, in plain words; `None` when everything can."""
        details = [detail for _, (_, detail) in sorted(self._unreadable.items())]
        return "; ".join(details) or None

    def forget(self) -> None:
        """Partitions are dealt out anew."""
        self._unreadable.clear()

    async def take(
        self, consumer: AIOKafkaConsumer, *, max_records: int, idle_seconds: float
    ) -> Sequence[Record]:
        """What has been fetched, in offset order per partition.

        When there is nothing, it waits for the next fetch and returns nothing.
        """
        taken = await self._take(consumer, max_records)
        if not taken:
            waiter = consumer._fetcher._create_fetch_waiter()  # noqa: SLF001 - as `getmany` does
            await asyncio.wait([waiter], timeout=idle_seconds)
            if waiter.done():
                waiter.result()  # raises when Kafka refuses to let this consumer read
            waiter.cancel()
        return taken

    async def _take(self, consumer: AIOKafkaConsumer, max_records: int) -> Sequence[Record]:
        """What has been fetched; does not wait.

        INVARIANT: nothing is awaited between looking where the consumer stands and taking, or a
        partition may get its first position in between, and could not be put back.
        """
        if self._unreadable or time.monotonic() < self._careful_until:
            return await self._take_one_by_one(consumer, max_records)
        before = _standing(consumer)
        try:
            taken = await consumer.getmany(timeout_ms=0, max_records=max_records)
        except Exception as error:
            for position, offset in before.items():
                if _standing(consumer).get(position, offset) > offset:
                    consumer.seek(position, offset)
            if not _is_about_records(error):
                raise
            # The error does not say which partition it is about. It is raised once per fetch, and
            # again by the same partition alone.
            self._careful_until = time.monotonic() + _CAREFUL_SECONDS
            return []
        return [record for records in taken.values() for record in records]

    async def _take_one_by_one(
        self, consumer: AIOKafkaConsumer, max_records: int
    ) -> Sequence[Record]:
        now = time.monotonic()
        taken: list[Record] = []
        for position, offset in _standing(consumer).items():
            # INVARIANT: a call takes from one partition, so that an error drops nothing.
            if self._unreadable.get(position, (now, ""))[0] > now:
                continue
            try:
                records = await consumer.getmany(position, max_records=max_records - len(taken))
            except Exception as error:
                if not _is_about_records(error):
                    if taken:
                        break  # it will be raised again, with nothing in hand
                    raise
                detail = (
                    f"partition {position.partition} can't be decoded from offset {offset} on "
                    f"({type(error).__name__})"
                )
                self._unreadable[position] = (now + _RETRY_SECONDS, detail)
                self._report(position.partition, detail)
                continue
            if records:
                self._unreadable.pop(position, None)
                taken += records[position]
            if len(taken) >= max_records:
                break
        return taken


def _standing(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """Where the consumer stands. Its own `position` waits for partitions that stand nowhere yet."""
    subscription = consumer._subscription.subscription  # noqa: SLF001
    if subscription is None or subscription.assignment is None:
        return {}
    assignment = subscription.assignment
    states = {position: assignment.state_value(position) for position in assignment.tps}
    return {
        position: state.position for position, state in states.items() if state.has_valid_position
    }


def _is_about_records(error: Exception) -> bool:
    """Whether bytes could not be decoded, as opposed to Kafka being away or refusing."""
    if isinstance(error, CorruptRecordException | UnsupportedCodecError):
        return True
    return not isinstance(error, KafkaError | ConsumerStoppedError)
