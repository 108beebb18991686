"""The fast reader and writer of verdicts and the contract's model agree on every text."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from purposewatch_contract import (
    EXAMPLE_DIR,
    VERDICT_SCHEMA,
    CanonicalData,
    PolicyReference,
    Position,
    Verdict,
    render_schema,
)
from purposewatch_contract.codec import (
    DecodedVerdict,
    EventReader,
    VerdictReader,
    VerdictWriter,
    encode_reasons,
)
from purposewatch_policy import CategoryDecision, Decision, Grade, Kind, Outcome
from tests.unit.contract.codec.mutations import texts

_EXAMPLE: dict[str, Any] = json.loads((EXAMPLE_DIR / "verdict.json").read_text())
_PLAIN: dict[str, Any] = {
    **{name: _EXAMPLE[name] for name in _EXAMPLE if name != "traceparent"},
    "outcome": "unknown",
    "kind": None,
    "policy": None,
    "categories": [
        {**_EXAMPLE["categories"][0], "outcome": "permitted", "kind": None, "failed": []}
    ]
    * 2,
}
_READER = VerdictReader()
"""One for all examples: what was read before must not change what is read now."""


def as_model(verdict: DecodedVerdict) -> dict[str, object]:
    """What the fast reader read, in the model's terms."""
    policy = verdict.policy
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    place = {name: fields.pop(name) for name in ("topic", "partition", "offset")}
    subject = fields.pop("subject")
    flow = {name: getattr(verdict.data, name) for name in verdict.data.__struct_fields__}
    return {
        **fields,
        "dataschema": VERDICT_SCHEMA,
        "position": Position(**place),
        "policy": policy and PolicyReference(version=policy.version, digest=policy.digest),
        "data": CanonicalData(**flow, subject=subject),
    }


def by_model(value: bytes) -> dict[str, object] | None:
    """What the model reads; `None` when it refuses."""
    try:
        verdict = Verdict.model_validate_json(value)
    except ValidationError:
        return None
    return {name: getattr(verdict, name) for name in Verdict.model_fields}


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_PLAIN)))
@example(json.dumps(_EXAMPLE).encode())
@example(b"[" * 100_000)
def test_reader_and_model_agree(value: bytes) -> None:
    """Both refuse, or both read the same, however the text was bent or broken."""
    try:
        found = as_model(_READER.read(value))
    except ValidationError:
        found = None

    assert by_model(value) == found


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_PLAIN)))
def test_reader_alone_is_never_laxer(value: bytes) -> None:
    """What it reads without asking the model, the model reads the same."""
    try:
        verdict = _READER._read(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    assert by_model(value) == as_model(verdict)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_CATEGORIES = st.builds(
    CategoryDecision,
    data_category=_TEXT,
    outcome=st.sampled_from(Outcome),
    kind=st.none() | st.sampled_from(Kind),
    grade=st.none() | st.sampled_from(Grade),
    distance=st.none() | st.integers(0, 40),
    statement=st.none() | _TEXT,
    clause=st.none() | _TEXT,
    failed=st.just(()),
    sentence=_TEXT,
)
_DECISIONS = st.builds(
    Decision,
    outcome=st.sampled_from(Outcome),
    kind=st.none() | st.sampled_from(Kind),
    policy_version=st.none() | _TEXT,
    policy_digest=st.none() | _TEXT,
    categories=st.lists(_CATEGORIES, min_size=1, max_size=3).map(tuple),
)


@settings(deadline=None)
@given(
    decision=_DECISIONS,
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    decided=st.datetimes(timezones=st.just(UTC)),
    traced=st.booleans(),
)
def test_what_is_written_is_read_back(
    decision: Decision, partition: int, offset: int, decided: datetime, *, traced: bool
) -> None:
    """The writer's text obeys the schema and says what went in, whatever the reasons hold."""
    event = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
    traceparent = event.pop("traceparent")
    if traced:
        event["traceparent"] = traceparent  # last, as the gate has it
    read = EventReader().read(json.dumps(event, separators=(",", ":")).encode())
    writer = VerdictWriter("data-access.events", decided)

    text = writer.write(read, encode_reasons(decision), partition=partition, offset=offset)

    Draft202012Validator(json.loads(render_schema("verdict"))).validate(json.loads(text))
    verdict = Verdict.model_validate_json(text)
    policy = None
    if decision.policy_version is not None and decision.policy_digest is not None:
        policy = PolicyReference(version=decision.policy_version, digest=decision.policy_digest)
    assert verdict == Verdict(
        position=Position(topic="data-access.events", partition=partition, offset=offset),
        origin=event["origin"],
        event_id=event["id"],
        event_source=event["source"],
        event_time=event["time"],
        accepted_time=event["acceptedtime"],
        decided_time=decided,
        publisher=event["publisher"],
        content_digest=event["contentdigest"],
        traceparent=event.get("traceparent"),
        data=CanonicalData.model_validate(event["data"]),
        outcome=decision.outcome,
        kind=decision.kind,
        policy=policy,
        categories=decision.categories,
    )
    assert by_model(text) == as_model(_READER._read(text))
