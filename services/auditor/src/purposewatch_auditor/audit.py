"""Turn one record of the events topic into a verdict, or into a dead letter. No I/O, no clock."""

import itertools
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from purposewatch_auditor.policy import RememberingDecider
from purposewatch_shared.dead_letter import DeadLetter, ErrorClass
from purposewatch_shared.decision import Decision
from purposewatch_shared.event import CanonicalData, CanonicalEvent
from purposewatch_shared.kafka.consumer import Record
from purposewatch_shared.kafka.dead_letters import dead_letter_of
from purposewatch_shared.verdict import PolicyReference, Position, Verdict

_NOT_JSON = "json_invalid"
_FIELDS = frozenset({*CanonicalEvent.model_fields, *CanonicalData.model_fields})


class UnreadableRecordError(Exception):
    """The record is no canonical event; set it aside."""

    def __init__(self, error_class: ErrorClass, reason: str) -> None:
        super().__init__(reason)
        self.error_class = error_class


def read_event(value: bytes | None) -> CanonicalEvent:
    """Parse a record's value; raises `UnreadableRecordError` with a reason that quotes nothing."""
    if value is None:
        raise UnreadableRecordError(
            ErrorClass.EMPTY, "the record has no value; only the gate should write to this topic"
        )
    try:
        return CanonicalEvent.model_validate_json(value)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        if problems[0]["type"] == _NOT_JSON:
            raise UnreadableRecordError(
                ErrorClass.NOT_JSON, "the record is not valid JSON"
            ) from None
        faulty = sorted({_place(problem["loc"]) for problem in problems} - {""})
        reason = "the record is not a canonical event"
        if faulty:
            reason += f"; faulty: {', '.join(f'`{name}`' for name in faulty[:10])}"
        if any(problem["type"] == "extra_forbidden" for problem in problems):
            reason += "; it has fields that the schema does not know"
        raise UnreadableRecordError(ErrorClass.INVALID_EVENT, reason) from None


def _place(location: Sequence[str | int]) -> str:
    """The field as far as the contract names it; what follows may be the sender's free text."""
    known = [str(part) for part in itertools.takewhile(_FIELDS.__contains__, location)]
    return ".".join(known)


def verdict_of(
    event: CanonicalEvent, decision: Decision, position: Position, now: datetime
) -> Verdict:
    """The verdict message. Its parts are validated already, so it is put together without."""
    policy = None
    if decision.policy_version is not None and decision.policy_digest is not None:
        policy = PolicyReference.model_construct(
            version=decision.policy_version, digest=decision.policy_digest
        )
    return Verdict.model_construct(
        position=position,
        origin=event.origin,
        event_id=event.id,
        event_source=event.source,
        event_time=event.time,
        accepted_time=event.acceptedtime,
        decided_time=now,
        publisher=event.publisher,
        content_digest=event.contentdigest,
        traceparent=event.traceparent,
        data=event.data,
        outcome=decision.outcome,
        kind=decision.kind,
        policy=policy,
        categories=decision.categories,
    )


def audit(record: Record, decider: RememberingDecider, now: datetime) -> Verdict | DeadLetter:
    """Judge one record. Never raises: what can't be judged becomes a dead letter."""
    try:
        event = read_event(record.value)
        decision = decider.decide(event.data, event.time)
        position = Position.model_construct(
            topic=record.topic, partition=record.partition, offset=record.offset
        )
        return verdict_of(event, decision, position, now)
    except UnreadableRecordError as error:
        return _set_aside(record, error.error_class, str(error), now)
    except Exception as error:  # noqa: BLE001 - a defect must not stop the pipeline or lose the record
        reason = (
            f"the auditor failed on this record ({type(error).__name__}); report it as a defect"
        )
        return _set_aside(record, ErrorClass.INTERNAL, reason, now)


def _set_aside(record: Record, error_class: ErrorClass, reason: str, now: datetime) -> DeadLetter:
    return dead_letter_of(
        record, consumer="auditor", error_class=error_class, reason=reason, now=now
    )
