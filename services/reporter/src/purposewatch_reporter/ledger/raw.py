"""The ledger of one partition of the raw topic: which records came through ingest.

The records of one raw partition come back through all partitions of the events topic, which may
be far apart from each other. The recorded offsets are therefore many ranges, and are kept as bits:
one for each record above the settled ones, in chunks, of which a batch touches a few.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from purposewatch_reporter.ledger.fingerprint import LogFingerprint, RecordFingerprint

CHUNK = 8_192
"""Offsets per chunk; as bits, one kilobyte."""


@dataclass(slots=True)
class RawLedger:
    """What has been recorded of one partition of the raw topic.

    INVARIANT: the records from `base` to `settled` are recorded, and of those above it the ones
    whose bit is set; their number is `accepted + dead_letters`. Only the chunks that a batch needs
    have to be in `chunks`; one that is not there and not stored has no bits.
    """

    base: int = 0
    """The ledger begins here. Records before it are out of scope."""
    settled: int = 0
    """Below this offset every record is recorded."""
    recorded_end: int = 0
    accepted: int = 0
    """Records whose canonical event has a verdict."""
    dead_letters: int = 0
    """Records that were dead-lettered, by ingest or as canonical events by the auditor."""
    repeats: int = 0
    """Canonical events of a record that had one before: ingest crashed between the two."""
    log_epoch: int = 0
    started_time: datetime | None = None
    fingerprint: LogFingerprint = field(default_factory=LogFingerprint)
    seen_end: int = 0
    ended_time: datetime | None = None
    chunks: dict[int, int] = field(default_factory=dict)

    @classmethod
    def starting_at(cls, offset: int) -> "RawLedger":
        """A ledger that begins at `offset`."""
        return cls(base=offset, settled=offset, recorded_end=offset)

    @property
    def end(self) -> int:
        """One above the highest offset that this log epoch knows of."""
        return max(self.recorded_end, self.seen_end)

    @property
    def unaccounted(self) -> int:
        """Records before the last recorded one that are not recorded."""
        return self.recorded_end - self.base - self.accepted - self.dead_letters

    def has(self, offset: int) -> bool:
        """Whether the record is recorded, or lies before the ledger."""
        if offset < self.settled:
            return True
        return bool(self.chunks.get(offset // CHUNK, 0) >> (offset % CHUNK) & 1)

    def remember(self, record: RecordFingerprint | None) -> None:
        """Move the fingerprint on to a record that has been recorded."""
        self.fingerprint = self.fingerprint.moved_to(record)

    def record_accepted(self, offsets: Iterable[int]) -> int:
        """Account for records by verdicts; how many of them were accounted for before."""
        added, repeats = self._record(offsets)
        self.accepted += added
        self.repeats += repeats
        return repeats

    def record_dead_letters(self, offsets: Iterable[int]) -> None:
        """Account for records by dead letters."""
        added, _ = self._record(offsets)
        self.dead_letters += added

    def settle(self) -> None:
        """Move `settled` up to the first hole, or to the first chunk that is not loaded."""
        while (number := self.settled // CHUNK) in self.chunks:
            bits = self.chunks[number] | (1 << self.settled % CHUNK) - 1
            hole = (~bits & (bits + 1)).bit_length() - 1
            self.settled = number * CHUNK + hole
            if hole < CHUNK:
                return

    def _record(self, offsets: Iterable[int]) -> tuple[int, int]:
        """How many offsets were new, and how many were recorded before."""
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
                self.recorded_end = max(self.recorded_end, offset + 1)
        new = 0
        for number, mask in masks.items():
            before = self.chunks.get(number, 0)
            new += (mask & ~before).bit_count()
            repeats += (mask & before).bit_count()
            self.chunks[number] = before | mask
        return new, repeats


def chunks_of(offsets: Iterable[int]) -> set[int]:
    """The chunks that these offsets lie in."""
    return {offset // CHUNK for offset in offsets}
