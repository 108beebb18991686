"""Read the records of the topics; one that can't be read gets a reason."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from pydantic import ValidationError

from purposewatch_contract import (
    CanonicalFact,
    DeadLetter,
    ErrorClass,
    Gap,
    Position,
    Verdict,
)
from purposewatch_contract.codec import (
    DecodedFact,
    DecodedVerdict,
    FastFactCodec,
    FastVerdictCodec,
    fact_key,
    parse_fact_key,
)
from purposewatch_reporter.ledger.fingerprint import whole_digest
from purposewatch_reporter.store.event_ids import id_hash
from purposewatch_reporter.store.facts import KeyedFact, fact_id
from purposewatch_reporter.store.storable import storable
from purposewatch_runtime.kafka import Record, RejectedRecord, written_at

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_OFFSET = 2**63 - 1
_LARGEST_PARTITION = 2**31 - 1
_ERRORS_NAMED = 5
_FIELDS = frozenset(
    name for model in (Verdict, CanonicalFact, Gap, DeadLetter) for name in model.model_fields
)
_ORIGIN = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<partition>[0-9]{1,10})/(?P<offset>[0-9]{1,19})"
)


class ReadVerdict(msgspec.Struct, frozen=True, gc=False):
    """A verdict, its event's time in UTC, and the record that it was read from."""

    verdict: DecodedVerdict
    record: Record
    log_epoch: int = 0
    """The log epoch of the events topic's ledger that its event belongs to."""

    @property
    def text(self) -> str:
        """The verdict as JSON."""
        return (self.record.value or b"").decode()


@dataclass(frozen=True, slots=True)
class DeadLettered:
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
    digest: bytes | None = None
    """What the whole record is recognised by; `None` when it is not kept."""
    raw_origin: Position | None = None
    """The raw record that it comes from, as far as that can still be read."""
    event_hash: bytes | None = None
    """`id_hash` of the event that it is about, as far as the record names one."""
    log_epoch: int = 0
    """The log epoch of the ledger that the origin belongs to."""
    written_time: datetime | None = None
    """When the dead letter itself was written."""


class _Origin(msgspec.Struct):
    origin: str


class _Named(msgspec.Struct):
    id: str
    source: str


class _UnreadableError(Exception):
    def __init__(self, error_class: ErrorClass, reason: str) -> None:
        super().__init__(reason)
        self.error_class = error_class
        self.reason = reason


class VerdictRecords:
    """Reads records of the verdicts topic."""

    def __init__(self, events_topic: str) -> None:
        """`events_topic` is the full name of the topic that all verdicts must be about.

        A verdict must stand in the partition of the same number as its event.
        """
        self._events_topic = events_topic
        self._codec = FastVerdictCodec()

    def read(
        self, records: Iterable[Record], *, now: datetime
    ) -> tuple[list[ReadVerdict], list[DeadLettered]]:
        """The verdicts in the records, and why there is none in the others."""
        good: list[ReadVerdict] = []
        bad: list[DeadLettered] = []
        read, topic = self._codec.decode, self._events_topic
        for record in records:
            try:
                verdict = read(_value_of(record))
                if (
                    verdict.topic != topic
                    or verdict.partition != record.partition
                    or verdict.offset >= _LARGEST_OFFSET
                    or verdict.event_time.tzinfo is not UTC
                ):
                    verdict = _checked(verdict, topic, record.partition)
            except ValidationError as error:
                bad.append(_unreadable(record, _unreadable_by(error), now))
            except _UnreadableError as error:
                bad.append(_unreadable(record, error, now))
            else:
                good.append(ReadVerdict(verdict, record))
        return good, bad


def read_gap(record: Record, *, now: datetime) -> Gap | DeadLettered:
    """The gap in a record of the gaps topic, or why there is none in it."""
    try:
        gap = Gap.model_validate_json(_value_of(record))
        return gap.model_copy(update={"time": _in_utc(gap.time)})
    except ValidationError as error:
        return _unreadable(record, _unreadable_by(error), now)
    except _UnreadableError as error:
        return _unreadable(record, error, now)


class FactRecords:
    """Reads records of the facts topic."""

    def __init__(self) -> None:
        self._codec = FastFactCodec()

    def read(self, record: Record, *, now: datetime) -> KeyedFact | DeadLettered:
        """What the record says about its key, or why it says nothing."""
        try:
            if not isinstance(record, RejectedRecord) and not record.value:
                return KeyedFact(_tombstone_id(record.key), None)
            fact = self._codec.decode(_value_of(record))
            return KeyedFact(_statement_id(record.key, fact), fact)
        except ValidationError as error:
            return _unreadable(record, _unreadable_by(error), now)
        except _UnreadableError as error:
            return _unreadable(record, error, now)


def _statement_id(key: bytes | None, fact: DecodedFact) -> str:
    expected = fact_key(fact)
    if key != expected:
        reason = "the record's key is not that of its statement"
        raise _UnreadableError(ErrorClass.SUSPECT, reason)
    return fact_id(expected)


def _tombstone_id(key: bytes | None) -> str:
    try:
        parse_fact_key(key or b"")
    except ValueError:
        reason = "the record is empty, and its key is not that of a statement"
        raise _UnreadableError(ErrorClass.SUSPECT, reason) from None
    return fact_id(key or b"")


def _checked(verdict: DecodedVerdict, topic: str, partition: int) -> DecodedVerdict:
    _check_place(verdict, [topic], partition)
    return msgspec.structs.replace(verdict, event_time=_in_utc(verdict.event_time))


