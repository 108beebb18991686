"""Take fetched records from a consumer so that one unreadable partition costs the others nothing.

`AIOKafkaConsumer.getmany` decodes while it takes. When a partition's bytes can't be decoded (a
header's name that is not UTF-8, a broken compression), it raises, and drops what it had taken from
other partitions in the same call, whose positions have moved: those records would be lost.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    UnsupportedCodecError,
)

from purposewatch_runtime.kafka.record_batch import rescue
from purposewatch_runtime.kafka.rejected import Record

_RETRY_SECONDS = 5.0
_CAREFUL_SECONDS = 15.0

_MOST_BYTES = 16 * 1024 * 1024
"""Of the values in hand, about: a fetch is bounded as Kafka has it, which is compressed."""
_STEP_RECORDS = 128


@dataclass(frozen=True, slots=True)
class Watch:
    """What polling asks and tells its owner."""

    unreadable: Callable[[int, str], None]
    """Told of every failure: the partition, and what is wrong in plain words."""
    limit: Callable[[int, int], int | None]
    """How many records of a partition may be taken from an offset on, no others with them."""


@dataclass(slots=True)
class _Trouble:
    """Where a partition can't be decoded."""

    offset: int
    since: float
    again: float
    detail: str
    due: bool
    """Whether it has just failed once more, at exactly this record, after long enough."""
    passed: bool = False
    """Whether what stands there has been handed over, to be finished or put back."""
    rest: int | None = None
    """Where more of the same batch stands, which has been tried for as long."""


