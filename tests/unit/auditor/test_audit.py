"""One record of the events topic becomes one verdict or one dead letter, and nothing else."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from purposewatch_auditor.audit import (
    AuditedEvent,
    Auditor,
    Decider,
    FactDependentEvent,
    decider_for,
)
from purposewatch_contract import EXAMPLE_DIR, DeadLetter, ErrorClass, Position, Verdict
from purposewatch_policy import Kind, Outcome, load_policies
from purposewatch_runtime.kafka import Record, RejectedRecord

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = "someone@example.org"


@pytest.fixture(scope="module")
def decider() -> Decider:
    """Decides by the policies that ship with the project."""
    return decider_for(load_policies(Path(__file__).parents[3] / "policies"))


def audit(record: Record, decider: Decider) -> Verdict | DeadLetter:
    """What becomes of a record, read back as a consumer does."""
    result = Auditor().audit(record, decider, NOW)
    assert not isinstance(result, FactDependentEvent)
    return Verdict.model_validate_json(result.value) if isinstance(result, AuditedEvent) else result


def canonical(**changes: object) -> bytes:
    """The example event as ingest passes it on, with changes in `data` or the envelope."""
    event: dict[str, Any] = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
    for name, value in changes.items():
        target = event if name in event else event["data"]
        target[name] = value
    return json.dumps(event).encode()


def record(value: bytes | None, headers: Mapping[str, bytes] | None = None) -> Record:
    """A record at partition 3, offset 1042."""
    return ConsumerRecord(
        topic="data-access.events",
        partition=3,
        offset=1042,
        timestamp=1_772_438_400_000,
        timestamp_type=0,
        key=b"psn:1:00",
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple((headers or {}).items()),
    )


def test_verdict_says_what_where_and_under_which_policy(decider: Decider) -> None:
    """A verdict carries the event's position, its content, the decision and the policy."""
    verdict = audit(record(canonical()), decider)

    assert isinstance(verdict, Verdict)
    assert verdict.position == Position(topic="data-access.events", partition=3, offset=1042)
    assert (verdict.outcome, verdict.kind) == (
        Outcome.VIOLATION,
        Kind.UNDECLARED_THIRD_PARTY_SHARING,
    )
    assert verdict.policy is not None
    assert verdict.policy.digest == decider.policies.version("wework-labs", "2018-05-25").digest
    assert verdict.decided_time == NOW


def test_events_of_equal_flows_stay_distinct(decider: Decider) -> None:
    """Verdicts about the same flow share their reasons, but neither subject, id nor time."""
    other = {"subject": "psn:2:" + "0" * 32, "id": "another", "time": "2026-03-01T08:15:00Z"}
    first = audit(record(canonical()), decider)
    second = audit(record(canonical(**other)), decider)

    assert isinstance(first, Verdict)
    assert isinstance(second, Verdict)
    assert first.categories == second.categories
    assert (second.data.subject, second.event_id) == (other["subject"], other["id"])
    assert (first.event_time - second.event_time).days == 1


def test_count_is_copied_and_changes_no_decision(decider: Decider) -> None:
    """The verdict states it, unless it is 1."""
    counted, one = (record(canonical(**change)) for change in ({"count": 250}, {}))
    of_many, of_one = audit(counted, decider), audit(one, decider)

    assert isinstance(of_many, Verdict)
    assert isinstance(of_one, Verdict)
    assert (of_many.data.count, of_one.data.count) == (250, 1)
    assert of_many.categories == of_one.categories
    text = Auditor().audit(one, decider, NOW)
    assert isinstance(text, AuditedEvent)
    assert b'"count"' not in text.value


def test_equal_decisions_count_as_one(decider: Decider) -> None:
    """Those that two caches hold are equal without being the same objects."""
    deciders = (decider, decider_for(decider.policies))
    results = [Auditor().audit(record(canonical()), each, NOW) for each in deciders]
    first, second = (each.decision for each in results if isinstance(each, AuditedEvent))
    assert first is not second
    assert len({first, second}) == 1


def test_rejected_record_is_dead_lettered_unread(decider: Decider) -> None:
    """A record that was rejected before is not decoded, even if it is valid."""
    unfit = RejectedRecord.of(record(canonical()), ErrorClass.INTERNAL, "ended three processes")
    letter = audit(unfit, decider)

    assert isinstance(letter, DeadLetter)
    assert (letter.error_class, letter.reason) == (ErrorClass.INTERNAL, "ended three processes")
    assert letter.value == canonical()


def test_unknown_controller_is_a_verdict_too(decider: Decider) -> None:
    """An event that can't be decided gets the verdict `unknown`, without a policy."""
    verdict = audit(record(canonical(controller="elsewhere")), decider)

    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.kind, verdict.policy) == (Outcome.UNKNOWN, None, None)


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (None, ErrorClass.EMPTY),
        (b"", ErrorClass.NOT_JSON),
        (b"\xff\xfe", ErrorClass.NOT_JSON),
        (b"[" * 100_000, ErrorClass.NOT_JSON),
        (b"{}", ErrorClass.INVALID_EVENT),
        (b"[]", ErrorClass.INVALID_EVENT),
        (canonical(time="2026-03-02T09:15:00"), ErrorClass.INVALID_EVENT),
        (canonical(subject=SECRET), ErrorClass.INVALID_EVENT),
        (canonical(email=SECRET), ErrorClass.INVALID_EVENT),
        (canonical(**{SECRET: 1}), ErrorClass.INVALID_EVENT),
        (canonical(facts={SECRET: True}), ErrorClass.INVALID_EVENT),
        (canonical(facts={"x" * 100_000: 1}), ErrorClass.INVALID_EVENT),
        (b'{"id": "\\ud800"}', ErrorClass.NOT_JSON),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unreadable_record_becomes_a_dead_letter(
    decider: Decider, value: bytes | None, error_class: ErrorClass
) -> None:
    """The original bytes and headers are kept; the reason quotes nothing of them."""
    letter = audit(record(value, {"trace": b"\xff"}), decider)

    assert isinstance(letter, DeadLetter)
    again = DeadLetter.model_validate_json(letter.model_dump_json())
    assert (again.error_class, again.value) == (error_class, value)
    assert (again.headers[0].name, again.headers[0].value) == ("trace", b"\xff")
    assert again.position == Position(topic="data-access.events", partition=3, offset=1042)
    assert SECRET not in again.reason
    assert again.policy_version is not None
    assert "wework-labs 2018-05-25" in again.policy_version.split(", ")


def test_reason_names_the_faulty_fields(decider: Decider) -> None:
    """The dead letter says where the fault is."""
    letter = audit(record(canonical(purpose="No Term", time="now")), decider)

    assert isinstance(letter, DeadLetter)
    assert letter.reason == "the record is not a canonical event; faulty: `data.purpose`, `time`"


def test_defect_in_the_decision_is_a_dead_letter(
    decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that the auditor fails on does not stop the others."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(decider, "judge_independent", fail)

    letter = audit(record(canonical()), decider)

    assert isinstance(letter, DeadLetter)
    assert letter.error_class is ErrorClass.INTERNAL
    assert SECRET not in letter.reason
