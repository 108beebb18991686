"""Records of facts and verdicts about members of `acme`, for `purposewatch replay`."""

from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from purposewatch_contract import VERDICT_SCHEMA, FactFinding, Position, Verdict
from purposewatch_contract.codec import DecodedFact, FastFactCodec, fact_key
from purposewatch_policy import CategoryDecision, Flow, PolicySet, decide

CONSENT = "consent.marketing"
SUBJECT = f"psn:1:{'a' * 32}"
_CATEGORIES = TypeAdapter(tuple[CategoryDecision, ...])


def at(hour: int) -> datetime:
    """An hour of the day on which everything happens."""
    return datetime(2026, 3, 2, hour, tzinfo=UTC)


def fact_record(name: str, **changes: Any) -> tuple[bytes, bytes]:
    """Key and value of a statement: consent from 8:00 on."""
    values: dict[str, Any] = {
        "subject": SUBJECT,
        "controller": "acme",
        "fact": CONSENT,
        "value": True,
        "effective_from": at(8),
        "until": None,
        "evidence": f"receipt/{name}",
        "id": name,
        "source": "/consent",
        "publisher": "consent",
        "content_digest": "0" * 32,
        "origin": "http",
        "traceparent": None,
        "time": at(8),
        "accepted_time": at(8),
        **changes,
    }
    fact = DecodedFact(**values)
    return fact_key(fact), FastFactCodec.encode(fact)


def newsletter(**changes: Any) -> Flow:
    """The flow that needs the consent."""
    values: dict[str, Any] = {
        "controller": "acme",
        "role": "member",
        "operation": "use",
        "purpose": "marketing",
        "recipient": "first_party",
        "data_categories": ("user.contact.email",),
        "facts": {CONSENT: True},
        **changes,
    }
    return Flow(**values)


def verdict_record(
    policies: PolicySet,
    number: int,
    time: datetime,
    *,
    used: bool | None,
    flow: Flow | None = None,
    **changes: Any,
) -> bytes:
    """The auditor's verdict about an event of that time, for which the fact had that value."""
    wanted = flow or newsletter()
    decided = decide(wanted, time, policies, {CONSENT: used})
    is_dependent = wanted.purpose == "marketing"
    values: dict[str, Any] = {
        "dataschema": VERDICT_SCHEMA,
        "position": Position(topic="data-access.events", partition=0, offset=number),
        "origin": "http",
        "event_id": f"e-{number}",
        "event_source": "/crm",
        "event_time": time,
        "accepted_time": time,
        "decided_time": time,
        "publisher": "crm",
        "content_digest": "0" * 32,
        "facts": (FactFinding(fact=CONSENT, claimed=True, value=used),) if is_dependent else (),
        "data": {**wanted.model_dump(mode="json", exclude_defaults=True), "subject": SUBJECT},
        "outcome": decided.outcome,
        "kind": decided.kind,
        "policy": {"version": "1", "digest": decided.policy_digest},
        "categories": _CATEGORIES.dump_python(decided.categories, mode="json"),
        **changes,
    }
    return Verdict.model_validate(values, strict=False).model_dump_json().encode()
