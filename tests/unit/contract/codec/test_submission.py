"""The fast codec of submitted events agrees with the reference, with and without a cached flow."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from purposewatch_contract.codec import (
    DecodedSubmission,
    FastSubmissionCodec,
    ReferenceSubmissionCodec,
    SubmissionCodec,
)
from purposewatch_contract.submission import RefusedError

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
_REFERENCE = ReferenceSubmissionCodec()


class CountingCodec(FastSubmissionCodec):
    """Counts the texts that it left to the reference."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = 0
        decode = self._reference.decode

        def count(value: bytes) -> DecodedSubmission:
            self.slow += 1
            return decode(value)

        self._reference.decode = count  # type: ignore[method-assign]

    def decodes_fast(self, value: bytes) -> bool:
        """Whether this text needs no reference."""
        before = self.slow
        decoded_by(self, value)
        return self.slow == before


@pytest.fixture
def codec() -> CountingCodec:
    """A codec that has cached nothing yet."""
    return CountingCodec()


def text_of(document: Any, *, spaced: bool = True) -> bytes:
    """As a client encodes it."""
    return json.dumps(document, separators=None if spaced else (",", ":")).encode()


def decoded_by(codec: SubmissionCodec, value: bytes) -> DecodedSubmission | tuple[object, ...]:
    """What the codec decodes, or the faults that it refuses the text for."""
    try:
        decoded = codec.decode(value)
    except RefusedError as error:
        return error.error_class, error.errors
    return msgspec.structs.replace(decoded, flow_key=None)


@pytest.mark.parametrize("spaced", [True, False])
def test_cached_flow_is_decoded_fast(
    codec: CountingCodec,
    event: MakeEvent,
    spaced: bool,  # noqa: FBT001
) -> None:
    """With another subject, id, time, source and trace, and as the reference decodes it."""
    first = text_of(event(), spaced=spaced)
    codec.cache_flow(codec.decode(first))
    assert codec.slow == 1
    document = event({"subject_id": "名前 \U0001f600"}, id="e-2", source="/crm/other")
    document |= {"time": "2026-03-02t09:16:00.5+01:00", "traceparent": TRACE}
    separators = None if spaced else (",", ":")
    text = json.dumps(document, separators=separators, ensure_ascii=False).encode()
    assert codec.decodes_fast(text)
    assert decoded_by(_REFERENCE, text) == decoded_by(codec, text)


@pytest.mark.parametrize("spaced", [True, False])
def test_cached_flow_is_decoded_fast_with_another_count(
    codec: CountingCodec,
    event: MakeEvent,
    spaced: bool,  # noqa: FBT001
) -> None:
    """The count is each event's own, and no part of the cached flow."""
    codec.cache_flow(codec.decode(text_of(event({"count": 2}), spaced=spaced)))
    for count in (1, 3, 1_000_000):
        text = text_of(event({"count": count}), spaced=spaced)
        assert codec.decodes_fast(text)
        assert codec.decode(text).count == count
        assert decoded_by(_REFERENCE, text) == decoded_by(codec, text)
    for faulty in (0, -1, 1_000_001, 1.0, 2.5, True, "2"):
        text = text_of(event({"count": faulty}), spaced=spaced)
        assert not codec.decodes_fast(text)
        assert isinstance(decoded_by(codec, text), tuple)
    assert codec.decode(text_of(event(), spaced=spaced)).count == 1


def test_count_with_an_escaped_name_is_never_lost(codec: CountingCodec, event: MakeEvent) -> None:
    """An event that spells it so is left to the reference each time."""
    text = text_of(event({"count": 5})).replace(b'"count"', rb'"c\u006funt"')
    for _ in range(2):
        codec.cache_flow(codec.decode(text))
        assert not codec.decodes_fast(text)
        assert codec.decode(text).count == 5


def test_fact_of_the_same_name_is_not_taken_for_the_count(
    codec: CountingCodec, event: MakeEvent
) -> None:
    """An event with a fact of that name is left to the reference each time."""
    text = text_of(event({"facts": {"count": True}, "count": 5}))
    codec.cache_flow(codec.decode(text))
    assert not codec.decodes_fast(text)
    assert codec.decode(text).count == 5


def test_no_subject_is_cached(codec: CountingCodec, event: MakeEvent) -> None:
    """Wherever in the event it is."""
    subject = "customer-by-name"
    codec.cache_flow(codec.decode(text_of(event({"subject_id": subject}))))
    reordered = event()
    del reordered["data"]["subject_id"]
    reordered["data"] = {"subject_id": subject, **reordered["data"]}
    codec.cache_flow(codec.decode(text_of(reordered)))
    cached = codec._flows._entries
    assert len(cached) == 2
    assert subject not in repr(cached)