class Polling:
    """Polls one consumer.

    INVARIANT: what is taken is returned, or its partition is put back to where it stood.

    A record that can't be decoded holds its partition up for `patience_seconds`, in which a
    restart or another replica may help, and is then returned as a `RejectedRecord`. The good ones
    behind it in its batch come with it, as they are.
    """

    def __init__(self, watch: Watch, *, patience_seconds: float) -> None:
        self._watch = watch
        self._patience_seconds = patience_seconds
        self._troubles: dict[TopicPartition, _Trouble] = {}
        self._careful_until = 0.0

    @property
    def unreadable(self) -> str | None:
        """What can't be read, in plain words; `None` when everything can."""
        details = [
            trouble.detail for _, trouble in sorted(self._troubles.items()) if not trouble.passed
        ]
        return "; ".join(details) or None

    def forget(self) -> None:
        """Partitions are dealt out anew."""
        self._troubles.clear()

    async def take(
        self, consumer: AIOKafkaConsumer, *, max_records: int, idle_seconds: float
    ) -> Sequence[Record]:
        """What has been fetched, in offset order per partition.

        When there is nothing, it waits for the next fetch and returns nothing.
        """
        taken = await self._take(consumer, max_records)
        if not taken:
            taken = await self._set_aside(consumer, max_records)
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
        before = _standing(consumer)
        limits = {
            position: limit
            for position, offset in before.items()
            if (limit := self._watch.limit(position.partition, offset)) is not None
        }
        if limits or self._troubles or time.monotonic() < self._careful_until:
            return await self._take_carefully(consumer, max_records, before, limits)
        taken: list[Record] = []
        try:
            await _fetched(consumer, taken, most=max_records)
        except Exception as error:
            before |= {
                TopicPartition(each.topic, each.partition): each.offset + 1 for each in taken
            }
            for position, offset in before.items():
                if _standing(consumer).get(position, offset) > offset:
                    consumer.seek(position, offset)
            # The error does not say which partition it is about. It is raised once per fetch, and
            # again by the same partition alone.
            if _is_about_records(error):
                self._careful_until = time.monotonic() + _CAREFUL_SECONDS
            elif not taken:
                raise  # with something in hand, it will be raised again
        return taken

    async def _take_carefully(
        self,
        consumer: AIOKafkaConsumer,
        max_records: int,
        standing: dict[TopicPartition, int],
        limits: dict[TopicPartition, int],
    ) -> Sequence[Record]:
        # INVARIANT: what is taken from a partition under suspicion is in hand alone, or a death
        # would tell nothing about it.
        taken: list[Record] = []
        for position, limit in limits.items():
            if taken := await self._take_from(consumer, position, standing[position], limit):
                return taken
        for position, offset in standing.items():
            if position in limits:
                continue
            try:
                taken += await self._take_from(consumer, position, offset, max_records - len(taken))
            except Exception:
                if not taken:
                    raise  # with something in hand, it will be raised again
                break
            if len(taken) >= max_records:
                break
        return taken

    async def _take_from(
        self, consumer: AIOKafkaConsumer, position: TopicPartition, offset: int, most: int
    ) -> list[Record]:
        """What one partition has, up to a record that can't be decoded."""
        trouble = self._troubles.get(position)
        now = time.monotonic()
        if trouble is not None:
            singly = trouble.again <= now
            return await self._take_singly(consumer, position, offset, most) if singly else []
        taken: list[Record] = []
        try:
            # INVARIANT: a call takes from one partition, so that an error drops nothing.
            await _fetched(consumer, taken, position, most=most)
        except Exception as error:
            if _is_about_records(error):
                # What stands before the record can be had one by one, once it's fetched again.
                at = taken[-1].offset + 1 if taken else offset
                self._note(position, at, error, now, again=now)
            elif not taken:
                raise  # with something in hand, it will be raised again
        return taken

    async def _take_singly(
        self, consumer: AIOKafkaConsumer, position: TopicPartition, offset: int, most: int
    ) -> list[Record]:
        """The same from a partition in trouble, one by one, to find out where the trouble is."""
        trouble = self._troubles[position]
        now = time.monotonic()
        taken: list[Record] = []
        while len(taken) < most:
            at = taken[-1].offset + 1 if taken else offset
            try:
                records = (await consumer.getmany(position, max_records=1)).get(position)
            except Exception as error:
                if _is_about_records(error):
                    self._note(position, at, error, now, again=now + _RETRY_SECONDS)
                elif not taken:
                    raise  # with something in hand, it will be raised again
                break
            if not records:
                break
            taken += records
        passed = taken and taken[-1].offset >= trouble.offset
        if passed and self._troubles.get(position) is trouble:
            del self._troubles[position]
        return taken

    def _note(
        self, position: TopicPartition, offset: int, error: Exception, now: float, *, again: float
    ) -> None:
        known = self._troubles.get(position)
        detail = (
            f"partition {position.partition} can't be decoded from offset {offset} on "
            f"({type(error).__name__})"
        )
        since = known.since if known is not None and offset in (known.offset, known.rest) else now
        due = again > now and now - since >= self._patience_seconds
        self._troubles[position] = _Trouble(offset, since, again, detail, due)
        if known is None or known.detail != detail:
            self._watch.unreadable(position.partition, detail)

    async def _set_aside(self, consumer: AIOKafkaConsumer, max_records: int) -> Sequence[Record]:
        """A batch that can't be decoded and has been tried for long enough, of one partition."""
        for position, trouble in list(self._troubles.items()):
            if not trouble.due or position in consumer.paused():
                continue
            trouble.due = False
            limit = self._watch.limit(position.partition, trouble.offset)
            most = max_records if limit is None else limit
            found = await rescue(consumer, position, trouble.offset, most=most + 1)
            # it may have been revoked, or put elsewhere, meanwhile
            if found and _standing(consumer).get(position) == trouble.offset:
                behind = found[:most][-1].offset + 1
                consumer.seek(position, behind)
                trouble.again, trouble.passed = 0.0, True
                trouble.rest = behind if len(found) > most else None
                return found[:most]
        return ()


async def _fetched(
    consumer: AIOKafkaConsumer, taken: list[Record], *positions: TopicPartition, most: int
) -> None:
    """Append what has been fetched, at most so many records and not much above `_MOST_BYTES`.

    When a step fails, `taken` holds what the steps before it have taken. Does not wait.
    """
    size = 0
    while len(taken) < most and size < _MOST_BYTES:
        step = min(_STEP_RECORDS, most - len(taken))
        found = await consumer.getmany(*positions, timeout_ms=0, max_records=step)
        if not found:
            return
        for records in found.values():
            taken += records
            size += sum([len(record.value or b"") for record in records])


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
