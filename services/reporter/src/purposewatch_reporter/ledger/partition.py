"""The account of one partition of the events topic."""

from dataclasses import dataclass, field
from datetime import datetime

from purposewatch_reporter.ledger.fingerprint import Mark, Marks
from purposewatch_reporter.ledger.offsets import MAX_INTERVALS, OffsetSet

# Dead letters run ahead of the verdicts when a long history is booked, each a range by itself.
# They may take half of the ranges, so that the verdicts, which close the gaps, never lack one.
_DEAD_LETTER_INTERVALS = MAX_INTERVALS // 2


@dataclass(slots=True)
class PartitionLedger:
    """What has been booked of one partition, as a state machine.

    INVARIANT: `len(accounted) == verdicts + dead_letters`. Whichever of the two comes first for
    an offset accounts for it; everything later about that offset is a repeat.
    """

    base: int = 0
    """The books begin here: what Kafka had deleted before they were opened is not missing."""
    accounted: OffsetSet = field(default_factory=OffsetSet)
    verdicts: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    """Among the verdicts: those whose event repeats an id with the same content."""
    conflicts: int = 0
    """Among the verdicts: those whose event repeats an id with other content."""
    page: int = 0
    """Which life of the partition this is about; see docs/concepts.md, "pages"."""
    opened_time: datetime | None = None
    """When the page was opened; `None` for page 0."""
    marks: Marks = field(default_factory=Marks)
    seen_end: int = 0
    """The highest end of the log that was seen; with `closed_time`, the end of the page."""
    closed_time: datetime | None = None
    """When the next page was opened; `None` for the current page."""

    @property
    def end(self) -> int:
        """One above the highest offset that this page knows of."""
        return max(self.accounted.end, self.base, self.seen_end)

    def has(self, offset: int) -> bool:
        """Whether the offset is booked, or lies before the books."""
        return offset < self.base or offset in self.accounted

    def mark(self, mark: Mark | None) -> None:
        """Remember what stands in the log at an offset that has been booked."""
        self.marks = self.marks.moved_to(mark)

    def open_at(self, offset: int) -> None:
        """Begin the books at `offset`, unless something before it has been booked."""
        first = self.accounted.first
        self.base = offset if first is None else min(first, offset)

    def book_verdict(self, offset: int) -> bool:
        """Account for an event by its verdict; False when it was accounted for before."""
        if not self.accounted.book(offset):
            return False
        if offset < self.base:  # noqa: PLR1730 - `min` would be called for every event
            self.base = offset
        self.verdicts += 1
        return True

    def book_verdicts(self, offset: int, size: int) -> bool:
        """Account for as many events in a row (at least one), if the books end where they begin.

        Otherwise False, and they must be booked one by one.
        """
        if offset < self.base or not self.accounted.extend(offset, size):
            return False
        self.verdicts += size
        return True

    def book_dead_letter(self, offset: int) -> bool:
        """Account for an event by its dead letter; False when it was accounted for before."""
        if not self.accounted.book(offset, limit=_DEAD_LETTER_INTERVALS):
            return False
        self.base = min(self.base, offset)
        self.dead_letters += 1
        return True
