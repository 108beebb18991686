"""Take fetched records from a consumer so that an unreadable partition does not affect the others.

`AIOKafkaConsumer.getmany` decodes while it takes. When a partition's bytes can't be decoded (a
header's name that is not UTF-8, a broken compression), it raises, and drops what it took from other
partitions in the same call, whose positions have moved: those records would be lost.
"""

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

from purposewatch_runtime.kafka.aiokafka_internals import positions, set_fetch_wait, wait_for_fetch
from purposewatch_runtime.kafka.record_batch import salvage
from purposewatch_runtime.kafka.rejected import Record

_RETRY_SECONDS = 5.0
_BY_PARTITION_SECONDS = 15.0

_IDLE_AFTER_SECONDS = 2.0
_IDLE_POLL_SECONDS = 0.2
_IDLE_FETCH_WAIT_MS = 100
"""How long a fetch may take while nothing arrives, at least.

A broker whose long poll is not woken by a new record is asked as often as the setting says, which
costs a good part of a core; while idle, the first record may take this long instead.
"""

_MAX_BYTES = 16 * 1024 * 1024
"""Of the values in a batch, about: a fetch is bounded in bytes as Kafka has them, compressed."""
_STEP_RECORDS = 128


@dataclass(frozen=True, slots=True)
class PollCallbacks:
    """What the poller asks and reports."""

    unreadable: Callable[[int, str], None]
    """Called for every new failure to decode: the partition, and what is wrong."""
    limit: Callable[[int, int], int | None]
    """How many records of a partition may be taken from an offset on, with no others."""


@dataclass(slots=True)
class DecodeFailure:
    """Where a partition can't be decoded."""

    offset: int
    since: float
    retry_at: float
    detail: str
    due: bool
    """Whether it has just failed once more, at exactly this record, after long enough."""
    handed_over: bool = False
    """Whether the salvaged records were returned, to be finished or put back."""
    rest: int | None = None
    """The offset of what is left of the same batch, which has been tried for as long."""


