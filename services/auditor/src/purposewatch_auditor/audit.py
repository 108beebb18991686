"""Turn one record of the events topic into a verdict, or into a dead letter. No I/O, no clock."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec
from pydantic import ValidationError

from purposewatch_auditor.facts import FactsView
from purposewatch_contract import CanonicalData, CanonicalEvent, DeadLetter, ErrorClass
from purposewatch_contract.codec import DecodedEvent, FastEventCodec, FastVerdictCodec
from purposewatch_policy import Decision, DecisionCache, PolicySet
from purposewatch_policy.vocabulary import FlowTerms
from purposewatch_runtime.kafka import Record, RejectedRecord, dead_letter_of

_NOT_JSON = "json_invalid"
_VERSIONS_NAMED = 10
_FIELDS = frozenset({*CanonicalEvent.model_fields, *CanonicalData.model_fields})


class EncodedDecision(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What is cached of a decision: its metric labels and its JSON."""

    controller: str
    outcome: str
    kind: str | None
    value: bytes
    """The part of a verdict that depends on the decision alone, in JSON."""


class AuditedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and the verdict about it."""

    event: DecodedEvent
    decision: EncodedDecision
    value: bytes
    """A `Verdict` in JSON."""


class FactDependentEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that can't be decided before the ledger of facts is asked."""

    event: DecodedEvent
    facts: tuple[str, ...]


Decider: TypeAlias = DecisionCache[EncodedDecision]


def decider_for(policies: PolicySet) -> Decider:
    """Decides by these policies; its cache is empty."""
    return DecisionCache(policies, _encode)


def _encode(flow: FlowTerms, decision: Decision) -> EncodedDecision:
    return EncodedDecision(
        flow.controller,
        str(decision.outcome),
        None if decision.kind is None else str(decision.kind),
        FastVerdictCodec.encode_decision(decision),
    )


class Auditor:
    """Audits records one by one; its codecs cache what repeats."""

    def __init__(self) -> None:
        self._events = FastEventCodec()
        self._verdicts = FastVerdictCodec()

    def audit(
        self, record: Record, decider: Decider, now: datetime
    ) -> AuditedEvent | FactDependentEvent | DeadLetter:
        """Audit one record. Never raises: what can't be decided becomes a dead letter.

        An event whose decision depends on facts in the ledger is returned for `decide`.
        """
        if isinstance(record, RejectedRecord):
            return _dead_letter(record, record.error_class, record.reason, decider, now)
        try:
            value = record.value
            if value is None:
                reason = "the record has no value; only ingest should write to this topic"
                return _dead_letter(record, ErrorClass.EMPTY, reason, decider, now)
            event = self._events.decode(value)
            flow = event.flow
            decision = decider.judge_independent(flow.terms, event.time, flow.text)
            if decision is None:
                facts = decider.facts_of(flow.terms, event.time, flow.text)
                return FactDependentEvent(event, facts)
            verdict = self._verdicts.encode(
                event,
                decision.value,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                decided_time=now,
            )
            return AuditedEvent(event, decision, verdict)
        except ValidationError as error:
            return _dead_letter(record, *_why_unreadable(error), decider, now)
        except Exception as error:  # noqa: BLE001 - a defect must not stop the pipeline or lose the record
            return _internal(record, error, decider, now)

    def decide(
        self,
        record: Record,
        dependent: FactDependentEvent,
        view: FactsView,
        decider: Decider,
        now: datetime,
    ) -> AuditedEvent | DeadLetter:
        """Decide an event by what the ledger says of its facts, as of the event's own time.

        Raises what `view` raises; any other failure makes a dead letter.
        """
        event = dependent.event
        findings = view.findings(event, dependent.facts, record.partition)
        try:
            decision = decider.judge(
                event.flow.terms,
                event.time,
                event.flow.text,
                tuple([each.value for each in findings]),
            )
            verdict = self._verdicts.encode(
                event,
                decision.value,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                decided_time=now,
                facts=findings,
            )
        except Exception as error:  # noqa: BLE001 - as above
            return _internal(record, error, decider, now)
        return AuditedEvent(event, decision, verdict)


def _internal(record: Record, error: Exception, decider: Decider, now: datetime) -> DeadLetter:
    reason = f"the auditor failed on this record ({type(error).__name__}); report it as a defect"
    return _dead_letter(record, ErrorClass.INTERNAL, reason, decider, now)


def _why_unreadable(error: ValidationError) -> tuple[ErrorClass, str]:
    """Why the record is not a canonical event, without quoting anything of it."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    if problems[0]["type"] == _NOT_JSON:
        return ErrorClass.NOT_JSON, "the record is not valid JSON"
    faulty = sorted({_field(problem["loc"]) for problem in problems} - {""})
    reason = "the record is not a canonical event"
    if faulty:
        reason += f"; faulty: {', '.join(f'`{name}`' for name in faulty[:10])}"
    if any(problem["type"] == "extra_forbidden" for problem in problems):
        reason += "; it has fields that the schema does not know"
    return ErrorClass.INVALID_EVENT, reason


def _field(location: Sequence[str | int]) -> str:
    """The field as far as the contract names it; what follows may be the sender's free text."""
    known = [str(part) for part in itertools.takewhile(_FIELDS.__contains__, location)]
    return ".".join(known)


def _dead_letter(
    record: Record, error_class: ErrorClass, reason: str, decider: Decider, now: datetime
) -> DeadLetter:
    return dead_letter_of(
        record,
        consumer="auditor",
        error_class=error_class,
        reason=reason,
        now=now,
        policy_version=_versions(decider.policies, now),
    )


def _versions(policies: PolicySet, now: datetime) -> str:
    """The versions in force now; nothing may be known of the record itself."""
    in_force = {name: policies.in_force(name, now) for name in policies.controllers}
    named = [f"{name} {each.policy.version}" for name, each in in_force.items() if each is not None]
    more = f" and {len(named) - _VERSIONS_NAMED} more" if len(named) > _VERSIONS_NAMED else ""
    return ", ".join(named[:_VERSIONS_NAMED]) + more
