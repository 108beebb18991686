"""Fingerprints: what identifies a log as the one that the ledger describes.

Pure. A record that can't be read has no digest.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from purposewatch_runtime.kafka import Record

_SIZE = 16


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


def record_digest(record: Record) -> bytes | None:
    """Digest of a whole record, for topics that the reporter reads itself."""
    return whole_digest(record.timestamp, record.key, record.value)


def whole_digest(timestamp_ms: int, key: bytes | None, value: bytes | None) -> bytes:
    """Digest of the parts of a record; null and empty parts differ."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    for part in (str(timestamp_ms).encode(), key, value):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.digest()


def event_digest(source: str, event_id: str, accepted: datetime) -> bytes:
    """Digest of a canonical event, from what its verdict repeats of it.

    The time of acceptance is part of it: an event that is sent again after its topic was
    recreated is another one, even at the same offset.
    """
    name = f"{source}\0{event_id}\0{accepted.astimezone(UTC).isoformat()}"
    return hashlib.blake2b(name.encode(), digest_size=_SIZE).digest()


def canonical_digest(record: Record) -> bytes | None:
    """The same, from the record of the canonical event."""
    try:
        event = json.loads(record.value or b"")
        accepted = datetime.fromisoformat(event["acceptedtime"])
        return event_digest(event["source"], event["id"], accepted)
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def raw_digest(event_id: str) -> bytes:
    """Digest of a raw record, from what the verdict about it repeats of it."""
    return hashlib.blake2b(event_id.encode(), digest_size=_SIZE).digest()


def submitted_digest(record: Record) -> bytes | None:
    """The same, from the raw record: a CloudEvent in JSON, or with its attributes as headers."""
    for name, value in record.headers:
        if name == "ce_id" and value is not None:
            return hashlib.blake2b(value, digest_size=_SIZE).digest()
    try:
        return raw_digest(json.loads(record.value or b"")["id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
