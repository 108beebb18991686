"""The reference codecs: pydantic's models, in the terms of the codec interface."""

from datetime import datetime

from pydantic_core import from_json, to_json

from purposewatch_contract.codec.flow import decoded_flow
from purposewatch_contract.codec.interface import (
    DecodedEvent,
    DecodedFact,
    DecodedFactFinding,
    DecodedPolicy,
    DecodedSubmission,
    DecodedVerdict,
    Flow,
    FlowDecision,
)
from purposewatch_contract.event import EVENT_TYPE, CanonicalData, CanonicalEvent, SubmittedEvent
from purposewatch_contract.fact import FACT_TYPE, CanonicalFact, CanonicalFactData
from purposewatch_contract.submission import parse_json, read_event
from purposewatch_contract.verdict import FactFinding, Position, Verdict
from purposewatch_policy import Decision

_FINDING_FIELDS = DecodedFactFinding.__struct_fields__


def _data(event: DecodedEvent) -> CanonicalData:
    fields = {name: getattr(event.flow.terms, name) for name in Flow.__struct_fields__}
    return CanonicalData(**fields, subject=event.subject, count=event.count)


def decoded_submission(event: SubmittedEvent) -> DecodedSubmission:
    """Return a submitted event as a codec decodes it."""
    return DecodedSubmission(
        event.id,
        event.source,
        event.time,
        event.traceparent,
        event.data.subject_id,
        decoded_flow(event.data),
        event.data.count,
    )


class ReferenceSubmissionCodec:
    """Submitted events by `SubmittedEvent` and the contract check."""

    def decode(self, value: bytes) -> DecodedSubmission:
        """See `SubmissionCodec`."""
        return decoded_submission(read_event(parse_json(value)))

    def cache_flow(self, submission: DecodedSubmission) -> None:
        """Cache nothing."""


class ReferenceEventCodec:
    """Canonical events by `CanonicalEvent`."""

    def decode(self, value: bytes) -> DecodedEvent:
        """See `EventCodec`."""
        event = CanonicalEvent.model_validate_json(value)
        return DecodedEvent(
            decoded_flow(event.data),
            event.data.subject,
            event.id,
            event.source,
            event.publisher,
            event.contentdigest,
            event.origin,
            event.traceparent,
            event.time,
            event.acceptedtime,
            event.time.isoformat(),
            event.acceptedtime.isoformat(),
            event.data.count,
        )

    def encode(self, event: DecodedEvent) -> bytes:
        """See `EventCodec`."""
        model = CanonicalEvent(
            specversion="1.0",
            id=event.id,
            source=event.source,
            type=EVENT_TYPE,
            time=event.time,
            publisher=event.publisher,
            acceptedtime=event.accepted_time,
            contentdigest=event.content_digest,
            origin=event.origin,
            traceparent=event.traceparent,
            data=_data(event),
        )
        return model.model_dump_json().encode()


class ReferenceVerdictCodec:
    """Verdicts by `Verdict`."""

    def decode(self, value: bytes) -> DecodedVerdict:
        """See `VerdictCodec`."""
        verdict = Verdict.model_validate_json(value)
        position, policy, flow = verdict.position, verdict.policy, decoded_flow(verdict.data)
        decision = FlowDecision(
            flow.text,
            verdict.outcome,
            verdict.kind,
            None if policy is None else DecodedPolicy(policy.version, policy.digest),
            verdict.categories,
        )
        return DecodedVerdict(
            position.topic,
            position.partition,
            position.offset,
            verdict.origin,
            verdict.event_id,
            verdict.event_source,
            verdict.publisher,
            verdict.content_digest,
            verdict.traceparent,
            verdict.data.subject,
            verdict.event_time,
            verdict.accepted_time,
            verdict.decided_time,
            flow.terms,
            decision.outcome,
            decision.kind,
            decision.policy,
            decision.categories,
            decision,
            tuple(
                DecodedFactFinding(**{name: getattr(each, name) for name in _FINDING_FIELDS})
                for each in verdict.facts
            ),
            verdict.data.count,
        )

    def encode_decision(self, decision: Decision) -> bytes:
        """See `VerdictCodec`."""
        policy = None
        if decision.policy_version is not None and decision.policy_digest is not None:
            policy = {"version": decision.policy_version, "digest": decision.policy_digest}
        return to_json(
            {
                "outcome": decision.outcome,
                "kind": decision.kind,
                "policy": policy,
                "categories": decision.categories,
            }
        )

    def encode(  # noqa: PLR0913 - what makes a verdict
        self,
        event: DecodedEvent,
        decision: bytes,
        *,
        topic: str,
        partition: int,
        offset: int,
        decided_time: datetime,
        facts: tuple[DecodedFactFinding, ...] = (),
    ) -> bytes:
        """See `VerdictCodec`."""
        verdict = Verdict(
            position=Position(topic=topic, partition=partition, offset=offset),
            origin=event.origin,
            event_id=event.id,
            event_source=event.source,
            event_time=event.time,
            accepted_time=event.accepted_time,
            decided_time=decided_time,
            publisher=event.publisher,
            content_digest=event.content_digest,
            traceparent=event.traceparent,
            facts=tuple(
                FactFinding(**{name: getattr(each, name) for name in _FINDING_FIELDS})
                for each in facts
            ),
            data=_data(event),
            **from_json(decision),
        )
        return verdict.model_dump_json().encode()


class ReferenceFactCodec:
    """Statements of facts by `CanonicalFact`."""

    def decode(self, value: bytes) -> DecodedFact:
        """See `FactCodec`."""
        fact = CanonicalFact.model_validate_json(value)
        return DecodedFact(
            fact.data.subject,
            fact.data.controller,
            fact.data.fact,
            fact.data.value,
            fact.data.effective_from,
            fact.data.until,
            fact.data.evidence,
            fact.id,
            fact.source,
            fact.publisher,
            fact.contentdigest,
            fact.origin,
            fact.traceparent,
            fact.time,
            fact.acceptedtime,
        )

    def encode(self, fact: DecodedFact) -> bytes:
        """See `FactCodec`."""
        model = CanonicalFact(
            specversion="1.0",
            id=fact.id,
            source=fact.source,
            type=FACT_TYPE,
            time=fact.time,
            publisher=fact.publisher,
            acceptedtime=fact.accepted_time,
            contentdigest=fact.content_digest,
            origin=fact.origin,
            traceparent=fact.traceparent,
            data=CanonicalFactData(
                controller=fact.controller,
                fact=fact.fact,
                value=fact.value,
                effective_from=fact.effective_from,
                until=fact.until,
                evidence=fact.evidence,
                subject=fact.subject,
            ),
        )
        return model.model_dump_json().encode()
