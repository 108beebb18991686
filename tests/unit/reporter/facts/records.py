"""Statements of facts to record, and verdicts that used facts, as records of their topics."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from purposewatch_contract.codec import DecodedFact, FastFactCodec, fact_key
from purposewatch_runtime.kafka import Record
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import PREFIX, SUBJECT, in_topic, record, verdict

CONSENT = "consent.marketing"
CONTROLLER = "wework-labs"
TOPIC = f"{PREFIX}.facts"


def fact(name: str = "s-1", **changes: Any) -> DecodedFact:
    """A statement as ingest passes it on: consent from 8:00 on."""
    values: dict[str, Any] = {
        "subject": SUBJECT,
        "controller": CONTROLLER,
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
    return DecodedFact(**values)


def at(hour: int, minute: int = 0) -> datetime:
    """A time of the day on which everything happens."""
    return NOW.replace(hour=hour, minute=minute)


def in_facts(stated: Sequence[DecodedFact | bytes], *, start: int = 0) -> list[Record]:
    """Statements, or keys of tombstones, as records of the facts topic."""
    return [
        record(TOPIC, 0, offset, None, one)
        if isinstance(one, bytes)
        else record(TOPIC, 0, offset, FastFactCodec.encode(one), fact_key(one))
        for offset, one in enumerate(stated, start)
    ]


def used(offset: int, time: datetime, *, holds: bool | None = None, **more: Any) -> dict[str, Any]:
    """A verdict about an event of that time, when the consent had that value."""
    finding: Mapping[str, Any] = {"fact": CONSENT, "claimed": True}
    if holds is not None:
        finding = {**finding, "value": holds, "since": "2026-03-01T08:00:00Z", "statement": "s-0"}
    decided = more.pop("decided_time", "2026-03-02T08:15:02Z")
    return {
        **verdict(0, offset, event_time=time.isoformat(), facts=[finding], **more),
        "decided_time": decided,
    }


def in_verdicts(values: Sequence[Mapping[str, Any]], *, start: int = 0) -> list[Record]:
    """The verdicts as records of their topic."""
    return in_topic("verdicts", values, start=start)
