"""The fast codec of statements of facts agrees with the reference; each statement has its key."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from purposewatch_contract import EARLIEST_EFFECTIVE, EXAMPLE_DIR, render_schema
from purposewatch_contract.codec import (
    DecodedFact,
    FactCodec,
    FastFactCodec,
    ReferenceFactCodec,
    fact_key,
    parse_fact_key,
)
from purposewatch_policy import statement_digest
from tests.unit.contract.codec.fast_path import NeedsReferenceError, fast_path_of
from tests.unit.contract.codec.mutations import texts

_EXAMPLE: dict[str, Any] = json.loads((EXAMPLE_DIR / "canonical-fact.json").read_text())
_PLAIN: dict[str, Any] = {
    **_EXAMPLE,
    "origin": "data-access.raw/3/17",
    "data": {
        name: value for name, value in _EXAMPLE["data"].items() if name not in {"until", "evidence"}
    },
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
_FAST = FastFactCodec()
"""One for all examples: what it caches must not change what it decodes."""
_REFERENCE = ReferenceFactCodec()
_FAST_PATH = fast_path_of(FastFactCodec())


def text_of(document: dict[str, Any]) -> bytes:
    """The text in ingest's own notation."""
    return json.dumps(document, separators=(",", ":")).encode()


def decoded_by(codec: FactCodec, value: bytes) -> DecodedFact | None:
    """What the codec decodes; `None` when it refuses."""
    try:
        return codec.decode(value)
    except ValidationError:
        return None


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_PLAIN)))
@example(text_of(_PLAIN))
@example(b"[" * 100_000)
@example(b"")
def test_codecs_decode_the_same(value: bytes) -> None:
    """Both refuse, or both decode the same, however the text was changed or broken."""
    assert decoded_by(_REFERENCE, value) == decoded_by(_FAST, value)


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts(_EXAMPLE), texts(_PLAIN)))
def test_fast_path_alone_is_never_laxer(value: bytes) -> None:
    """What it decodes without the reference, the reference decodes to the same."""
    try:
        fact = _FAST_PATH.decode(value)
    except NeedsReferenceError:
        return
    assert decoded_by(_REFERENCE, value) == fact


@settings(max_examples=200, deadline=None)
@given(
    fact=st.builds(
        DecodedFact,
        subject=st.just("psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350"),
        controller=st.just("wework-labs"),
        fact=st.sampled_from(["consent.marketing", "f"]),
        value=st.booleans(),
        effective_from=st.datetimes(
            datetime(1900, 1, 2),  # noqa: DTZ001 - the zone is drawn
            datetime(2100, 1, 1),  # noqa: DTZ001
            timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))]),
        ),
        until=st.none() | st.just(datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
        evidence=st.none() | st.just("https://consent.example/r?id=1#2"),
        id=st.just("e-1"),
        source=st.just("/consent-platform"),
        publisher=st.just("consent-platform"),
        content_digest=st.just("41b6c0de5f7a4923b8d1e0f2a3c4b5d6"),
        origin=st.just("http"),
        traceparent=st.none() | st.just(_PLAIN["traceparent"]),
        time=st.datetimes(
            datetime(1900, 1, 2),  # noqa: DTZ001
            timezones=st.just(UTC),
        ),
        accepted_time=st.datetimes(timezones=st.just(UTC)),
    )
)
def test_codecs_encode_the_same(fact: DecodedFact) -> None:
    """What either encodes satisfies the schema, and both decode it to what went in."""
    text = _FAST.encode(fact)

    Draft202012Validator(json.loads(render_schema("canonical-fact"))).validate(json.loads(text))
    assert fact == _FAST_PATH.decode(text)
    assert fact == _REFERENCE.decode(text)
    assert fact == _FAST.decode(_REFERENCE.encode(fact))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("effective_from", "1899-12-31T23:59:59Z"),
        ("until", "2026-03-01T18:02:10Z"),
        ("until", "2026-03-01T18:02:09Z"),
        ("evidence", "a b"),
        ("evidence", "someone@example.org"),
        ("evidence", "x" * 201),
        ("value", 1),
        ("value", "true"),
        ("value", None),
        ("fact", "f" * 129),
        ("note", "a value"),
    ],
)
def test_codecs_refuse(field: str, value: object) -> None:
    """A statement that ends before it begins, or has a value that the contract has no place for."""
    text = text_of({**_EXAMPLE, "data": {**_EXAMPLE["data"], field: value}})

    for codec in (_FAST, _REFERENCE):
        with pytest.raises(ValidationError):
            codec.decode(text)


def test_key_is_that_of_the_statement() -> None:
    """A repeat has the same key; another statement, and the same of another time, have others."""
    fact = _FAST.decode(text_of(_EXAMPLE))
    key = fact_key(fact)
    digest = statement_digest("/consent-platform", "consent-2026-000817")

    assert key.decode() == (
        "psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350/wework-labs/consent.marketing/"
        f"{int(fact.effective_from.timestamp()) * 1_000_000}/{digest}"
    )
    again = {**_EXAMPLE, "acceptedtime": "2026-03-05T00:00:00Z", "origin": "data-access.raw/1/2"}
    assert key == fact_key(_FAST.decode(text_of(again)))
    changes: tuple[dict[str, Any], ...] = (
        {"id": "other"},
        {"source": "/consent-platform/web"},
        {"data": {**_EXAMPLE["data"], "effective_from": "2026-03-01T18:02:10.000001Z"}},
        {"data": {**_EXAMPLE["data"], "fact": "consent.newsletter"}},
    )
    others = {fact_key(_FAST.decode(text_of(_EXAMPLE | change))) for change in changes}
    assert len(others | {key}) == 5


def test_key_can_be_parsed() -> None:
    """A tombstone says what it removes, also what was effective before 1970."""
    data = {**_EXAMPLE["data"], "effective_from": "1900-01-01T00:00:00Z"}
    fact = _FAST.decode(text_of({**_EXAMPLE, "data": data}))
    key = parse_fact_key(fact_key(fact))

    assert fact_key(fact) == key.encode()
    assert (key.subject, key.controller, key.fact) == (fact.subject, fact.controller, fact.fact)
    assert timedelta(microseconds=key.effective_from) == (
        EARLIEST_EFFECTIVE - datetime(1970, 1, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize("key", [b"", b"psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350", b"\xff", b"a/b/c"])
def test_key_of_something_else_is_refused(key: bytes) -> None:
    """Whoever reads the topic can tell a record that is not a statement."""
    with pytest.raises(ValueError, match=r"key|codec"):
        parse_fact_key(key)
