"""Dead letters of Kafka records: complete, and always small and valid enough to be published."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic_core import to_json

from purposewatch_contract import DeadLetter, ErrorClass, Header, Position
from purposewatch_runtime.kafka.rejected import Record, RejectedRecord
from purposewatch_runtime.logs import get_logger

MAX_ORIGINAL_BYTES = 3 * 1024 * 1024 - 64 * 1024
"""What fits, in base64 and with all other fields, into a record of the dead-letters topic."""

_MAX_REASON = 2_000
_LATEST_MS = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)

_log = get_logger(__name__)


def written_at(record: Record) -> datetime:
    """The record's timestamp; Kafka accepts any number, and the nearest valid date is returned."""
    return datetime.fromtimestamp(min(max(0, record.timestamp), _LATEST_MS) / 1000, UTC)


def dead_letter_of(  # noqa: PLR0913 - the fields of a dead letter
    record: Record,
    *,
    consumer: str,
    error_class: ErrorClass,
    reason: str,
    now: datetime,
    policy_version: str | None = None,
) -> DeadLetter:
    """Return the dead letter that keeps the whole record. Never raises, whatever the record is.

    The dead letter of a record that is too large for the dead-letters topic says so and names its
    position, but has neither key, value nor headers.
    """
    key, value, headers = record.key, record.value, record.headers
    raw = record.raw if isinstance(record, RejectedRecord) else None
    if raw and _size(record) + len(raw) > MAX_ORIGINAL_BYTES:
        raw = None
    if _size(record) > MAX_ORIGINAL_BYTES:
        reason = f"too large to be kept here, read it at its position; {reason}"
        error_class = ErrorClass.TOO_LARGE
        key, value, headers = None, None, ()
    # Built without validation, which would take raw bytes for base64.
    return DeadLetter.model_construct(
        position=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        timestamp=written_at(record),
        key=key,
        value=value,
        headers=tuple(Header.model_construct(name=name, value=header) for name, header in headers),
        raw=raw,
        consumer=consumer,
        error_class=error_class,
        reason=reason[:_MAX_REASON],
        policy_version=policy_version,
        failed_time=now,
    )


def log_dead_letters(letters: Sequence[DeadLetter]) -> None:
    """Log a batch's dead letters: one line for each error class, with the first as the example."""
    counts = Counter(letter.error_class for letter in letters)
    examples = {letter.error_class: letter for letter in reversed(letters)}
    for error_class, records in counts.items():
        first = examples[error_class]
        _log.warning(
            "records dead-lettered",
            error_class=error_class,
            records=records,
            topic=first.position.topic,
            first_partition=first.position.partition,
            first_offset=first.position.offset,
            first_reason=first.reason,
        )


def _size(record: Record) -> int:
    # names are kept as JSON text, in which a control character takes six bytes
    headers = sum(len(to_json(name)) + len(value or b"") + 40 for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
