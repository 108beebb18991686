"""Fingerprints: what identifies a log as the one that the ledger describes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordFingerprint:
    """What an offset held when it was read or recorded."""

    offset: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class LogFingerprint:
    """Two records of one log epoch: the first, which stays, and the latest, which moves.

    A log that was rewritten from some offset on differs at the latest record. A log that was
    recreated differs at the first as well, even after the latest has moved on in the new log.
    """

    first: RecordFingerprint | None = None
    latest: RecordFingerprint | None = None

    def moved_to(self, record: RecordFingerprint | None) -> "LogFingerprint":
        """The fingerprint after more has been read; it never moves back."""
        if record is None or (self.latest is not None and record.offset <= self.latest.offset):
            return self
        return LogFingerprint(self.first or record, record)

    def records(self) -> tuple[RecordFingerprint, ...]:
        """Those of the two that are known."""
        return tuple(one for one in (self.first, self.latest) if one is not None)
