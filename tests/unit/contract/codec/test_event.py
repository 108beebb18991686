"""The fast codec of canonical events agrees with the reference on every text."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from purposewatch_contract import EXAMPLE_DIR, CanonicalData
from purposewatch_contract.codec import (
    DecodedEvent,
    EventCodec,
    FastEventCodec,
    ReferenceEventCodec,
)
from tests.unit.contract.codec.fast_path import NeedsReferenceError, fast_path_of
from tests.unit.contract.codec.mutations import texts

_STATED: dict[str, Any] = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
_EXAMPLE = {name: _STATED[name] for name in _STATED if name != "traceparent"} | {
    "traceparent": _STATED["traceparent"]
}
"""In ingest's order."""
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
        "count": 17,
    },
}
_FAST = FastEventCodec()
"""One for all examples: what it caches must not change what it decodes."""
_REFERENCE = ReferenceEventCodec()
_FAST_PATH = fast_path_of(FastEventCodec())


def comparable(event: DecodedEvent) -> dict[str, object]:
    """The event in the model's terms: the codecs may spell flows and times differently."""
    for text, time in ((event.time_text, event.time), (event.accepted_text, event.accepted_time)):
        assert datetime.fromisoformat(text) == time
    data = CanonicalData.model_validate_json(f'{event.flow.text}{event.subject}"}}')
    flow = event.flow.terms
    assert data == CanonicalData(
        **{name: getattr(flow, name) for name in flow.__struct_fields__}, subject=event.subject
    )
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    for spelling in ("flow", "time_text", "accepted_text"):
        del fields[spelling]
    return {**fields, "data": data}


def decoded_by(codec: EventCodec, value: bytes) -> dict[str, object] | None:
    """What the codec decodes; `None` when it refuses."""
    try:
        return comparable(codec.decode(value))
    except ValidationError:
        return None


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_RICH)))
@example(json.dumps(_RICH, separators=(",", ":")).encode())
@example(b"[" * 100_000)
@example(b"")
def test_codecs_decode_the_same(value: bytes) -> None:
    """Both refuse, or both decode the same, however the text was changed or broken."""
    assert decoded_by(_REFERENCE, value) == decoded_by(_FAST, value)


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_RICH)))
def test_fast_path_alone_is_never_laxer(value: bytes) -> None:
    """What it decodes without the reference, the reference decodes to the same."""
    try:
        event = _FAST_PATH.decode(value)
    except NeedsReferenceError:
        return
    assert decoded_by(_REFERENCE, value) == comparable(event)


@settings(max_examples=300, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_RICH)))
def test_codecs_encode_the_same(value: bytes) -> None:
    """What either encodes, both decode to the same; the fast path decodes its own notation."""
    try:
        event = _FAST.decode(value)
    except ValidationError:
        return
    written = _FAST.encode(event)
    assert comparable(event) == decoded_by(_REFERENCE, written)
    assert comparable(event) == decoded_by(_FAST, _REFERENCE.encode(event))
    if event.time_text.endswith("Z") and event.accepted_text.endswith("Z"):
        assert comparable(event) == comparable(_FAST_PATH.decode(written))


def test_own_notation_needs_no_reference() -> None:
    """Texts in ingest's own notation are decoded on the fast path."""
    for document in (_EXAMPLE, _RICH):
        value = json.dumps(document, separators=(",", ":")).encode()

        assert _FAST_PATH.decode(value).id == document["id"]


def test_cached_flow_is_found_with_another_subject() -> None:
    """A flow is shared between events; the subject is each event's own."""
    other = "psn:2:00000000000000000000000000000000"
    first = _FAST.decode(json.dumps(_RICH, separators=(",", ":")).encode())
    changed = {**_RICH, "data": {**_RICH["data"], "subject": other}}
    second = _FAST.decode(json.dumps(changed, separators=(",", ":")).encode())

    assert second.flow is first.flow
    assert (first.subject, second.subject) == (_RICH["data"]["subject"], other)


def test_count_differs_between_events_of_one_flow() -> None:
    """It is each event's own; 1 is not written."""
    texts_by_count = {}
    for count in (1, 2, 1_000_000):
        changed = {**_RICH, "data": {**_RICH["data"], "count": count}}
        event = _FAST.decode(json.dumps(changed, separators=(",", ":")).encode())
        assert event.count == count
        texts_by_count[count] = _FAST.encode(event)
        assert _FAST_PATH.decode(texts_by_count[count]).count == count
        assert _REFERENCE.decode(texts_by_count[count]).count == count
        assert _REFERENCE.decode(_REFERENCE.encode(event)).count == count
    assert b'"count"' not in texts_by_count[1]
    assert b'"count"' not in _REFERENCE.encode(_FAST.decode(texts_by_count[1]))


@pytest.mark.parametrize("count", ["0", "-1", "1000001", "1.5", "null", '"many"', "01"])
def test_count_that_is_out_of_range_is_refused(count: str) -> None:
    """By both codecs."""
    text = json.dumps(_RICH, separators=(",", ":")).replace('"count":17', f'"count":{count}')
    assert decoded_by(_REFERENCE, text.encode()) is None
    assert decoded_by(_FAST, text.encode()) is None


def test_flow_that_only_the_reference_decodes_is_not_cached() -> None:
    """The reference decodes it each time."""
    lax = {**_RICH, "data": {**_RICH["data"], "retention_days": "365"}}
    value = json.dumps(lax, separators=(",", ":")).encode()

    assert _FAST.decode(value).flow.terms.retention_days == 365
    with pytest.raises(NeedsReferenceError):
        _FAST_PATH.decode(value)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001 - the zone is text
def test_fast_path_decodes_every_time_of_the_calendar(time: datetime) -> None:
    """Every timestamp in ingest's own notation needs no reference, and is decoded as it does."""
    document = {**_EXAMPLE, "time": f"{time.isoformat()}Z"}
    value = json.dumps(document, separators=(",", ":")).encode()

    assert _FAST_PATH.decode(value).time == _REFERENCE.decode(value).time
