"""The fast reader of canonical events and the contract's model agree on every text."""

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from purposewatch_contract import (
    CANONICAL_SCHEMA,
    EVENT_TYPE,
    EXAMPLE_DIR,
    CanonicalData,
    CanonicalEvent,
)
from purposewatch_contract.codec import DecodedEvent, EventReader
from purposewatch_contract.codec.flow import write_data
from tests.unit.contract.codec.mutations import texts

_STATED: dict[str, Any] = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
_EXAMPLE = {name: _STATED[name] for name in _STATED if name != "traceparent"} | {
    "traceparent": _STATED["traceparent"]
}
"""In the gate's order."""
_RICH = {
    **{name: _EXAMPLE[name] for name in _EXAMPLE if name != "traceparent"},
    "origin": "data-access.raw/3/17",
    "data": {
        "controller": "wework-labs",
        "data_categories": ["user.contact.email", "user.name"],
        "facts": {"consent.marketing": True, "loan.overdue": False},
        "legal_basis": "consent",
        "location": "eu",
        "operation": "share",
        "purpose": "marketing.advertising",
        "recipient": "third_party.advertising",
        "retention_days": 365,
        "role": "member",
        "source": "employer",
        "subject": "psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350",
    },
}
_READER = EventReader()
"""One for all examples: what was read before must not change what is read now."""


def as_model(event: DecodedEvent) -> dict[str, object]:
    """What the fast reader read, in the model's terms; the data as whoever gets it will see it."""
    data = CanonicalData.model_validate_json(write_data(event.flow, event.subject))
    flow = event.flow.terms
    assert data == CanonicalData(
        **{name: getattr(flow, name) for name in flow.__struct_fields__}, subject=event.subject
    )
    for text, time in (
        (event.time_text, event.time),
        (event.accepted_text, event.accepted_time),
    ):
        assert datetime.fromisoformat(text) == time
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": EVENT_TYPE,
        "time": event.time,
        "datacontenttype": "application/json",
        "dataschema": CANONICAL_SCHEMA,
        "publisher": event.publisher,
        "acceptedtime": event.accepted_time,
        "contentdigest": event.content_digest,
        "origin": event.origin,
        "traceparent": event.traceparent,
        "data": data,
    }


def by_model(value: bytes) -> dict[str, object] | None:
    """What the model reads; `None` when it refuses."""
    try:
        event = CanonicalEvent.model_validate_json(value)
    except ValidationError:
        return None
    return {name: getattr(event, name) for name in CanonicalEvent.model_fields}


def by_reader(value: bytes) -> dict[str, object] | None:
    """What the fast reader reads; `None` when it refuses."""
    try:
        return as_model(_READER.read(value))
    except ValidationError:
        return None


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_RICH)))
@example(json.dumps(_RICH, separators=(",", ":")).encode())
@example(b"[" * 100_000)
@example(b"")
def test_reader_and_model_agree(value: bytes) -> None:
    """Both refuse, or both read the same, however the text was bent or broken."""
    assert by_model(value) == by_reader(value)


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_RICH)))
def test_reader_alone_is_never_laxer(value: bytes) -> None:
    """What it reads without asking the model, the model reads the same."""
    try:
        event = _READER._read(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    assert by_model(value) == as_model(event)


def test_gate_s_notation_needs_no_model() -> None:
    """Texts in the gate's notation are read without the slow way."""
    for document in (_EXAMPLE, _RICH):
        value = json.dumps(document, separators=(",", ":")).encode()

        assert _READER._read(value).id == document["id"]


def test_known_flow_is_recognised_with_another_subject() -> None:
    """A flow is shared between events; the subject is each event's own."""
    other = "psn:2:00000000000000000000000000000000"
    first = _READER.read(json.dumps(_RICH, separators=(",", ":")).encode())
    changed = {**_RICH, "data": {**_RICH["data"], "subject": other}}
    second = _READER.read(json.dumps(changed, separators=(",", ":")).encode())

    assert second.flow is first.flow
    assert (first.subject, second.subject) == (_RICH["data"]["subject"], other)


def test_text_that_the_model_alone_read_is_not_recognised() -> None:
    """What only the model can read is asked of the model each time."""
    lax = {**_RICH, "data": {**_RICH["data"], "retention_days": "365"}}
    value = json.dumps(lax, separators=(",", ":")).encode()

    assert _READER.read(value).flow.terms.retention_days == 365
    with pytest.raises(msgspec.ValidationError):
        _READER._read(value)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001 - the zone is text
def test_moments_of_the_calendar_are_the_model_s(moment: datetime) -> None:
    """Every moment in the gate's notation is read without the model, and as the model does."""
    document = {**_EXAMPLE, "time": f"{moment.isoformat()}Z"}
    value = json.dumps(document, separators=(",", ":")).encode()

    assert _READER._read(value).time == CanonicalEvent.model_validate_json(value).time
