"""The ledger of one partition of the events topic."""

from dataclasses import dataclass, field
from datetime import datetime

from purposewatch_reporter.ledger.fingerprint import LogFingerprint, RecordFingerprint
from purposewatch_reporter.ledger.offsets import MAX_INTERVALS, OffsetSet

# Dead letters run ahead of the verdicts when a long history is recorded, each a range by itself.
# They may take half of the ranges, so that the verdicts, which close the gaps, never lack one.
_DEAD_LETTER_INTERVALS = MAX_INTERVALS // 2


@dataclass(slots=True)
class PartitionLedger:
    """What has been recorded of one partition, as a state machine.

    INVARIANT: `len(accounted) == verdicts + dead_letters`. Whichever of the two comes first for
    an offset accounts for it; everything later about that offset is a repeat.
    """

    base: int = 0
    """The ledger begins here: what Kafka had deleted before its first record is not missing."""
    accounted: OffsetSet = field(default_factory=OffsetSet)
    verdicts: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    """Among the verdicts: those whose event repeats an id with the same content."""
    conflicts: int = 0
    """Among the verdicts: those whose event repeats an id with other content."""
    log_epoch: int = 0
    """Which log of the partition this describes; see docs/concepts.md, "log epochs"."""
    started_time: datetime | None = None
    """When the log epoch was started; `None` for log epoch 0."""
    fingerprint: LogFingerprint = field(default_factory=LogFingerprint)
    seen_end: int = 0
    """The highest end of the log that was seen; with `ended_time`, the end of the log epoch."""
    ended_time: datetime | None = None
    """When the next log epoch was started; `None` for the current log epoch."""

    @property
    def end(self) -> int:
        """One above the highest offset that this log epoch knows of."""
        return max(self.accounted.end, self.base, self.seen_end)

    def has(self, offset: int) -> bool:
        """Whether the offset is recorded, or lies before the ledger."""
        return offset < self.base or offset in self.accounted

    def remember(self, record: RecordFingerprint | None) -> None:
        """Move the fingerprint on to a record that has been recorded."""
        self.fingerprint = self.fingerprint.moved_to(record)

    def start_at(self, offset: int) -> None:
        """Begin the ledger at `offset`, unless something before it has been recorded."""
        first = self.accounted.first
        self.base = offset if first is None else min(first, offset)

    def record_verdict(self, offset: int) -> bool:
        """Account for an event by its verdict; False when it was accounted for before."""
        if not self.accounted.add(offset):
            return False
        if offset < self.base:  # noqa: PLR1730 - `min` would be called for every event
            self.base = offset
        self.verdicts += 1
        return True

    def record_verdicts(self, offset: int, size: int) -> bool:
        """Account for as many events in a row (at least one), if the ledger ends where they begin.

        Otherwise False, and they must be recorded one by one.
        """
        if offset < self.base or not self.accounted.extend(offset, size):
            return False
        self.verdicts += size
        return True

    def record_dead_letter(self, offset: int) -> bool:
        """Account for an event by its dead letter; False when it was accounted for before."""
        if not self.accounted.add(offset, limit=_DEAD_LETTER_INTERVALS):
            return False
        self.base = min(self.base, offset)
        self.dead_letters += 1
        return True
