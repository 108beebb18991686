"""Dead letters of the raw topic."""

from datetime import UTC, datetime

from purposewatch_shared.dead_letter import DeadLetter, ErrorClass, Header
from purposewatch_shared.kafka.consumer import Record
from purposewatch_shared.submission import RefusedError
from purposewatch_shared.verdict import Position

MAX_ORIGINAL_BYTES = 3 * 1024 * 1024 - 64 * 1024
"""What fits, in base64 and with everything else, into a record of the dead-letters topic."""

_MAX_REASON = 2_000
_LATEST_MS = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)


def write_dead_letter(record: Record, refusal: RefusedError, now: datetime) -> bytes:
    """A `DeadLetter` in JSON that keeps the record whole.

    Only a record too large for the dead-letters topic is left where it is: its dead letter says
    so and names its position, but has neither key, value nor headers.
    """
    reason = str(refusal)
    error_class = refusal.error_class
    key, value, headers = record.key, record.value, record.headers
    if _size(record) > MAX_ORIGINAL_BYTES:
        reason = f"too large to be kept here, look it up where it stands; {reason}"
        error_class = ErrorClass.TOO_LARGE
        key, value, headers = None, None, ()
    # Built without validation, which would take raw bytes for base64.
    letter = DeadLetter.model_construct(
        position=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        timestamp=datetime.fromtimestamp(min(max(0, record.timestamp), _LATEST_MS) / 1000, UTC),
        key=key,
        value=value,
        headers=tuple(Header.model_construct(name=name, value=header) for name, header in headers),
        consumer="ingest",
        error_class=error_class,
        reason=reason[:_MAX_REASON],
        failed_time=now,
    )
    return letter.__pydantic_serializer__.to_json(letter)


def _size(record: Record) -> int:
    headers = sum(len(name.encode()) + len(value or b"") + 40 for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
