"""Reading records: whatever is in them, the answer is a verdict, a dead letter, or a reason."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from purposewatch_contract import ErrorClass
from purposewatch_reporter.ledger.read import (
    DeadLettered,
    ReadVerdict,
    VerdictRecords,
    read_dead_letter,
)
from purposewatch_runtime.kafka import Record, RejectedRecord
from tests.unit.reporter.records import PREFIX, dead_letter, record, verdict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
EVENTS = f"{PREFIX}.events"
VERDICTS = f"{PREFIX}.verdicts"


def read_record(one: Record) -> ReadVerdict | DeadLettered:
    """Read a record of the verdicts topic."""
    good, bad = VerdictRecords(EVENTS).read([one], now=NOW)
    found: list[ReadVerdict | DeadLettered] = [*good, *bad]
    assert len(found) == 1
    return found[0]


def read_letter(one: Record) -> DeadLettered:
    """Read a record of the dead-letters topic."""
    return read_dead_letter(one, now=NOW, events_topic=EVENTS, raw_topic=f"{PREFIX}.raw")


def read(value: Any) -> ReadVerdict | DeadLettered:
    """Read a value as a record of the verdicts topic."""
    return read_record(record(VERDICTS, 2, 9, value))


def test_a_verdict_is_read_with_its_text() -> None:
    """The text is kept as it came, so that the verdict can be shown as it was published."""
    value = verdict(2, 7, event_time="2026-03-02T16:15:00+08:00")
    found = read(value)
    assert isinstance(found, ReadVerdict)
    assert json.loads(found.text) == value
    assert found.verdict.event_time == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ErrorClass.EMPTY),
        (b"", ErrorClass.EMPTY),
        (b"{", ErrorClass.NOT_JSON),
        (b"\xff\xfe", ErrorClass.NOT_JSON),
        (b"[]", ErrorClass.INTERNAL),
        ({**verdict(2), "kind": "secret-value"}, ErrorClass.INTERNAL),
        (verdict(2, -1), ErrorClass.INTERNAL),
        (verdict(2, 2**63 - 1), ErrorClass.SUSPECT),
        (verdict(2**31, 0), ErrorClass.SUSPECT),
        (verdict(1), ErrorClass.SUSPECT),
        (verdict(2, prefix="other"), ErrorClass.SUSPECT),
        (verdict(2, event_time="0001-01-01T00:00:00+14:00"), ErrorClass.INTERNAL),
    ],
    ids=repr,
)
def test_what_is_no_verdict_is_dead_lettered(value: Any, expected: ErrorClass) -> None:
    """It keeps its place in the verdicts topic and a reason that quotes no value."""
    found = read(value)
    assert isinstance(found, DeadLettered)
    assert found.error_class is expected
    assert (found.origin.topic, found.origin.partition, found.origin.offset) == (VERDICTS, 2, 9)
    assert found.kept is None
    assert "secret-value" not in found.reason


def test_a_dead_letter_is_read_without_its_payload() -> None:
    """Only where it comes from, where it is kept, and why."""
    found = read_letter(record(f"{PREFIX}.dead-letters", 1, 4, dead_letter(1, 8)))
    assert (found.origin.partition, found.origin.offset) == (1, 8)
    assert found.kept is not None
    assert (found.kept.partition, found.kept.offset) == (1, 4)
    assert found.error_class is ErrorClass.INVALID_EVENT


def test_a_dead_letter_that_is_none_is_dead_lettered_itself() -> None:
    """Nothing that arrives is passed over in silence."""
    found = read_letter(record(f"{PREFIX}.dead-letters", 1, 4, b"nonsense"))
    assert (found.origin.topic, found.origin.offset) == (f"{PREFIX}.dead-letters", 4)
    assert found.error_class is ErrorClass.NOT_JSON


@pytest.mark.parametrize(
    "value",
    [
        dead_letter(0, 8),
        dead_letter(99, 8),
        dead_letter(1, 8, topic="verdicts"),
        dead_letter(1, 8, prefix="other"),
        dead_letter(1, 2**63 - 1, topic="raw"),
    ],
    ids=repr,
)
def test_a_dead_letter_about_a_record_that_nobody_dead_letters_is_suspect(value: Any) -> None:
    """Services dead-letter records of two topics, to the partition of the same number."""
    found = read_letter(record(f"{PREFIX}.dead-letters", 1, 4, value))
    assert found.error_class is ErrorClass.SUSPECT
    assert (found.origin.topic, found.origin.offset) == (f"{PREFIX}.dead-letters", 4)


def test_nul_never_reaches_the_database() -> None:
    """PostgreSQL can't store it, and one record must not stop the ledger."""
    value = {**dead_letter(), "reason": "a\0b"}
    assert read_letter(record("t", 0, 0, value)).reason == "a\N{REPLACEMENT CHARACTER}b"


def test_absurd_kafka_timestamps_are_survived() -> None:
    """A producer may write any timestamp; beyond the calendar it must not stop the reading."""
    bad = dataclasses.replace(record(VERDICTS, 2, 9, b"{"), timestamp=2**63 - 1)
    found = read_record(bad)
    assert isinstance(found, DeadLettered)
    assert found.record_time.year == 9999


@pytest.mark.parametrize("topic", [VERDICTS, f"{PREFIX}.dead-letters"])
def test_a_rejected_record_is_not_parsed(topic: str) -> None:
    """A record that ended other processes keeps its class and reason, though it could be read."""
    good = verdict(1, 7) if topic == VERDICTS else dead_letter()
    unfit = RejectedRecord.of(record(topic, 2, 9, good), ErrorClass.POISON, "ended three processes")

    found = read_record(unfit) if topic == VERDICTS else read_letter(unfit)

    assert isinstance(found, DeadLettered)
    assert (found.error_class, found.reason) == (ErrorClass.POISON, "ended three processes")
    assert (found.origin.topic, found.origin.offset) == (topic, 9)
