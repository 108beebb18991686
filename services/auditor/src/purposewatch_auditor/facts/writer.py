"""Applies records of the facts topic to the state, in a thread of its own.

While a transaction is written, further records gather for the next: many of them while the state is
restored, few while it is current.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias, TypeVar

from purposewatch_auditor.facts.environment import NoSpaceError
from purposewatch_auditor.facts.identity import sample_of, with_sample
from purposewatch_auditor.facts.records import RecordReader, offsets_of
from purposewatch_auditor.facts.state import Change, FactState, Position
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import Record
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff, retry

T = TypeVar("T")

_BACKOFF = Backoff(first_seconds=0.5, last_seconds=15.0)
_NAMED = 10

VerifyNow: TypeAlias = Callable[[Sequence[Record]], Sequence[Record]]

_log = get_logger(__name__)


def _unchecked(records: Sequence[Record]) -> Sequence[Record]:
    return records


class StateWriter:
    """Owns the thread that changes the state, and the positions as committed."""

    def __init__(
        self,
        directory: Path,
        *,
        max_partitions: int,
        verify: VerifyNow = _unchecked,
        metric_set: m.MetricSet,
    ) -> None:
        """`verify` replaces records that nobody should have written by rejected ones."""
        self.positions: dict[int, Position] = {}
        """Of each open partition; what is below its offset is in the state."""
        self.state: FactState | None = None
        self._directory = directory
        self._max_partitions = max_partitions
        self._metrics = metric_set
        self._reader = RecordReader()
        self._verify = verify
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="facts")
        self._applied = metric_set.counter(m.FACTS_APPLIED)
        metric_set.start_at_zero(m.FACTS_APPLIED, [(each,) for each in m.FACT_RECORDS])
        metric_set.gauge(m.FACTS_STATE_BYTES).set_function(self._size)

    async def start(self) -> None:
        """Open the state. Raises `FatalError` when another process has it."""
        self.state = await self.run(
            lambda: FactState(self._directory, max_partitions=self._max_partitions)
        )

    async def stop(self) -> None:
        """Close the state, once what is being written is written."""
        state, self.state = self.state, None
        if state is not None:
            await self.run(state.close)
        self.positions.clear()

    async def run(self, action: Callable[[], T]) -> T:
        """Run something in the thread. A cancelled wait does not stop it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, action)

    async def open(self, partition: int) -> Position | None:
        """Make a partition ready for use; where it stands, unless nothing is known of it."""
        state = self._opened
        return await self.run(lambda: state.open(partition))

    async def restart(self, partition: int, offset: int) -> None:
        """Restore an open partition from this offset of the topic into an empty state."""
        state = self._opened
        # INVARIANT: without a position, nothing is looked up meanwhile.
        self.positions.pop(partition, None)
        await self.run(lambda: state.clear(partition))
        self.positions[partition] = Position(offset, current_at=time.time())

    async def discard(self) -> None:
        """Forget everything."""
        self.positions.clear()
        await self.run(self._opened.discard)

    async def apply(
        self, records: Sequence[Record], reached: Mapping[int, int], current: Container[int]
    ) -> None:
        """Apply records, which bring their partitions to the offsets `reached`.

        That is the end of the log in the partitions `current`. Tries again until there is room.
        Raises `CorruptStateError`.
        """
        state = self._opened
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        positions = {
            partition: _moved(
                self.positions[partition],
                offset,
                by_partition.get(partition),
                time.time() if partition in current else None,
            )
            for partition, offset in reached.items()
        }

        def write() -> tuple[list[Record], int]:
            changes: dict[int, list[Change]] = {}
            unreadable: list[Record] = []
            for partition, each in by_partition.items():
                changes[partition], skipped = self._reader.changes(self._verify(each))
                unreadable += skipped
            state.apply(changes, positions)
            removed = sum(each.value is None for some in changes.values() for each in some)
            return unreadable, removed

        async def attempt() -> tuple[list[Record], int]:
            return await self.run(write)

        unreadable, removed = await retry(
            attempt, backoff=_BACKOFF, on=NoSpaceError, on_failure=self._no_space
        )
        self.positions.update(positions)
        self._count(len(records), unreadable, removed)

    def _count(self, records: int, unreadable: Sequence[Record], removed: int) -> None:
        self._applied.labels("unreadable").inc(len(unreadable))
        self._applied.labels("tombstone").inc(removed)
        self._applied.labels("statement").inc(records - len(unreadable) - removed)
        if unreadable:
            _log.error(
                "records of the facts topic are not statements of facts; they are skipped, and "
                "stay in the topic",
                records=len(unreadable),
                offsets=offsets_of(unreadable[:_NAMED]),
            )

    def _no_space(self, error: BaseException, pause: float) -> None:
        _log.error(
            "no space left for the state of facts; make room under PURPOSEWATCH_FACTS_DIR",
            directory=str(self._directory),
            error=str(error),
            retry_seconds=round(pause, 3),
        )

    @property
    def _opened(self) -> FactState:
        if self.state is None:
            message = "the state of facts is not open"
            raise ConnectionError(message)
        return self.state

    def _size(self) -> float:
        return 0.0 if self.state is None else self.state.size_bytes


def _moved(
    position: Position, offset: int, records: Sequence[Record] | None, current_at: float | None
) -> Position:
    samples = position.samples
    if records:
        samples = with_sample(samples, sample_of(records[-1]))
    return Position(offset, samples, position.current_at if current_at is None else current_at)