def read_dead_letter(
    record: Record, *, now: datetime, events_topic: str, raw_topic: str
) -> DeadLettered:
    """The dead letter in a record, or one about the record itself.

    It must be about a record of one of these topics, of the partition of the same number.
    """
    try:
        try:
            letter = DeadLetter.model_validate_json(_value_of(record))
        except ValidationError as error:
            raise _unreadable_by(error) from None
        _check_place(letter.position, [events_topic, raw_topic], record.partition)
        return DeadLettered(
            origin=letter.position,
            record_time=_in_utc(letter.timestamp),
            failed_time=_in_utc(letter.failed_time),
            consumer=storable(letter.consumer),
            error_class=letter.error_class,
            reason=storable(letter.reason),
            policy_version=storable(letter.policy_version) if letter.policy_version else None,
            kept=Position(topic=record.topic, partition=record.partition, offset=record.offset),
            digest=_digest(letter),
            raw_origin=_raw_origin(letter, raw_topic),
            event_hash=_event_hash(letter),
            written_time=written_at(record),
        )
    except _UnreadableError as error:
        return _unreadable(record, error, now)


def _digest(letter: DeadLetter) -> bytes | None:
    if letter.error_class in (ErrorClass.TOO_LARGE, ErrorClass.UNDECODABLE):
        return None
    timestamp_ms: int = (letter.timestamp - _EPOCH) // timedelta(milliseconds=1)
    return whole_digest(timestamp_ms, letter.key, letter.value)


def _raw_origin(letter: DeadLetter, raw_topic: str) -> Position | None:
    """The raw record that the letter is about, or that the event which it is about came from."""
    if letter.position.topic == raw_topic:
        return letter.position
    try:
        origin = msgspec.json.decode(letter.value or b"", type=_Origin).origin
    except (ValueError, RecursionError):
        return None  # no canonical event
    return raw_position(origin, raw_topic)


def _event_hash(letter: DeadLetter) -> bytes | None:
    """The hash of the id that the record states, in structured or in binary mode."""
    headers = {header.name: header.value or b"" for header in letter.headers}
    try:
        if "ce_id" in headers:
            return id_hash(headers["ce_source"].decode(), headers["ce_id"].decode())
        named = msgspec.json.decode(letter.value or b"", type=_Named)
    except (KeyError, ValueError, RecursionError):
        return None  # it names none
    return id_hash(named.source, named.id)


def raw_position(origin: str, raw_topic: str) -> Position | None:
    """The raw record that an event's origin names; `None` for one that came by HTTP."""
    found = _ORIGIN.fullmatch(origin)
    if found is None or found["topic"] != raw_topic:
        return None
    partition, offset = int(found["partition"]), int(found["offset"])
    if partition > _LARGEST_PARTITION or offset >= _LARGEST_OFFSET:
        return None
    return Position(topic=raw_topic, partition=partition, offset=offset)


def _value_of(record: Record) -> bytes:
    if isinstance(record, RejectedRecord):
        raise _UnreadableError(record.error_class, record.reason)
    value: bytes | None = record.value
    if not value:
        raise _UnreadableError(ErrorClass.EMPTY, "the record is empty")
    return value


def _unreadable_by(error: ValidationError) -> _UnreadableError:
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return _UnreadableError(ErrorClass.NOT_JSON, "the record is not JSON")
    return _UnreadableError(ErrorClass.INTERNAL, _name_fields([item["loc"] for item in problems]))


def _name_fields(positions: Sequence[tuple[int | str, ...]]) -> str:
    """Name the fields that the contract has: whoever wrote the record named the others."""
    fields = sorted({_field(position) for position in positions})
    return f"the record breaks the contract in: {', '.join(fields[:_ERRORS_NAMED])}"


def _field(position: tuple[int | str, ...]) -> str:
    if not position:
        return "the record"
    name = str(position[0])
    return name if name in _FIELDS else "a field that the schema does not know"


def _check_place(
    position: Position | DecodedVerdict, topics: Collection[str], partition: int
) -> None:
    if position.topic not in topics:
        reason = f"the record is about another topic than {' or '.join(f'`{t}`' for t in topics)}"
        raise _UnreadableError(ErrorClass.SUSPECT, reason)
    if position.partition != partition:
        reason = "the record is about a record of another partition than its own"
        raise _UnreadableError(ErrorClass.SUSPECT, reason)
    if position.offset >= _LARGEST_OFFSET:
        reason = "the record names an offset that Kafka can't have"
        raise _UnreadableError(ErrorClass.SUSPECT, reason)


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is UTC:
        return time
    try:
        return time.astimezone(UTC)
    except OverflowError:
        reason = "the record names a time that UTC can't express"
        raise _UnreadableError(ErrorClass.INTERNAL, reason) from None


def suspect(item: ReadVerdict | Record | DeadLettered, reason: str, now: datetime) -> DeadLettered:
    """A dead letter about a record that no service can have written."""
    if not isinstance(item, DeadLettered):
        record = item.record if isinstance(item, ReadVerdict) else item
        return _unreadable(record, _UnreadableError(ErrorClass.SUSPECT, reason), now)
    assert item.kept is not None  # noqa: S101 - it was read, so its place is known
    return DeadLettered(
        origin=item.kept,
        record_time=item.written_time or now,
        failed_time=now,
        consumer="reporter",
        error_class=ErrorClass.SUSPECT,
        reason=reason,
        policy_version=None,
        kept=None,
    )


def _unreadable(record: Record, error: _UnreadableError, now: datetime) -> DeadLettered:
    return DeadLettered(
        origin=Position(topic=record.topic, partition=record.partition, offset=record.offset),
        record_time=written_at(record),
        failed_time=now,
        consumer="reporter",
        error_class=error.error_class,
        reason=error.reason,
        policy_version=None,
        kept=None,
    )
