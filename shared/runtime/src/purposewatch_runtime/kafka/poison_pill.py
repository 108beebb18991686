"""Finds the record that crashes the process repeatedly, without a database.

A process that a record crashes (in native code, or out of memory) leaves nothing behind but what
it had committed. So every commit carries `PartitionMetadata` in Kafka's own metadata field. From
it the next owner of the partition sees that its predecessor crashed, processes smaller batches,
then single records, and commits each record's offset before it processes the record.
"""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

_SMALL_BATCH = 32


class BatchSize(IntEnum):
    """How many records of a partition are processed at once."""

    NORMAL = 0
    SMALL = 1
    SINGLE = 2


@dataclass(frozen=True, slots=True)
class PartitionMetadata:
    """What is committed beside a partition's offset."""

    owner: str = ""
    """The process that processes the partition; empty when it left cleanly."""
    batch_size: BatchSize = BatchSize.NORMAL
    until: int = 0
    """The first offset that is not under suspicion."""
    crashes: int = 0
    """How many processes in a row began with the record at the committed offset, alone in its
    batch, and have not come back."""

    def __str__(self) -> str:
        """Render as Kafka stores it; empty when there is nothing to say.

        The names of the fields are a format: processes of the last release read them, too.
        """
        if not self.owner and self.batch_size is BatchSize.NORMAL:
            return ""
        fields = {
            "by": self.owner,
            "step": self.batch_size,
            "until": self.until,
            "alone": self.crashes,
        }
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read what Kafka stores. What another tool committed there is ignored."""
        try:
            fields = json.loads(text or "{}")
            return cls(
                owner=str(fields.get("by", "")),
                batch_size=BatchSize(fields.get("step", 0)),
                until=int(fields.get("until", 0)),
                crashes=int(fields.get("alone", 0)),
            )
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()


class PoisonPillDetector:
    """Which record of one partition crashes processes, from its assignment on. Pure.

    INVARIANT: a record is rejected only after `max_crashes` processes in a row began with it alone
    in a batch and ended without leaving the group. A process that was killed for another reason,
    however often, finished records in between or had none in flight; both clear a record. Only a
    process that is killed while all wait for Kafka or a database may count wrongly.
    """

    def __init__(
        self,
        metadata: PartitionMetadata,
        offset: int,
        *,
        owner: str,
        max_crashes: int,
        span: int,
    ) -> None:
        """Start from the `metadata` at the committed `offset`; `span` is the largest batch."""
        self._owner = owner
        self._max_crashes = max_crashes
        self._offset = offset
        own = metadata.owner == owner  # this process has not crashed
        self._crashes = self._crashes_before = 0 if own else metadata.crashes
        self._batch_size, self._until = metadata.batch_size, metadata.until
        self._open = False
        if metadata.owner not in ("", owner):
            self._suspect(metadata, offset, span)

    def _suspect(self, metadata: PartitionMetadata, offset: int, span: int) -> None:
        if metadata.batch_size is BatchSize.NORMAL or metadata.until <= offset:
            self._batch_size, self._until = BatchSize.SMALL, offset + span
        elif metadata.batch_size is BatchSize.SMALL:
            self._batch_size = BatchSize.SINGLE
            self._until = min(metadata.until, offset + _SMALL_BATCH)

    def limit(self, offset: int) -> int | None:
        """How many records from `offset` on may be processed, alone; `None`: any number."""
        if self._batch_size is BatchSize.NORMAL or offset >= self._until:
            return None
        return _SMALL_BATCH if self._batch_size is BatchSize.SMALL else 1

    def fatal_crashes(self, offset: int) -> int | None:
        """How many processes crashed with the record; `None` while it may still be processed."""
        is_poison = offset == self._offset and self._crashes_before >= self._max_crashes
        return self._crashes_before if is_poison and self.limit(offset) == 1 else None

    def before(self, offset: int) -> PartitionMetadata | None:
        """What to commit at `offset` before the record there is processed; `None`: nothing."""
        if offset != self._offset:
            self._move_to(offset)
        single = self.limit(offset) == 1 and self.fatal_crashes(offset) is None
        if self._open and not single:
            return None
        self._open = True
        if single:
            self._crashes = self._crashes_before + 1
        return self._metadata(self._owner)

    def after(self, offset: int) -> PartitionMetadata:
        """What to commit with `offset` once everything before it is finished."""
        self._move_to(offset)
        if offset >= self._until:
            self._batch_size, self._until = BatchSize.NORMAL, 0
        return self._metadata(self._owner)

    def survived(self) -> PartitionMetadata | None:
        """What to commit when the batch failed without a crash; `None`: nothing."""
        if not self._crashes or self.fatal_crashes(self._offset) is not None:
            return None  # a rejected record was not processed
        self._crashes = self._crashes_before = 0
        return self._metadata(self._owner)

    def released(self) -> tuple[int, PartitionMetadata] | None:
        """What to commit, and where, when the process leaves the partition cleanly."""
        if not self._open:
            return None
        self._crashes = self._crashes_before
        return self._offset, self._metadata("")

    def _move_to(self, offset: int) -> None:
        self._offset, self._crashes, self._crashes_before = offset, 0, 0

    def _metadata(self, owner: str) -> PartitionMetadata:
        return PartitionMetadata(owner, self._batch_size, self._until, self._crashes)
