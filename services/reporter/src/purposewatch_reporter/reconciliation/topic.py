"""Reconcile the ledger of one topic with its log: is every record accounted for?"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw import RawLedger

GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PartitionReconciliation:
    """One log epoch of one partition, at one moment.

    INVARIANT: with a known log end that is not short,
    `events == verdicts + dead_letters + unaccounted + pending`.

    Of the raw topic, the events are its records, and the verdicts those that have one in the end.
    """

    partition: int
    log_epoch: int
    has_ended: bool
    """Whether its log is gone. Then nothing is pending, and the end is the highest one seen."""
    base: int
    """The first offset that the ledger covers."""
    recorded_end: int
    """One above the highest recorded offset."""
    log_end: int | None
    """One above the last event in Kafka; `None` when it has not been seen."""
    events: int | None
    verdicts: int
    dead_letters: int
    duplicates: int
    conflicts: int
    unaccounted: int
    """Events below the last recorded one with neither a verdict nor a dead letter."""
    pending: int | None
    """Events after the last recorded one, still in flight."""
    log_is_short: bool
    """Kafka holds fewer events than were recorded: the topic was recreated or has lost data."""
    reconciled: bool | None
    """Whether every event is accounted for; `None` while the log's end is unknown."""
    gaps: tuple[tuple[int, int], ...]
    """The first unaccounted ranges, half-open."""
    oldest_open: int | None
    """The lowest offset without a verdict or dead letter, pending ones included."""


def reconcile(
    partition: int, ledger: PartitionLedger, log_end: int | None
) -> PartitionReconciliation:
    """Compare what was recorded with the log.

    The log's end must be read after the ledger, or new records would look like a short log.
    """
    gaps = ledger.accounted.gaps(ledger.base)
    return _reconciliation(
        partition,
        ledger,
        log_end,
        recorded_end=max(ledger.accounted.end, ledger.base),
        verdicts=ledger.verdicts,
        duplicates=ledger.duplicates,
        conflicts=ledger.conflicts,
        unaccounted=sum(end - start for start, end in gaps),
        gaps=tuple(gaps[:GAPS_SHOWN]),
        first_open=gaps[0][0] if gaps else None,
    )


def reconcile_raw(
    partition: int, ledger: RawLedger, log_end: int | None
) -> PartitionReconciliation:
    """The same for the raw topic, whose gaps are not listed."""
    unaccounted = ledger.unaccounted
    return _reconciliation(
        partition,
        ledger,
        log_end,
        recorded_end=ledger.recorded_end,
        verdicts=ledger.accepted,
        duplicates=ledger.repeats,
        conflicts=0,
        unaccounted=unaccounted,
        gaps=(),
        first_open=ledger.settled if unaccounted else None,
    )


def _reconciliation(  # noqa: PLR0913 - what the two kinds of ledger have in common
    partition: int,
    ledger: PartitionLedger | RawLedger,
    log_end: int | None,
    *,
    recorded_end: int,
    unaccounted: int,
    first_open: int | None,
    **numbers: Any,
) -> PartitionReconciliation:
    has_ended = ledger.ended_time is not None
    end = ledger.end if has_ended else log_end
    pending = None if end is None else max(0, end - recorded_end)
    short = end is not None and end < max(recorded_end, ledger.seen_end)
    if has_ended:
        unaccounted += pending or 0
        pending = 0
    oldest = first_open if first_open is not None else recorded_end if pending else None
    return PartitionReconciliation(
        partition=partition,
        log_epoch=ledger.log_epoch,
        has_ended=has_ended,
        base=ledger.base,
        recorded_end=recorded_end,
        log_end=end,
        events=None if end is None else max(0, end - ledger.base),
        dead_letters=ledger.dead_letters,
        unaccounted=unaccounted,
        pending=pending,
        log_is_short=short,
        reconciled=None if end is None else not (unaccounted or pending or short),
        oldest_open=None if has_ended else oldest,
        **numbers,
    )


def all_reconciled(partitions: Sequence[PartitionReconciliation]) -> bool | None:
    """Whether all partitions are reconciled.

    `None` when none is known to differ but the log end of one is unknown.
    """
    if any(one.reconciled is False for one in partitions):
        return False
    return None if any(one.reconciled is None for one in partitions) else True


