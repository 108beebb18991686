"""What a record is recognised by. Pure; a record that can't be read has no digest."""

import hashlib
import json
from datetime import UTC, datetime

from purposewatch_runtime.kafka import Record

_SIZE = 16


def record_digest(record: Record) -> bytes | None:
    """Of a whole record: for topics that the reporter reads itself."""
    return whole_digest(record.timestamp, record.key, record.value)


def whole_digest(timestamp_ms: int, key: bytes | None, value: bytes | None) -> bytes:
    """Of a record's parts; a null and an empty one differ."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    for part in (str(timestamp_ms).encode(), key, value):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.digest()


def event_digest(source: str, event_id: str, accepted: datetime) -> bytes:
    """Of a canonical event, from what its verdict repeats of it.

    The time of acceptance is part of it: an event that is sent again after its topic was
    recreated is another one, even where it comes to stand in the same place.
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
    """Of a raw record, from what the verdict about it repeats of it."""
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
