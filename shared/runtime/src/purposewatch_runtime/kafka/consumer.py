"""Consume a topic in batches of raw records; move on only when the handler has finished.

A FastStream batch subscriber with manual acknowledgement underneath. Records are handed over as
bytes: parsing is the handler's business, because one bad record must not fail a whole batch.

What could be told apart stands beside it (`polling`, `marks`, `lag`, `patience`). What is left is
one order of steps, from assignment to commit to revocation, that is only right when read together.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka.message import KafkaAckableMessage

from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka.commit_metadata import LostPartitionError, Marks
from purposewatch_runtime.kafka.connection import build_broker
from purposewatch_runtime.kafka.lag import Lag
from purposewatch_runtime.kafka.polling import Polling, Watch
from purposewatch_runtime.kafka.rejected import Record
from purposewatch_runtime.kafka.retry import retry
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service.probes import Check
from purposewatch_runtime.settings import KafkaSettings

__all__ = ["BatchConsumer", "Handler", "Record", "Resume", "StopConsumingError"]

Handler: TypeAlias = Callable[[Sequence[Record]], Awaitable[None]]
Resume: TypeAlias = Callable[[Sequence[int]], Awaitable[Mapping[int, int]]]

_BACKOFF_FIRST_SECONDS = 0.2
_BACKOFF_LAST_SECONDS = 15.0
_POLL_STALE_SECONDS = 10.0
_BATCH_STUCK_SECONDS = 60.0
# Kafka answers a request to join the group only once all members have come, and a request that is
# not answered in time is made again, as another member. So members must be awaited for less long
# than a request may take, and a batch in hand for less long than members are awaited.
_REBALANCE_SHARE = 0.8
_REVOKE_WAIT_SHARE = 0.6
_STOP_WAIT_SECONDS = 25.0

_log = get_logger(__name__)

T = TypeVar("T")


class StopConsumingError(Exception):
    """Raised by a handler: take nothing more in until a person has looked. The message says why."""


class BatchConsumer:
    """Feeds one topic to `handle`, batch by batch, at least once.

    INVARIANT: an offset is committed only after `handle` has returned for a batch that holds it
    and for all batches before it. When `handle` raises, the batch is put back and tried again
    after a pause that grows; `StopConsumingError` puts it back for good.

    Among the records may be a `RejectedRecord`: one that can't be decoded, or that has ended
    several processes. The handler sets it aside as it is.

    With `resume`, positions come from there (every partition asked for -> next offset) whenever
    partitions are assigned, and the broker's committed offsets only serve as a display of progress.
    """

    def __init__(  # noqa: PLR0913 - composition happens once, in each service's app
        self,
        settings: KafkaSettings,
        *,
        topic: str,
        group_id: str,
        client_id: str,
        handle: Handler,
        metric_set: m.MetricSet,
        resume: Resume | None = None,
    ) -> None:
        self.name = f"consumer of {topic}"
        self.stopped: str | None = None
        self._topic = topic
        self._handle = handle
        self._metrics = metric_set
        self._resume = resume
        for spec in (m.CONSUMER_RECORDS, m.CONSUMER_FAILURES, m.CONSUMER_REBALANCES):
            metric_set.start_at_zero(spec, [(topic,)])
        metric_set.gauge(m.CONSUMER_STOPPED).labels(topic).set(0)
        self._assigned: frozenset[int] | None = None
        self._failures = 0
        self._failing = ""
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._batch_since = 0.0
        self._broker = build_broker(settings, client_id=client_id)
        self._subscriber = self._broker.subscriber(
            topic,
            batch=True,
            ack_policy=AckPolicy.MANUAL,
            group_id=group_id,
            auto_offset_reset="earliest",
            session_timeout_ms=settings.kafka_session_timeout_ms,
            heartbeat_interval_ms=max(100, settings.kafka_session_timeout_ms // 4),
            max_records=settings.kafka_max_batch_records,
            batch_timeout_ms=settings.kafka_batch_timeout_ms,
            fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
            listener=_Listener(self),
            rebalance_timeout_ms=int(settings.kafka_request_timeout_ms * _REBALANCE_SHARE),
            parser=self._parse,
            decoder=_whole_message,
            no_reply=True,
        )
        self._subscriber(self._on_batch)
        self._max_records = settings.kafka_max_batch_records
        self._revoke_wait = settings.kafka_request_timeout_ms / 1000 * _REVOKE_WAIT_SHARE
        self._marks = Marks(topic, deaths=settings.kafka_poison_max_crashes, span=self._max_records)
        self._polling = Polling(
            Watch(unreadable=self._report_unreadable, limit=self._marks.limit),
            patience_seconds=settings.kafka_undecodable_seconds,
        )
        self._lag = Lag(topic, metric_set)
        self._measuring: asyncio.Task[None] | None = None
        self._idle_seconds = settings.kafka_batch_timeout_ms / 1000
        # FastStream's own way of taking a batch loses records when a partition can't be decoded.
        self._subscriber.get_msg = self._take  # type: ignore[method-assign]

    async def start(self) -> None:
        """Join the group and begin to consume."""
        self._stopping.clear()
        try:
            await self._broker.start()
        except BaseException:
            await self.stop()
            raise
        if self._consumer is not None:
            self._measuring = asyncio.create_task(self._lag.watch(self._consumer))

    async def stop(self) -> None:
        """Finish the batch in hand, then leave the group."""
        self._stopping.set()
        if self._measuring is not None:
            self._measuring.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout=_STOP_WAIT_SECONDS)
        await self._leave_marks()
        await self._broker.stop()

    async def _leave_marks(self) -> None:
        # Also what is still in hand: who gets here lives, and has only waited too long for Kafka or
        # a database. Restarts meanwhile must not add up against a record.
        if self._consumer is not None:
            await self._marks.close(self._consumer)

    @property
    def failing(self) -> bool:
        """Whether the last batch failed and is being tried again."""
        return self._failures > 0

    async def ready(self) -> Check:
        """Whether records are really being taken in."""
        if self.stopped is not None:
            return Check(ok=False, detail=f"stopped: {self.stopped}")
        consumer = self._consumer
        if consumer is None or self._assigned is None:
            return Check(ok=False, detail="not in the consumer group")
        if self._failures:
            return Check(ok=False, detail=f"retrying after {self._failing}")
        if self._polling.unreadable is not None:
            return Check(ok=False, detail=self._polling.unreadable)
        if not self._idle.is_set():
            busy = time.monotonic() - self._batch_since
            ok = busy < _BATCH_STUCK_SECONDS
            return Check(ok=ok, detail=f"a batch in hand for {busy:.1f} s")
        return await self._fetching(consumer)

    async def _fetching(self, consumer: AIOKafkaConsumer) -> Check:
        now_ms = time.time() * 1000
        assignment = consumer.assignment()
        for position in assignment:
            polled = consumer.last_poll_timestamp(position)
            if polled is None or now_ms - polled > _POLL_STALE_SECONDS * 1000:
                detail = f"no answer from Kafka for partition {position.partition}"
                return Check(ok=False, detail=detail)
            end = consumer.highwater(position)
            if end is not None and await consumer.position(position) > end:
                detail = f"partition {position.partition} is shorter than what was consumed of it"
                return Check(ok=False, detail=detail)
        return Check(ok=True, detail=f"{len(assignment)} partitions")

    @property
    def _consumer(self) -> AIOKafkaConsumer | None:
        return self._subscriber.consumer

    async def _take(self, consumer: AIOKafkaConsumer) -> tuple[Record, ...]:
        if self._stopping.is_set():
            await asyncio.sleep(self._idle_seconds)
            return ()
        records = await self._polling.take(
            consumer, max_records=self._max_records, idle_seconds=self._idle_seconds
        )
        if self._stopping.is_set() or not records:
            return ()  # what was taken is not committed
        self._batch_since = time.monotonic()
        self._idle.clear()
        return tuple(records)

    def _report_unreadable(self, partition: int, detail: str) -> None:
        _log.critical("records can't be read", topic=self._topic, partition=partition, error=detail)
        self._metrics.counter(m.CONSUMER_FAILURES).labels(self._topic).inc()

    async def _parse(self, records: Sequence[Record]) -> KafkaAckableMessage:
        # The built-in parser decodes every header before the handler sees anything: one header
        # that is not UTF-8 would fail, and then skip, the whole batch.
        return KafkaAckableMessage(records, b"", consumer=self._consumer)

    async def _on_batch(self, message: KafkaAckableMessage) -> None:
        records: Sequence[Record] = message.raw_message
        self._lag.begin(_first_offsets(records))
        try:
            if self._consumer is not None:
                await self._marks.before(self._consumer, records)
            await self._handle(self._marks.judge(records))
        except LostPartitionError:
            await asyncio.sleep(_BACKOFF_FIRST_SECONDS)  # the group is being dealt out anew
            await self._rewind(records)
        except StopConsumingError as stop:
            await self._stop_consuming(records, str(stop))
            await self._have_survived(records)
        except Exception as error:  # noqa: BLE001 - nothing may be skipped, whatever went wrong
            await self._have_survived(records)
            await self._put_back(records, error)
        else:
            self._failures = 0
            await self._commit(records)
            self._observe(records, time.monotonic() - self._batch_since)
        finally:
            # Part of a cycle: without this the records live until a garbage collection finds them.
            message.raw_message = ()
            self._idle.set()

    async def _have_survived(self, records: Sequence[Record]) -> None:
        if self._consumer is not None:
            await self._marks.survived(self._consumer, records)

    async def _stop_consuming(self, records: Sequence[Record], reason: str) -> None:
        _log.critical("consumer stopped itself", topic=self._topic, reason=reason)
        self.stopped = reason
        self._metrics.gauge(m.CONSUMER_STOPPED).labels(self._topic).set(1)
        await self._rewind(records)
        self._hold_still()

    def _hold_still(self) -> None:
        """Take nothing in while stopped; the group keeps this member, so nobody else takes over."""
        if self.stopped is not None and self._consumer is not None:
            self._consumer.pause(*self._consumer.assignment())

    async def _put_back(self, records: Sequence[Record], error: Exception) -> None:
        pause = min(_BACKOFF_FIRST_SECONDS * 2**self._failures, _BACKOFF_LAST_SECONDS)
        self._failures = min(self._failures + 1, 30)
        self._failing = type(error).__name__
        self._metrics.counter(m.CONSUMER_FAILURES).labels(self._topic).inc()
        _log.error(
            "batch failed; it will be tried again",
            topic=self._topic,
            records=len(records),
            error=f"{type(error).__name__}: {error}",
            retry_seconds=pause,
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), timeout=pause)
        await self._rewind(records)

    async def _rewind(self, records: Sequence[Record]) -> None:
        """Go back to the first record of the batch in every partition that is still ours.

        INVARIANT: never seek forward. A partition that was taken away and given back meanwhile
        already stands at its committed offset, which is not behind this batch's first record.
        """
        await self._go_back(_first_offsets(records))
        if self._resume is not None:  # it may stand further back by now
            with contextlib.suppress(Exception):
                await self.resume_again()

    async def resume_again(self) -> None:
        """Go back to where `resume` says, in every partition in which that lies behind."""
        if self._resume is not None and self._assigned:
            await self._go_back(await self._resume(sorted(self._assigned)))

    async def _go_back(self, offsets: Mapping[int, int]) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        for partition, offset in offsets.items():
            position = TopicPartition(self._topic, partition)
            try:
                if await consumer.position(position) > offset:
                    consumer.seek(position, offset)
            except (IllegalStateError, KafkaError):
                continue  # no longer ours; its new owner starts from the committed offset

    async def _commit(self, records: Sequence[Record]) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        finished = {partition: offset + 1 for partition, offset in _last_offsets(records).items()}
        self._lag.finished(finished)
        try:
            await consumer.commit(self._marks.after(finished))
        except (IllegalStateError, KafkaError) as error:
            # The work is done and confirmed. Whoever owns the partition now repeats it at worst.
            _log.info("offsets not committed", topic=self._topic, error=type(error).__name__)

    def _observe(self, records: Sequence[Record], seconds: float) -> None:
        self._metrics.counter(m.CONSUMER_RECORDS).labels(self._topic).inc(len(records))
        self._metrics.histogram(m.CONSUMER_BATCH_RECORDS).labels(self._topic).observe(len(records))
        self._metrics.histogram(m.CONSUMER_BATCH_SECONDS).labels(self._topic).observe(seconds)

    async def assigned(self, partitions: Sequence[int]) -> None:
        """Called by the group's coordinator once it has given this process its partitions."""
        consumer = self._consumer
        if consumer is not None and partitions:
            await self._begin(consumer, partitions)
        self._hold_still()
        self._assigned = frozenset(partitions)
        self._metrics.counter(m.CONSUMER_REBALANCES).labels(self._topic).inc()
        _log.info("partitions assigned", topic=self._topic, partitions=sorted(partitions))

    async def _begin(self, consumer: AIOKafkaConsumer, partitions: Sequence[int]) -> None:
        positions = [TopicPartition(self._topic, partition) for partition in partitions]
        # INVARIANT: paused before the first await. Records are delivered while this runs, before
        # it is known how many at once, and perhaps not those to start with.
        consumer.pause(*positions)
        offsets = await self._patiently(
            partial(self._marks.inherit, consumer, partitions), "marks not read"
        )
        if self._resume is not None:
            offsets = await self._patiently(partial(self._resume, partitions), "positions not read")
            for position in positions:
                consumer.seek(position, offsets[position.partition])
        self._lag.assigned(partitions, offsets)
        consumer.resume(*positions)

    async def _patiently(self, attempt: Callable[[], Awaitable[T]], failure: str) -> T:
        # The caller swallows what escapes here, and leaving the group waits for it.
        def failed(error: BaseException) -> None:
            detail = f"{type(error).__name__}: {error}"
            _log.error(failure, topic=self._topic, error=detail)

        return await retry(
            attempt,
            stopping=self._stopping,
            failed=failed,
            first_seconds=_BACKOFF_FIRST_SECONDS,
            last_seconds=_BACKOFF_LAST_SECONDS,
        )

    async def revoked(self) -> None:
        """Called by the group's coordinator before the partitions are dealt out again.

        Waits a while for the batch in hand, so that its offsets are committed by this process and
        not repeated by the next.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout=self._revoke_wait)
        await self._leave_marks()
        self._lag.forget()
        self._assigned = None
        self._polling.forget()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, owner: BatchConsumer) -> None:
        self._owner = owner

    async def on_partitions_revoked(self, _: set[TopicPartition]) -> None:
        await self._owner.revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._owner.assigned([position.partition for position in assigned])


async def _whole_message(message: KafkaAckableMessage) -> KafkaAckableMessage:
    """Hand the message to the handler as it is: its body is decoded record by record there."""
    return message


def _first_offsets(records: Sequence[Record]) -> dict[int, int]:
    first: dict[int, int] = {}
    for record in records:
        first.setdefault(record.partition, record.offset)
    return first


def _last_offsets(records: Sequence[Record]) -> dict[int, int]:
    return {record.partition: record.offset for record in records}