Ledger = TypeVar("Ledger", PartitionLedger, RawLedger)


class LogEnds(Protocol):
    """What is asked of Kafka: see `LogObserver`."""

    async def starts(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        """The lowest offset that each partition still holds."""

    async def ends(
        self, topics: Iterable[str], partitions: Collection[int]
    ) -> Mapping[str, Mapping[int, int]]:
        """One above the last record of these partitions of each topic."""

    async def written_at(self, topic: str, partition: int, offset: int) -> datetime | None:
        """When the record at this offset was written."""


@dataclass(frozen=True, slots=True)
class TopicReconciliation:
    """All partitions of one topic, at one moment."""

    partitions: tuple[PartitionReconciliation, ...] = ()
    """The current log epoch of every partition."""
    ended: tuple[PartitionReconciliation, ...] = ()
    """The earlier log epochs, whose logs are gone."""
    open_since: Mapping[int, datetime] | None = None
    """When the oldest open record of a partition was written, where there is one."""

    @property
    def epochs(self) -> Sequence[PartitionReconciliation]:
        """All log epochs."""
        return (*self.ended, *self.partitions)

    @property
    def lost(self) -> int:
        """Records of ended log epochs that were never accounted for, and never will be."""
        return sum(one.unaccounted for one in self.ended)

    def oldest(self, partition: int) -> datetime | None:
        """Since when the oldest open record of the partition has been open."""
        return (self.open_since or {}).get(partition)


class TopicReconciler(Generic[Ledger]):
    """Reconciles repeatedly, and remembers when the oldest open records were written."""

    def __init__(
        self,
        log: LogEnds,
        topic: str,
        reconcile: Callable[[int, Ledger, int | None], PartitionReconciliation],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._topic = topic
        self._reconcile: Callable[[int, Ledger, int | None], PartitionReconciliation] = reconcile
        self._clock = clock
        self._seen_open: dict[int, tuple[int, datetime]] = {}
        self._previous_ends: Mapping[int, int] | None = None

    def unknown(self, ledgers: Mapping[int, Sequence[Ledger]]) -> TopicReconciliation:
        """What is known without Kafka."""
        return self._reconciled(ledgers, {}, {})

    async def reconcile(
        self, ledgers: Mapping[int, Sequence[Ledger]], ends: Mapping[int, int]
    ) -> TopicReconciliation:
        """Compare ledgers (all epochs by partition) with log ends that were found after them."""
        reconciliation = self._reconciled(ledgers, ends, {})
        since = await self._open_since(reconciliation.partitions)
        self._previous_ends = ends
        return self._reconciled(ledgers, ends, since)

    def _reconciled(
        self,
        ledgers: Mapping[int, Sequence[Ledger]],
        ends: Mapping[int, int],
        since: Mapping[int, datetime],
    ) -> TopicReconciliation:
        all_epochs = [
            [self._reconcile(partition, ledger, ends.get(partition)) for ledger in epochs]
            for partition, epochs in sorted(ledgers.items())
        ]
        return TopicReconciliation(
            partitions=tuple(epochs[-1] for epochs in all_epochs),
            ended=tuple(one for epochs in all_epochs for one in epochs[:-1]),
            open_since=since,
        )

    async def _open_since(
        self, partitions: Sequence[PartitionReconciliation]
    ) -> dict[int, datetime]:
        """When the oldest open record of each partition was written.

        A record that was not there at the previous check is in flight, and not worth a fetch.
        """
        since: dict[int, datetime] = {}
        for one in partitions:
            if one.oldest_open is None:
                continue
            offset, partition = one.oldest_open, one.partition
            seen = self._seen_open.get(partition)
            if seen is not None and seen[0] == offset:
                since[partition] = seen[1]
            elif self._is_new(partition, offset) or offset >= (one.log_end or 0):
                since[partition] = self._clock()
            else:
                written = await self._log.written_at(self._topic, partition, offset)
                since[partition] = written or self._clock()
                self._seen_open[partition] = (offset, since[partition])
        return since

    def _is_new(self, partition: int, offset: int) -> bool:
        return self._previous_ends is not None and offset >= self._previous_ends.get(partition, 0)
