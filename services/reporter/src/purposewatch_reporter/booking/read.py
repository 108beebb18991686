"""Read records of the verdicts and dead-letters topics; one that can't be read gets a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from purposewatch_shared.dead_letter import DeadLetter, ErrorClass
from purposewatch_shared.kafka.consumer import Record
from purposewatch_shared.kafka.dead_letters import written_at
from purposewatch_shared.verdict import Position, Verdict

_LARGEST_OFFSET = 2**63 - 1
_LARGEST_PARTITION = 2**31 - 1
_ERRORS_NAMED = 5

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ReadVerdict:
    """A verdict, the text it was read from, and its times in UTC."""

    verdict: Verdict
    text: str
    event_time: datetime


@dataclass(frozen=True, slots=True)
class SetAside:
    """A dead letter's metadata: everything but the payload."""

    origin: Position
    record_time: datetime
    failed_time: datetime
    consumer: str
    error_class: ErrorClass
    reason: str
    policy_version: str | None
    kept: Position | None
    """Where the whole record is kept; `None` when only its origin is."""


class _UnreadableError(Exception):
    def __init__(self, error_class: ErrorClass, reason: str) -> None:
        super().__init__(reason)
        self.error_class = error_class
        self.reason = reason


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL can't hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def read_verdict(record: Record, *, events_topic: str, now: datetime) -> ReadVerdict | SetAside:
    """The verdict in a record of the verdicts topic, or why there is none in it."""
    try:
        verdict = _parse(Verdict, record.value)
        _check_position(verdict.position, events_topic)
        event_time = _in_utc(verdict.event_time)
    except _UnreadableError as error:
        return _unreadable(record, error, now)
    assert record.value is not None  # noqa: S101 - it was parsed
    return ReadVerdict(verdict, record.value.decode(), event_time)


def read_dead_letter(record: Record, *, now: datetime) -> SetAside:
    """The dead letter in a record, or one about the record itself."""
    try:
        letter = _parse(DeadLetter, record.value)
        _check_position(letter.position, letter.position.topic)
        return SetAside(
            origin=letter.position,
            record_time=_in_utc(letter.timestamp),
            failed_time=_in_utc(letter.failed_time),
            consumer=storable(letter.consumer),
            error_class=letter.error_class,
            reason=storable(letter.reason),
            policy_version=storable(letter.policy_version) if letter.policy_version else None,
            kept=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        )
    except _UnreadableError as error:
        return _unreadable(record, error, now)


def _parse(model: type[M], value: bytes | None) -> M:
    if not value:
        raise _UnreadableError(ErrorClass.EMPTY, "the record is empty")
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        raise _UnreadableError(ErrorClass.NOT_JSON, "the record is not JSON")
    raise _UnreadableError(ErrorClass.INTERNAL, _name_fields([item["loc"] for item in problems]))


def _name_fields(places: Sequence[tuple[int | str, ...]]) -> str:
    # Only the first step of a path is a declared field for certain; what lies below may have been
    # named by whoever wrote the record.
    fields = sorted({str(place[0]) if place else "the record" for place in places})
    return f"the record breaks the contract in: {', '.join(fields[:_ERRORS_NAMED])}"[:500]


def _check_position(position: Position, topic: str) -> None:
    if position.topic != topic:
        reason = f"the record is about another topic than `{topic}`"
        raise _UnreadableError(ErrorClass.INTERNAL, reason)
    if position.offset >= _LARGEST_OFFSET or position.partition > _LARGEST_PARTITION:
        reason = "the record names a position that Kafka can't have"
        raise _UnreadableError(ErrorClass.INTERNAL, reason)


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        reason = "the record names a time that UTC can't express"
        raise _UnreadableError(ErrorClass.INTERNAL, reason) from None


def _unreadable(record: Record, error: _UnreadableError, now: datetime) -> SetAside:
    return SetAside(
        origin=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        record_time=written_at(record),
        failed_time=now,
        consumer="reporter",
        error_class=error.error_class,
        reason=error.reason,
        policy_version=None,
        kept=None,
    )
