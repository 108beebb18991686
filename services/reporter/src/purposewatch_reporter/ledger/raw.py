"""The account of one partition of the raw topic: which records came through the gate.

The records of one raw partition come back through all partitions of the events topic, which may
be far apart from each other. So the booked ones are no few ranges, and are kept as bits: one for
each record above the settled ones, in chunks, of which a batch only touches a few.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from purposewatch_reporter.ledger.fingerprint import Mark, Marks

CHUNK = 8_192
"""Offsets per chunk; as bits, one kilobyte."""


@dataclass(slots=True)
class RawLedger:
    """What has been booked of one partition of the raw topic.

    INVARIANT: the records from `base` to `settled` are booked, and of those above it the ones
    whose bit is set; their number is `accepted + dead_letters`. Only the chunks that a batch needs
    have to be in `chunks`; one that is not there and not stored has no bits.
    """

    base: int = 0
    """The books begin here. A record before it is nobody's business."""
    settled: int = 0
    """Below this offset every record is booked."""
    booked_end: int = 0
    accepted: int = 0
    """Records whose canonical event has a verdict."""
    dead_letters: int = 0
    """Records that were set aside, by the gate or as canonical events by the auditor."""
    repeats: int = 0
    """Canonical events of a record that had one before: the gate crashed between the two."""
    page: int = 0
    opened_time: datetime | None = None
    marks: Marks = field(default_factory=Marks)
    seen_end: int = 0
    closed_time: datetime | None = None
    chunks: dict[int, int] = field(default_factory=dict)

    @classmethod
    def opened_at(cls, offset: int) -> "RawLedger":
        """An account that begins at `offset`."""
        return cls(base=offset, settled=offset, booked_end=offset)

    @property
    def end(self) -> int:
        """One above the highest offset that this page knows of."""
        return max(self.booked_end, self.seen_end)

    @property
    def unaccounted(self) -> int:
        """Records before the last booked one that are not booked."""
        return self.booked_end - self.base - self.accepted - self.dead_letters

    def has(self, offset: int) -> bool:
        """Whether the record is booked, or lies before the books."""
        if offset < self.settled:
            return True
        return bool(self.chunks.get(offset // CHUNK, 0) >> (offset % CHUNK) & 1)

    def mark(self, mark: Mark | None) -> None:
        """Remember what stands in the log at an offset that has been booked."""
        self.marks = self.marks.moved_to(mark)

    def book_accepted(self, offsets: Iterable[int]) -> int:
        """Account for records by verdicts; how many of them were accounted for before."""
        news, repeats = self._book(offsets)
        self.accepted += news
        self.repeats += repeats
        return repeats

    def book_dead_letters(self, offsets: Iterable[int]) -> None:
        """Account for records by dead letters."""
        news, _ = self._book(offsets)
        self.dead_letters += news

    def settle(self) -> None:
        """Move `settled` up to the first hole, or to the first chunk that is not at hand."""
        while (number := self.settled // CHUNK) in self.chunks:
            bits = self.chunks[number] | (1 << self.settled % CHUNK) - 1
            hole = (~bits & (bits + 1)).bit_length() - 1
            self.settled = number * CHUNK + hole
            if hole < CHUNK:
                return

    def _book(self, offsets: Iterable[int]) -> tuple[int, int]:
        """How many offsets were new, and how many were booked before."""
        masks: dict[int, int] = {}
        repeats = 0
        for offset in offsets:
            if offset < self.base:
                continue
            number, bit = divmod(offset, CHUNK)
            mask = masks.get(number, 0)
            if offset < self.settled or mask >> bit & 1:
                repeats += 1
            else:
                masks[number] = mask | 1 << bit
                self.booked_end = max(self.booked_end, offset + 1)
        news = 0
        for number, mask in masks.items():
            before = self.chunks.get(number, 0)
            news += (mask & ~before).bit_count()
            repeats += (mask & before).bit_count()
            self.chunks[number] = before | mask
        return news, repeats


def chunks_of(offsets: Iterable[int]) -> set[int]:
    """The chunks that these offsets lie in."""
    return {offset // CHUNK for offset in offsets}
