"""Consume a topic in batches of raw records, at least once.

Records are handed over as bytes: the handler parses them, because one bad record must not fail a
whole batch. This module is the order of the steps, from assignment to commit to revocation, which
is only right when it is read as one. The parts stand beside it: polling, commit metadata, lag,
offsets and the consumer's state.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from purposewatch_contract import MESSAGES, declared_topic
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka.assignment import Assignment, Resume
from purposewatch_runtime.kafka.commit_metadata import CommitMetadata, LostPartitionError
from purposewatch_runtime.kafka.connection import build_broker
from purposewatch_runtime.kafka.consumer_metrics import ConsumerMetrics
from purposewatch_runtime.kafka.consumer_state import ConsumerState
from purposewatch_runtime.kafka.lag import Lag
from purposewatch_runtime.kafka.offsets import (
    check_fetching,
    first_offsets,
    next_offsets,
    seek_back,
)
from purposewatch_runtime.kafka.polling import PollCallbacks, Poller
from purposewatch_runtime.kafka.rejected import Record
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.service.probes import Check
from purposewatch_runtime.settings import KafkaSettings

Handler: TypeAlias = Callable[[Sequence[Record]], Awaitable[None]]
Verify: TypeAlias = Callable[[Sequence[Record]], Awaitable[Sequence[Record]]]

_BACKOFF = Backoff(first_seconds=0.2, last_seconds=15.0)
# Kafka answers a request to join the group only once all members have joined, and a request that is
# not answered in time is sent again, as another member. So Kafka must wait for members for less
# long than a request may take, and a member for its batch for less long than Kafka waits for it.
_REBALANCE_SHARE = 0.8
_REVOKE_WAIT_SHARE = 0.6
_STOP_WAIT_SECONDS = 25.0

_log = get_logger(__name__)


class StopConsumingError(Exception):
    """Raised by a handler: consume nothing more until a person has looked. The text says why."""


class BatchConsumer:
    """Feeds one topic to `handle`, batch by batch, at least once.

    INVARIANT: an offset is committed only after `handle` has returned for a batch that holds it
    and for all batches before it. When `handle` raises, the batch is put back and tried again with
    back-off; `StopConsumingError` puts it back for good.

    Among the records may be a `RejectedRecord`: one that can't be decoded, that crashed several
    processes, or that `verify` put in place of another. The handler dead-letters it as it is.

    With `resume`, positions come from there (every partition asked for -> next offset) whenever
    partitions are assigned, and the committed offsets in Kafka only show progress.

    `on_assignment` gets all partitions that are assigned, whenever they are. It must return at
    once: no heartbeats are sent meanwhile.
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
        on_assignment: Callable[[Collection[int]], None] | None = None,
        verify: Verify | None = None,
    ) -> None:
        self.name = f"consumer of {topic}"
        self.group_id = group_id
        self._topic = topic
        self._handle = handle
        self._metrics = ConsumerMetrics(topic, metric_set)
        self._resume = resume
        self._on_assignment = on_assignment
        self._verify = verify
        self._state = ConsumerState(_BACKOFF)
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._max_records = settings.kafka_max_batch_records
        self._idle_seconds = settings.kafka_batch_timeout_ms / 1000
        self._revoke_wait = settings.kafka_request_timeout_ms / 1000 * _REVOKE_WAIT_SHARE
        self._metadata = CommitMetadata(
            topic, max_crashes=settings.kafka_poison_max_crashes, span=self._max_records
        )
        self._assignment = Assignment(topic, self._metadata, resume, _BACKOFF)
        self._poller = Poller(
            PollCallbacks(unreadable=self._report_unreadable, limit=self._metadata.limit),
            retry_seconds=settings.kafka_undecodable_seconds,
            fetch_wait_ms=settings.kafka_fetch_max_wait_ms,
        )
        self._lag = Lag(topic, metric_set)
        self._measuring: asyncio.Task[None] | None = None
        self._broker = build_broker(settings, client_id=client_id)
        declared = declared_topic(settings.topic_prefix, topic)
        self._subscriber = self._broker.record_subscriber(
            topic,
            self._on_batch,
            poll=self._poll,
            group_id=group_id,
            listener=_Listener(self),
            consumer_options={
                "auto_offset_reset": "earliest",
                "session_timeout_ms": settings.kafka_session_timeout_ms,
                "heartbeat_interval_ms": max(100, settings.kafka_session_timeout_ms // 4),
                "fetch_max_wait_ms": settings.kafka_fetch_max_wait_ms,
                "rebalance_timeout_ms": int(settings.kafka_request_timeout_ms * _REBALANCE_SHARE),
            },
            messages=[MESSAGES[each] for each in declared.schemas] if declared else (),
            description=declared.description if declared else None,
        )

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
        """Finish the batch in flight, then leave the group."""
        self._stopping.set()
        if self._measuring is not None:
            self._measuring.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout=_STOP_WAIT_SECONDS)
        await self._release()
        await self._broker.stop()

    @property
    def broker(self) -> KafkaBroker:
        """The broker that the consumer is registered with, for AsyncAPI."""
        return self._broker

    @property
    def failing(self) -> bool:
        """Whether the last batch failed and is being tried again."""
        return self._state.failures > 0

    @property
    def stopped(self) -> str | None:
        """Why the consumer stopped itself; `None` while it consumes."""
        return self._state.stopped

    async def ready(self) -> Check:
        """Whether records are really being consumed."""
        problem = self._state.problem(time.monotonic(), self._poller.unreadable)
        if problem is not None:
            return problem
        if self._consumer is None:
            return Check(ok=False, detail="not in the consumer group")
        return await check_fetching(self._consumer, time.time() * 1000)

    @property
    def _consumer(self) -> AIOKafkaConsumer | None:
        return self._subscriber.consumer

    async def _poll(self, consumer: AIOKafkaConsumer) -> Sequence[Record]:
        if self._stopping.is_set():
            await asyncio.sleep(self._idle_seconds)
            return ()
        records = await self._poller.poll(
            consumer, max_records=self._max_records, idle_seconds=self._idle_seconds
        )
        if self._stopping.is_set() or not records:
            return ()  # what was taken is not committed
        self._state.begin(time.monotonic())
        self._idle.clear()
        return records

    async def _on_batch(self, message: KafkaAckableMessage) -> None:
        records: Sequence[Record] = message.raw_message
        self._lag.begin(first_offsets(records))
        try:
            if self._consumer is not None:
                await self._metadata.before(self._consumer, records)
            accepted = self._metadata.reject_poison(records)
            if self._verify is not None:
                accepted = await self._verify(accepted)
            await self._handle(accepted)
        except LostPartitionError:
            await asyncio.sleep(_BACKOFF.first_seconds)  # a rebalance is under way
            await self._rewind(records)
        except StopConsumingError as stop:
            await self._stop_consuming(records, str(stop))
            await self._survived(records)
        except Exception as error:  # noqa: BLE001 - nothing may be skipped, whatever went wrong
            await self._survived(records)
            await self._put_back(records, error)
        else:
            self._state.succeeded()
            await self._commit(records)
            self._metrics.finished(len(records), self._state.seconds(time.monotonic()))
        finally:
            # Part of a cycle: without this the records live until a garbage collection finds them.
            message.raw_message = ()
            self._state.end()
            self._idle.set()

    async def _survived(self, records: Sequence[Record]) -> None:
        if self._consumer is not None:
            await self._metadata.survived(self._consumer, records)

    async def _stop_consuming(self, records: Sequence[Record], reason: str) -> None:
        _log.critical("consumer stopped itself", topic=self._topic, reason=reason)
        self._state.stopped = reason
        self._metrics.stopped.set(1)
        await self._rewind(records)
        self._pause_if_stopped()

    def _pause_if_stopped(self) -> None:
        """Consume nothing while stopped; the member stays in the group, so nobody takes over."""
        if self.stopped is not None and self._consumer is not None:
            self._consumer.pause(*self._consumer.assignment())

    async def _put_back(self, records: Sequence[Record], error: Exception) -> None:
        pause = self._state.failed(error)
        self._metrics.failures.inc()
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
        """Go back to the first record of the batch in every partition that is still assigned."""
        if self._consumer is not None:
            await seek_back(self._consumer, self._topic, first_offsets(records))
        if self._resume is not None:  # it may be further back now
            with contextlib.suppress(Exception):
                await self.resume_again()

    async def resume_again(self) -> None:
        """Go back to where `resume` says, in every partition in which that is further back."""
        if self._resume is not None and self._state.assigned:
            offsets = await self._resume(sorted(self._state.assigned))
            if self._consumer is not None:
                await seek_back(self._consumer, self._topic, offsets)

    async def _commit(self, records: Sequence[Record]) -> None:
        if self._consumer is None:
            return
        finished = next_offsets(records)
        self._lag.finished(finished)
        try:
            await self._consumer.commit(self._metadata.after(finished))
        except (IllegalStateError, KafkaError) as error:
            # The batch is finished. At worst, the next owner of the partition repeats it.
            _log.info("offsets not committed", topic=self._topic, error=type(error).__name__)

    def _report_unreadable(self, partition: int, detail: str) -> None:
        _log.critical("records can't be read", topic=self._topic, partition=partition, error=detail)
        self._metrics.failures.inc()

    async def assigned(self, partitions: Sequence[int]) -> None:
        """Called by the group's coordinator once it has assigned partitions to this process."""
        if self._on_assignment is not None:
            self._on_assignment(partitions)  # before any record of them is consumed
        consumer = self._consumer
        if consumer is not None and partitions:
            offsets = await self._assignment.begin(consumer, partitions, self._stopping)
            self._lag.assigned(partitions, offsets)
        self._pause_if_stopped()
        self._state.assigned = frozenset(partitions)
        self._metrics.rebalances.inc()
        _log.info("partitions assigned", topic=self._topic, partitions=sorted(partitions))

    async def revoked(self) -> None:
        """Called by the group's coordinator before the partitions are assigned again.

        Waits a while for the batch in flight, so that this process commits its offsets and the next
        owner does not repeat it.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout=self._revoke_wait)
        await self._release()
        self._lag.forget()
        self._state.assigned = None
        self._poller.forget()

    async def _release(self) -> None:
        # Also what is still in flight: this process has not crashed, it only waited too long for
        # Kafka or a database. Restarts in such a time must not count against a record.
        if self._consumer is not None:
            await self._metadata.release(self._consumer)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, owner: BatchConsumer) -> None:
        self._owner = owner

    async def on_partitions_revoked(self, _: set[TopicPartition]) -> None:
        await self._owner.revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._owner.assigned([position.partition for position in assigned])
