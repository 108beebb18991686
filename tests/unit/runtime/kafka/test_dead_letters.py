"""A dead letter can always be made, published and read back."""

from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord

from purposewatch_contract import DeadLetter, ErrorClass
from purposewatch_runtime.kafka import MAX_REQUEST_BYTES, Record, RejectedRecord, dead_letter_of
from purposewatch_runtime.kafka.dead_letters import MAX_ORIGINAL_BYTES

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def record(
    value: bytes | None,
    *,
    key: bytes | None = None,
    headers: tuple[tuple[str, bytes], ...] = (),
    timestamp: int = 0,
) -> Record:
    """A record of any kind."""
    return ConsumerRecord(
        topic="events",
        partition=1,
        offset=2,
        timestamp=timestamp,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=headers,
    )


def written(of: Record) -> bytes:
    """The dead letter of a record, as it is published, with a very long reason."""
    letter = dead_letter_of(
        of, consumer="ingest", error_class=ErrorClass.NOT_JSON, reason="x" * 5_000, now=NOW
    )
    return letter.model_dump_json().encode()


def test_largest_record_that_is_kept_fits() -> None:
    """The dead letter of the largest record that can be kept is accepted, and keeps it whole."""
    value = b"\xff" * (MAX_ORIGINAL_BYTES - 3)

    text = written(record(value, key=b"key"))

    assert len(text) < MAX_REQUEST_BYTES - 4_096
    assert DeadLetter.model_validate_json(text).value == value


@pytest.mark.parametrize(
    "beyond",
    [
        record(b"\xff" * (MAX_ORIGINAL_BYTES + 1)),
        record(b"", key=b"\xff" * (MAX_ORIGINAL_BYTES + 1)),
        record(b"", headers=tuple(("h", b"") for _ in range(100_000))),
        record(b"", headers=(("\0" * 800_000, b""),)),  # each takes six bytes in JSON
    ],
    ids=["value", "key", "headers", "header name"],
)
def test_dead_letter_of_a_larger_record_is_its_position(beyond: Record) -> None:
    """The dead letter of a record that is too large names its position and says so."""
    letter = DeadLetter.model_validate_json(written(beyond))

    assert letter.error_class is ErrorClass.TOO_LARGE
    assert (letter.position.partition, letter.position.offset, letter.value) == (1, 2, None)
    assert "at its position" in letter.reason


@pytest.mark.parametrize(
    ("timestamp", "year"), [(-1, 1970), (0, 1970), (2**62, 9999)], ids=["none", "zero", "absurd"]
)
def test_invalid_timestamps_become_dates(timestamp: int, year: int) -> None:
    """The producer sets Kafka's timestamp; any value can be kept."""
    letter = DeadLetter.model_validate_json(written(record(b"x", timestamp=timestamp)))

    assert year - 1 <= letter.timestamp.year <= year


@pytest.mark.parametrize(("size", "kept"), [(10, True), (MAX_ORIGINAL_BYTES, False)])
def test_bytes_in_the_log_are_kept_where_they_fit(size: int, *, kept: bool) -> None:
    """Of a record that could not be decoded the rest is kept even when its bytes don't fit."""
    unfit = RejectedRecord.of(record(b"value"), ErrorClass.UNDECODABLE, "invalid")
    unfit.raw = b"\xff" * size

    letter = DeadLetter.model_validate_json(written(unfit))

    assert letter.value == b"value"
    assert (letter.raw is not None) is kept


@pytest.mark.parametrize("content", [None, b""])
def test_null_and_empty_stay_different(content: bytes | None) -> None:
    """A key, value or header that is null comes back as null, an empty one as empty."""
    letter = DeadLetter.model_validate_json(
        written(record(content, key=content, headers=(("name", content),)))  # type: ignore[arg-type]
    )

    assert (letter.key, letter.value, letter.headers[0].value) == (content,) * 3
