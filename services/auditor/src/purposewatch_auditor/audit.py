"""Turn one record of the events topic into a verdict, or into a dead letter. No I/O, no clock."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec
from pydantic import ValidationError

from purposewatch_contract import CanonicalData, CanonicalEvent, DeadLetter, ErrorClass
from purposewatch_contract.codec import DecodedEvent, EventReader, VerdictWriter, encode_reasons
from purposewatch_policy import Decision, DecisionCache, PolicySet
from purposewatch_policy.vocabulary import FlowTerms
from purposewatch_runtime.kafka import Record, RejectedRecord, dead_letter_of

_NOT_JSON = "json_invalid"
_VERSIONS_NAMED = 10
_FIELDS = frozenset({*CanonicalEvent.model_fields, *CanonicalData.model_fields})


class Judgement(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What is remembered of a decision: how it is counted, and how it is written."""

    controller: str
    outcome: str
    kind: str | None
    reasons: bytes
    """The end of a verdict, in JSON."""


class AuditedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and the verdict about it."""

    event: DecodedEvent
    judgement: Judgement
    value: bytes
    """A `Verdict` in JSON."""


Judge: TypeAlias = DecisionCache[Judgement]


def judge_by(policies: PolicySet) -> Judge:
    """A judge by these policies, with nothing remembered yet."""
    return DecisionCache(policies, _judgement)


def _judgement(flow: FlowTerms, decision: Decision) -> Judgement:
    return Judgement(
        flow.controller,
        str(decision.outcome),
        None if decision.kind is None else str(decision.kind),
        encode_reasons(decision),
    )


class Auditor:
    """Judges one record after the other, and knows flows again."""

    def __init__(self) -> None:
        self._reader = EventReader()

    def audit(
        self, record: Record, judge: Judge, writer: VerdictWriter, now: datetime
    ) -> AuditedEvent | DeadLetter:
        """Judge one record. Never raises: what can't be judged becomes a dead letter."""
        if isinstance(record, RejectedRecord):
            return _set_aside(record, record.error_class, record.reason, judge, now)
        try:
            value = record.value
            if value is None:
                reason = "the record has no value; only the gate should write to this topic"
                return _set_aside(record, ErrorClass.EMPTY, reason, judge, now)
            event = self._reader.read(value)
            flow = event.flow
            judgement = judge.judge(flow.terms, event.time, flow.text)
            verdict = writer.write(
                event, judgement.reasons, partition=record.partition, offset=record.offset
            )
            return AuditedEvent(event, judgement, verdict)
        except ValidationError as error:
            return _set_aside(record, *_why_unreadable(error), judge, now)
        except Exception as error:  # noqa: BLE001 - a defect must not stop the pipeline or lose the record
            reason = (
                f"the auditor failed on this record ({type(error).__name__}); report it as a defect"
            )
            return _set_aside(record, ErrorClass.INTERNAL, reason, judge, now)


def _why_unreadable(error: ValidationError) -> tuple[ErrorClass, str]:
    """Why the record is no canonical event, in words that quote nothing of it."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    if problems[0]["type"] == _NOT_JSON:
        return ErrorClass.NOT_JSON, "the record is not valid JSON"
    faulty = sorted({_place(problem["loc"]) for problem in problems} - {""})
    reason = "the record is not a canonical event"
    if faulty:
        reason += f"; faulty: {', '.join(f'`{name}`' for name in faulty[:10])}"
    if any(problem["type"] == "extra_forbidden" for problem in problems):
        reason += "; it has fields that the schema does not know"
    return ErrorClass.INVALID_EVENT, reason


def _place(location: Sequence[str | int]) -> str:
    """The field as far as the contract names it; what follows may be the sender's free text."""
    known = [str(part) for part in itertools.takewhile(_FIELDS.__contains__, location)]
    return ".".join(known)


def _set_aside(
    record: Record, error_class: ErrorClass, reason: str, judge: Judge, now: datetime
) -> DeadLetter:
    return dead_letter_of(
        record,
        consumer="auditor",
        error_class=error_class,
        reason=reason,
        now=now,
        policy_version=_versions(judge.policies, now),
    )


def _versions(policies: PolicySet, now: datetime) -> str:
    """By what the auditor judges just now; of the record itself nothing may be known."""
    in_force = {name: policies.in_force(name, now) for name in policies.controllers}
    named = [f"{name} {each.policy.version}" for name, each in in_force.items() if each is not None]
    more = f" and {len(named) - _VERSIONS_NAMED} more" if len(named) > _VERSIONS_NAMED else ""
    return ", ".join(named[:_VERSIONS_NAMED]) + more