class Poller:
    """Polls one consumer.

    INVARIANT: what is taken is returned, or its partition is put back to where it stood.

    A record that can't be decoded holds its partition up for `retry_seconds`, in which a restart or
    another replica may help, and is then returned as a `RejectedRecord`. The good records behind it
    in its batch come with it, as they are.
    """

    def __init__(
        self,
        callbacks: PollCallbacks,
        *,
        retry_seconds: float,
        fetch_wait_ms: int = _IDLE_FETCH_WAIT_MS,
    ) -> None:
        """`fetch_wait_ms` is how long a fetch may take while records arrive."""
        self._callbacks = callbacks
        self._retry_seconds = retry_seconds
        self._fetch_wait_ms = fetch_wait_ms
        self._idle_since: float | None = None
        self._failures: dict[TopicPartition, DecodeFailure] = {}
        self._by_partition_until = 0.0

    @property
    def unreadable(self) -> str | None:
        """What can't be read; `None` when everything can."""
        details = [
            failure.detail
            for _, failure in sorted(self._failures.items())
            if not failure.handed_over
        ]
        return "; ".join(details) or None

    def forget(self) -> None:
        """The partitions are revoked."""
        self._failures.clear()

    async def poll(
        self, consumer: AIOKafkaConsumer, *, max_records: int, idle_seconds: float
    ) -> Sequence[Record]:
        """Return what has been fetched, in offset order per partition.

        When there is nothing, waits for the next fetch and returns nothing.
        """
        taken = await self._take(consumer, max_records)
        if not taken:
            taken = await self._salvage(consumer, max_records)
        is_idle = self._is_idle(taken)
        wait = max(self._fetch_wait_ms, _IDLE_FETCH_WAIT_MS) if is_idle else self._fetch_wait_ms
        set_fetch_wait(consumer, wait)
        if not taken:
            # a fetch that brings something ends the wait, so that a long one delays nothing
            long = is_idle and not self._failures
            await wait_for_fetch(consumer, _IDLE_POLL_SECONDS if long else idle_seconds)
        return taken

    def _is_idle(self, taken: Sequence[Record]) -> bool:
        if taken:
            self._idle_since = None
            return False
        now = time.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since > _IDLE_AFTER_SECONDS

    async def _take(self, consumer: AIOKafkaConsumer, max_records: int) -> Sequence[Record]:
        """Return what has been fetched; does not wait.

        INVARIANT: nothing is awaited between reading the positions and taking, or a partition may
        get its first position in between, and could not be put back.
        """
        before = positions(consumer)
        limits = {
            partition: limit
            for partition, offset in before.items()
            if (limit := self._callbacks.limit(partition.partition, offset)) is not None
        }
        if limits or self._failures or time.monotonic() < self._by_partition_until:
            return await self._take_by_partition(consumer, max_records, before, limits)
        taken: list[Record] = []
        try:
            await _take_fetched(consumer, taken, most=max_records)
        except Exception as error:
            before |= {
                TopicPartition(each.topic, each.partition): each.offset + 1 for each in taken
            }
            for partition, offset in before.items():
                if positions(consumer).get(partition, offset) > offset:
                    consumer.seek(partition, offset)
            # The error does not say which partition it is about. It is raised once per fetch, and
            # again by the same partition alone.
            if _is_decode_error(error):
                self._by_partition_until = time.monotonic() + _BY_PARTITION_SECONDS
            elif not taken:
                raise  # otherwise the next poll raises it
        return taken

    async def _take_by_partition(
        self,
        consumer: AIOKafkaConsumer,
        max_records: int,
        before: dict[TopicPartition, int],
        limits: dict[TopicPartition, int],
    ) -> Sequence[Record]:
        # INVARIANT: records of a partition under suspicion are in flight alone, or a crash would
        # prove nothing about them.
        taken: list[Record] = []
        for partition, limit in limits.items():
            if taken := await self._take_from(consumer, partition, before[partition], limit):
                return taken
        for partition, offset in before.items():
            if partition in limits:
                continue
            try:
                most = max_records - len(taken)
                taken += await self._take_from(consumer, partition, offset, most)
            except Exception:
                if not taken:
                    raise  # otherwise the next poll raises it
                break
            if len(taken) >= max_records:
                break
        return taken

    async def _take_from(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int, most: int
    ) -> list[Record]:
        """Return what one partition has, up to a record that can't be decoded."""
        failure = self._failures.get(partition)
        now = time.monotonic()
        if failure is not None:
            due = failure.retry_at <= now
            return await self._take_singly(consumer, partition, offset, most) if due else []
        taken: list[Record] = []
        try:
            # INVARIANT: a call takes from one partition, so that an error drops nothing.
            await _take_fetched(consumer, taken, partition, most=most)
        except Exception as error:
            if _is_decode_error(error):
                # What stands before the record can be had one by one, once it's fetched again.
                at = taken[-1].offset + 1 if taken else offset
                self._note(partition, at, error, now, retry_at=now)
            elif not taken:
                raise  # otherwise the next poll raises it
        return taken

    async def _take_singly(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int, most: int
    ) -> list[Record]:
        """Return the same of a partition with a failure, one by one, to find the record."""
        failure = self._failures[partition]
        now = time.monotonic()
        taken: list[Record] = []
        while len(taken) < most:
            at = taken[-1].offset + 1 if taken else offset
            try:
                records = (await consumer.getmany(partition, max_records=1)).get(partition)
            except Exception as error:
                if _is_decode_error(error):
                    self._note(partition, at, error, now, retry_at=now + _RETRY_SECONDS)
                elif not taken:
                    raise  # otherwise the next poll raises it
                break
            if not records:
                break
            taken += records
        passed = taken and taken[-1].offset >= failure.offset
        if passed and self._failures.get(partition) is failure:
            del self._failures[partition]
        return taken

    def _note(
        self,
        partition: TopicPartition,
        offset: int,
        error: Exception,
        now: float,
        *,
        retry_at: float,
    ) -> None:
        known = self._failures.get(partition)
        detail = (
            f"partition {partition.partition} can't be decoded from offset {offset} on "
            f"({type(error).__name__})"
        )
        since = known.since if known is not None and offset in (known.offset, known.rest) else now
        due = retry_at > now and now - since >= self._retry_seconds
        self._failures[partition] = DecodeFailure(offset, since, retry_at, detail, due)
        if known is None or known.detail != detail:
            self._callbacks.unreadable(partition.partition, detail)

    async def _salvage(self, consumer: AIOKafkaConsumer, max_records: int) -> Sequence[Record]:
        """Return what can be had of a batch that has failed to decode for long enough."""
        for partition, failure in list(self._failures.items()):
            if not failure.due or partition in consumer.paused():
                continue
            failure.due = False
            limit = self._callbacks.limit(partition.partition, failure.offset)
            most = max_records if limit is None else limit
            found = await salvage(consumer, partition, failure.offset, most=most + 1)
            # the partition may have been revoked, or its position moved, meanwhile
            if found and positions(consumer).get(partition) == failure.offset:
                behind = found[:most][-1].offset + 1
                consumer.seek(partition, behind)
                failure.retry_at, failure.handed_over = 0.0, True
                failure.rest = behind if len(found) > most else None
                return found[:most]
        return ()


async def _take_fetched(
    consumer: AIOKafkaConsumer, taken: list[Record], *partitions: TopicPartition, most: int
) -> None:
    """Append what has been fetched, at most `most` records and not much above `_MAX_BYTES`.

    When a step fails, `taken` holds what the steps before it took. Does not wait.
    """
    size = 0
    while len(taken) < most and size < _MAX_BYTES:
        step = min(_STEP_RECORDS, most - len(taken))
        found = await consumer.getmany(*partitions, timeout_ms=0, max_records=step)
        if not found:
            return
        for records in found.values():
            taken += records
            size += sum([len(record.value or b"") for record in records])


def _is_decode_error(error: Exception) -> bool:
    """Whether bytes could not be decoded, as opposed to Kafka being unavailable or refusing."""
    if isinstance(error, CorruptRecordException | UnsupportedCodecError):
        return True
    return not isinstance(error, KafkaError | ConsumerStoppedError)
