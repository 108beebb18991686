"""The fast codec of verdicts agrees with the reference on every text."""

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
    CanonicalData,
    FactFinding,
    PolicyReference,
    Position,
    Verdict,
    render_schema,
)
from purposewatch_contract.codec import (
    DecodedFactFinding,
    DecodedVerdict,
    FastEventCodec,
    FastVerdictCodec,
    ReferenceVerdictCodec,
    VerdictCodec,
)
from purposewatch_policy import CategoryDecision, Decision, Grade, Kind, Outcome
from tests.unit.contract.codec.fast_path import NeedsReferenceError, fast_path_of
from tests.unit.contract.codec.mutations import texts

_EXAMPLE: dict[str, Any] = json.loads((EXAMPLE_DIR / "verdict.json").read_text())
_PLAIN: dict[str, Any] = {
    **{name: _EXAMPLE[name] for name in _EXAMPLE if name != "traceparent"},
    "data": {**_EXAMPLE["data"], "count": 3},
    "outcome": "unknown",
    "kind": None,
    "policy": None,
    "categories": [
        {**_EXAMPLE["categories"][0], "outcome": "permitted", "kind": None, "failed": []}
    ]
    * 2,
}
_WITH_FACTS: dict[str, Any] = {}
for _name, _value in _EXAMPLE.items():
    if _name == "data":
        _WITH_FACTS["facts"] = [
            {
                "fact": "consent.marketing",
                "claimed": True,
                "value": False,
                "since": "2026-03-01T18:02:10Z",
                "until": "2028-03-01T18:02:10.5Z",
                "statement": "consent-2026-000817",
                "source": "/consent-platform",
                "evidence": "https://consent.example/r?id=1#2",
            },
            {"fact": "visit.website"},
        ]
    _WITH_FACTS[_name] = _value
_FAST = FastVerdictCodec()
"""One for all examples: what it caches must not change what it decodes."""
_REFERENCE = ReferenceVerdictCodec()
_FAST_PATH = fast_path_of(FastVerdictCodec())


def decoded_by(codec: VerdictCodec, value: bytes) -> DecodedVerdict | None:
    """What the codec decodes; `None` when it refuses."""
    try:
        return codec.decode(value)
    except ValidationError:
        return None


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_PLAIN), texts(_WITH_FACTS)))
@example(json.dumps(_EXAMPLE).encode())
@example(json.dumps(_WITH_FACTS, separators=(",", ":")).encode())
@example(b"[" * 100_000)
def test_codecs_decode_the_same(value: bytes) -> None:
    """Both refuse, or both decode the same, however the text was changed or broken."""
    assert decoded_by(_REFERENCE, value) == decoded_by(_FAST, value)


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_PLAIN), texts(_WITH_FACTS)))
def test_fast_path_alone_is_never_laxer(value: bytes) -> None:
    """What it decodes without the reference, the reference decodes to the same."""
    try:
        verdict = _FAST_PATH.decode(value)
    except NeedsReferenceError:
        return
    assert decoded_by(_REFERENCE, value) == verdict


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


_FINDINGS = st.lists(
    st.builds(
        DecodedFactFinding,
        fact=st.sampled_from(["consent.marketing", "loan.overdue"]),
        claimed=st.none() | st.booleans(),
        value=st.none() | st.booleans(),
        since=st.none() | st.datetimes(timezones=st.just(UTC)),
        until=st.none() | st.datetimes(timezones=st.just(UTC)),
        statement=st.none() | st.just("e-1"),
        source=st.none() | st.just("/consent-platform"),
        evidence=st.none() | st.just("receipt/1"),
    ),
    max_size=2,
).map(tuple)


@settings(deadline=None)
@given(
    decision=_DECISIONS,
    facts=_FINDINGS,
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    decided=st.datetimes(timezones=st.just(UTC)),
    traced=st.booleans(),
    count=st.sampled_from([1, 2, 1_000_000]),
)
def test_codecs_encode_the_same(
    decision: Decision,
    facts: tuple[DecodedFactFinding, ...],
    partition: int,
    offset: int,
    decided: datetime,
    *,
    traced: bool,
    count: int,
) -> None:
    """The text satisfies the schema and says what went in, whatever the decision holds."""
    event = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
    traceparent = event.pop("traceparent")
    if count > 1:
        event["data"]["count"] = count
    if traced:
        event["traceparent"] = traceparent  # last, as ingest has it
    decoded = FastEventCodec().decode(json.dumps(event, separators=(",", ":")).encode())

    text, by_reference = (
        codec.encode(
            decoded,
            codec.encode_decision(decision),
            topic="data-access.events",
            partition=partition,
            offset=offset,
            decided_time=decided,
            facts=facts,
        )
        for codec in (_FAST, _REFERENCE)
    )

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
        facts=tuple(FactFinding(**msgspec.structs.asdict(each)) for each in facts),
        data=CanonicalData.model_validate(event["data"]),
        outcome=decision.outcome,
        kind=decision.kind,
        policy=policy,
        categories=decision.categories,
    )
    assert facts == _FAST_PATH.decode(text).facts
    assert (b'"facts":[' in text) == bool(facts)
    assert (b'"count"' in text, b'"count"' in by_reference) == (count > 1,) * 2
    assert _REFERENCE.decode(text) == _FAST_PATH.decode(text)
    assert _FAST_PATH.decode(text).count == count
    assert _REFERENCE.decode(text) == _FAST.decode(by_reference)
