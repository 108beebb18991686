"""Follows the partitions of the facts topic that this auditor needs, and keeps the state current.

A consumer without a group reads the partitions of the same numbers as those of the events that the
group has assigned to this auditor. What costs time happens here and not in the group's callback,
during which no heartbeats are sent.
"""

import asyncio
import time
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_auditor.facts.environment import CorruptStateError
from purposewatch_auditor.facts.identity import Finding, compare
from purposewatch_auditor.facts.progress import Progress
from purposewatch_auditor.facts.state import Position
from purposewatch_auditor.facts.writer import StateWriter
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    LogView,
    PollCallbacks,
    Poller,
    Record,
    build_follower,
    positions,
)
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.settings import KafkaSettings

_BACKOFF = Backoff(first_seconds=0.2, last_seconds=15.0)
_POLL_RECORDS = 10_000
_POLL_SECONDS = 0.2
"""Until partitions that were assigned are noticed; what is fetched ends the wait at once."""
_MANY_RECORDS = 1_000
"""As many at once are the sign of a restore."""
_GATHERED_RECORDS = 30_000
"""Read while a transaction is written, at most: some 30 MB."""
_COMPARE_SECONDS = 10.0
"""How often the state is compared with the log, which may be replaced at any time."""
_NOTE_SECONDS = 600.0
"""How often it is noted that a position is still the end of the log."""
_IDLE_SECONDS = 0.05

_log = get_logger(__name__)