def test_flow_of_an_event_that_is_not_admitted_is_not_cached(
    codec: CountingCodec, event: MakeEvent
) -> None:
    """Nothing of an event that was decoded, but not admitted, is kept."""
    text = text_of(event({"role": "alice"}))
    codec.decode(text)
    assert not codec.decodes_fast(text)
    assert codec._flows._entries == {}


def test_flow_is_cached_once(codec: CountingCodec, event: MakeEvent) -> None:
    """An event of a cached flow that the reference decodes does not use up the budget."""
    codec.cache_flow(codec.decode(text_of(event())))
    spent = codec._flows._spent
    twice = text_of(event())[:-1] + b', "traceparent": null}'
    assert not codec.decodes_fast(twice)
    codec.cache_flow(codec.decode(twice))
    assert spent == codec._flows._spent


def test_only_the_real_subject_is_taken_for_it(codec: CountingCodec, event: MakeEvent) -> None:
    """An event with a fact of that name is left to the reference each time."""
    document = event()
    subject_id = document["data"].pop("subject_id")
    document["data"] |= {"facts": {"subject_id": True}, "subject_id": subject_id}
    text = text_of(document)
    codec.cache_flow(codec.decode(text))
    assert not codec.decodes_fast(text)


FIELDS = (
    *("specversion", "id", "source", "type", "time", "data", "datacontenttype", "dataschema"),
    *("traceparent", "subject", "name"),
)
DATA_FIELDS = (
    *("controller", "role", "operation", "purpose", "recipient", "data_categories"),
    *("source", "retention_days", "facts", "count", "other", "subject_id"),
)
VALUES: tuple[Any, ...] = (
    *("1.0", "e-9", "/crm", "/crm/x", "/shop", "purposewatch.data_access.v1", TRACE, None),
    *("application/json", "urn:purposewatch:schema:submitted-event:1.0", "member", "user"),
    *(
        "2026-03-02T08:15:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T08:15:00",
        "2026-02-30T08:15:00Z",
    ),
    *("1969-01-01T00:00:00Z", "2126-01-01T00:00:00Z", "2026-03-02T08:15:00.123456789+14:00"),
    *("2026-03-02 08:15:00Z", "wework-labs", "linggan-house", "first_party", "", 0, True, 1.5),
    *(1, 7, 1_000_000, 1_000_001, {"count": True}, {"count": 1}),
    *(["user"], ["user", "user"], {"consent.marketing": True}, {"subject_id": True}, {}),
    *("e-1\n", "x" * 257, "x" * 256, "\x85", "\x1f", "\\", '"', "名"),
    *("138-0013-8000", "1" * 6, "1" * 7, "1" * 15, "1" * 16, "/crm/..", "/crm/./x", "/crm/..x"),
    *("ff" + TRACE[2:], TRACE.replace("a", "0"), TRACE.replace("b", "0"), "fe" + TRACE[2:]),
)


def test_codecs_agree_on_every_value_of_every_field(codec: CountingCodec, event: MakeEvent) -> None:
    """Also where they refuse, and why."""
    for spaced in (True, False):
        codec.cache_flow(codec.decode(text_of(event(), spaced=spaced)))
    fast = 0
    for fields, within in ((FIELDS, ()), (DATA_FIELDS, ("data",))):
        for field, value, spaced, escaped in product(fields, VALUES, (True, False), (True, False)):
            document = event()
            place = document["data"] if within else document
            place[field] = value
            separators = None if spaced else (",", ":")
            text = json.dumps(document, separators=separators, ensure_ascii=escaped).encode()
            assert decoded_by(_REFERENCE, text) == decoded_by(codec, text)
            fast += codec.decodes_fast(text)
    assert fast > 100


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(FIELDS),
    value=st.one_of(st.sampled_from(VALUES), st.text(max_size=5)),
    cut=st.integers(-20, 20),
    insert=st.tuples(st.integers(0, 400), st.sampled_from(list(b'\\" ,:{}[]\n\xff'))),
)
def test_codecs_agree_on_doubled_names_and_broken_texts(
    codec: CountingCodec,
    event: MakeEvent,
    field: str,
    value: Any,
    *,
    cut: int,
    insert: tuple[int, int],
) -> None:
    """A name that occurs twice, a text that was cut off, or has a byte too many."""
    text = text_of(event())
    codec.cache_flow(codec.decode(text))
    doubled = b'{"%b": %b, %b' % (field.encode(), json.dumps(value).encode(), text[1:])
    at, byte = insert
    for changed in (doubled, text[cut:], text[:cut], text[:at] + bytes([byte]) + text[at:]):
        assert decoded_by(_REFERENCE, changed) == decoded_by(codec, changed)