class FactsReader:
    """Keeps the state of the followed partitions at the end of the topic."""

    def __init__(  # noqa: PLR0913 - composition happens once, in the ledger
        self,
        settings: KafkaSettings,
        *,
        topic: str,
        client_id: str,
        writer: StateWriter,
        log: LogView,
        progress: Progress,
        retention_seconds: float,
        metric_set: m.MetricSet,
    ) -> None:
        """`retention_seconds` is how long the topic keeps tombstones."""
        self._settings = settings
        self._topic = topic
        self._client_id = client_id
        self._writer = writer
        self._log = log
        self._progress = progress
        self._retention = retention_seconds
        self._restarts = metric_set.counter(m.FACTS_STATE_RESTARTS)
        metric_set.start_at_zero(m.FACTS_STATE_RESTARTS, [(each,) for each in m.FACT_RESTARTS])
        self._wanted: frozenset[int] = frozenset()
        self._followed: frozenset[int] = frozenset()
        self._compare_at = 0.0
        self._noted_at = 0.0
        self._corrupt: str | None = None
        self._failures = 0
        self._gathered: list[Record] = []
        self._writing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._poller = Poller(
            PollCallbacks(unreadable=self._report_undecodable, limit=lambda _, __: None),
            retry_seconds=settings.kafka_undecodable_seconds,
            fetch_wait_ms=settings.kafka_fetch_max_wait_ms,
        )

    def follow(self, partitions: Collection[int]) -> None:
        """Follow these partitions from now on, and no others. Returns at once."""
        self._wanted = frozenset(partitions)
        self._progress.expect(self._wanted)

    def compare_soon(self) -> None:
        """Compare the state with the log at the next opportunity."""
        self._compare_at = 0.0

    def discard_soon(self, reason: str) -> None:
        """Restore the whole state at the next opportunity: what was looked up is corrupt."""
        self._corrupt = reason

    async def start(self) -> None:
        """Connect and begin."""
        consumer = build_follower(self._settings, client_id=self._client_id)
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        self._task = asyncio.create_task(self._run(consumer))

    async def stop(self) -> None:
        """Finish what is being written, then disconnect."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _run(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                await self._step(consumer)
            except CorruptStateError as error:
                await self._discard(str(error))
            except Exception as error:  # noqa: BLE001 - tried again, whatever went wrong
                await self._fail(error)

    async def _step(self, consumer: AIOKafkaConsumer) -> None:
        if self._corrupt is not None:
            raise CorruptStateError(self._corrupt)
        now = time.monotonic()
        if self._wanted != self._followed or now >= self._compare_at:
            await self._write_rest()
            await self._choose(consumer, self._wanted)
            self._compare_at = now + _COMPARE_SECONDS
        if not self._followed:
            await asyncio.sleep(_IDLE_SECONDS)
            return
        records = await self._poller.poll(
            consumer, max_records=_POLL_RECORDS, idle_seconds=_POLL_SECONDS
        )
        self._gathered += records
        self._progress.ends_at_least(
            {each.partition: consumer.highwater(each) for each in consumer.assignment()}
        )
        if len(records) < _MANY_RECORDS:
            await self._write_rest()
            self._failures = 0
            self._progress.problem = None
        elif self._writing is None or self._writing.done():
            await self._begin_writing(consumer)
        elif len(self._gathered) >= _GATHERED_RECORDS:
            await self._writing
            await self._begin_writing(consumer)

    async def _write_rest(self) -> None:
        """Write everything that was read, and wait for it."""
        consumer = self._consumer
        if consumer is None:
            return
        await self._begin_writing(consumer)
        if self._writing is not None:
            await self._writing
            self._writing = None

    async def _begin_writing(self, consumer: AIOKafkaConsumer) -> None:
        if self._writing is not None:
            await self._writing  # raises what went wrong
            self._writing = None
        # Positions pass by batches of which compaction has left no record.
        reached = {
            each.partition: offset
            for each, offset in positions(consumer).items()
            if each.partition in self._followed
        }
        standing = self._writer.positions
        moved = {p: offset for p, offset in reached.items() if offset > standing[p].offset}
        now = time.monotonic()
        if moved or now - self._noted_at > _NOTE_SECONDS:
            self._noted_at = now
            records, self._gathered = self._gathered, []
            self._writing = asyncio.create_task(self._write(records, reached))

    async def _write(self, records: list[Record], reached: Mapping[int, int]) -> None:
        current = [p for p, offset in reached.items() if offset >= self._progress.end(p)]
        await self._writer.apply(records, reached, current)
        self._progress.reached(reached)

    async def _choose(self, consumer: AIOKafkaConsumer, wanted: frozenset[int]) -> None:
        """Follow these partitions, each from where its state stands once it has been compared."""
        if not wanted:
            consumer.unsubscribe()
            self._followed = wanted
            return
        begins, ends = await self._log.begins(wanted), await self._log.ends(wanted)
        changed = wanted != self._followed
        for partition in sorted(wanted):
            changed |= await self._compare(partition, begins[partition], ends[partition])
        self._progress.compared(
            {partition: self._writer.positions[partition].offset for partition in wanted}, ends
        )
        if not changed:
            return
        consumer.assign([TopicPartition(self._topic, partition) for partition in wanted])
        for partition in wanted:
            offset = self._writer.positions[partition].offset
            consumer.seek(TopicPartition(self._topic, partition), offset)
        self._poller.forget()
        self._followed = wanted

    async def _compare(self, partition: int, begins: int, ends: int) -> bool:
        """Compare the state of a partition with the log; return whether it is to be rebuilt."""
        position = self._writer.positions.get(partition)
        if position is None or partition not in self._followed:
            position = await self._writer.open(partition)
        if position is None:
            await self._writer.restart(partition, begins)
            return True
        finding = compare(
            position,
            begins=begins,
            ends=ends,
            found=await self._samples(partition, position, begins, ends),
            now=time.time(),
            retention_seconds=self._retention,
        )
        if finding is Finding.SAME:
            self._writer.positions.setdefault(partition, position)
            return False
        _log.warning(
            "state of facts is restored from the topic",
            partition=partition,
            reason=finding.value,
            offset=position.offset,
            log_end=ends,
        )
        self._restarts.labels(finding.value).inc()
        self._progress.forget(partition)
        await self._writer.restart(partition, begins)
        return True

    async def _samples(
        self, partition: int, position: Position, begins: int, ends: int
    ) -> Mapping[int, Record]:
        """The record at the latest sample that the log still has: one is enough to tell."""
        for sample in reversed(position.samples):
            if begins <= sample.offset < ends:
                found = await self._log.records(partition, [sample.offset])
                if found:
                    return found
        return {}

    async def _discard(self, reason: str) -> None:
        _log.error("state of facts is corrupt; it will be restored", error=reason)
        self._restarts.labels("corrupt").inc()
        self._forget()
        # INVARIANT: without positions, nothing is looked up in a state that is being restored.
        self._progress.forget_all()
        try:
            await self._writer.discard()
            self._corrupt = None
        except Exception as error:  # noqa: BLE001 - the next attempt may go better
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        self._failures += 1
        self._progress.problem = type(error).__name__
        pause = _BACKOFF.pause(self._failures)
        _log.warning(
            "facts not read",
            topic=self._topic,
            error=f"{type(error).__name__}: {error}",
            retry_seconds=round(pause, 3),
        )
        self._forget()
        await asyncio.sleep(pause)

    def _forget(self) -> None:
        """Begin again with what is in the state."""
        if self._writing is not None:
            self._writing.cancel()
        self._writing = None
        self._gathered.clear()
        self._followed = frozenset()

    def _report_undecodable(self, partition: int, detail: str) -> None:
        _log.critical(
            "records of the facts topic can't be decoded", partition=partition, error=detail
        )
