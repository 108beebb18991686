"""The contract check: what is refused, how it is named, and what never shows."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import purposewatch_contract
from purposewatch_contract import ErrorClass, SubmittedEvent
from purposewatch_contract.submission import MAX_ERRORS, RefusedError, parse_json, read_event

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]

HOSTILE = [
    "Ann Smith\n",
    "ann\x00smith",
    "\x1b[31mred\x1b[0m",
    "line\r\nbreak",
    "\u202egnp",
    "<script>",
    "名前",
    "x" * 5_000,
]


def refused(document: object) -> RefusedError:
    """The refusal of a document."""
    with pytest.raises(RefusedError) as raised:
        read_event(document)
    return raised.value


def fields(refusal: RefusedError) -> list[str]:
    """The fields that a refusal names."""
    return [error.field for error in refusal.errors]


def test_shipped_example_satisfies_the_contract() -> None:
    """The example of a submitted event is read as the model itself reads it."""
    text = (
        Path(purposewatch_contract.__file__).parent / "examples" / "submitted-event.json"
    ).read_bytes()
    assert SubmittedEvent.model_validate_json(text) == read_event(parse_json(text))


def test_every_optional_field_is_read(event: MakeEvent) -> None:
    """A full event keeps all that it says."""
    data = {
        "source": "employer",
        "location": "eu",
        "retention_days": 30,
        "legal_basis": "consent",
        "facts": {"consent.marketing": True},
    }
    read = read_event(event(data))
    assert data == {name: getattr(read.data, name) for name in data}


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "data"])
def test_missing_attribute_is_named(event: MakeEvent, name: str) -> None:
    """A missing CloudEvents attribute is named, with what to do."""
    document = event()
    del document[name]
    refusal = refused(document)
    assert [f"/{name}"] == fields(refusal)
    assert refusal.errors[0].detail == "is missing; add it"


@pytest.mark.parametrize(
    "name",
    ["controller", "role", "operation", "purpose", "recipient", "data_categories", "subject_id"],
)
def test_missing_data_field_is_named(event: MakeEvent, name: str) -> None:
    """A missing field of the data is named."""
    document = event()
    del document["data"][name]
    assert [f"/data/{name}"] == fields(refused(document))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("specversion", 1.0),
        ("type", "other.v1"),
        ("id", ""),
        ("id", 7),
        ("id", "a b"),
        ("source", "crm"),
        ("source", "/CRM"),
        ("source", "/crm//x"),
        ("source", "/crm/.."),
        ("id", "138-0013-8000"),
        ("id", "ann@example.org"),
        ("traceparent", f"00-{'0' * 32}-{'b' * 16}-01"),
        ("datacontenttype", "text/plain"),
        ("dataschema", "urn:other"),
        ("traceparent", "00-zz"),
        ("data", None),
        ("data", []),
        ("data", "text"),
        ("time", 1_700_000_000),
        ("time", "1700000000"),
        ("time", "2026-03-02"),
        ("time", "2026-03-02 08:15:00Z"),
        ("time", "2026-02-30T08:15:00Z"),
        ("time", "2026-03-02T24:15:00Z"),
        ("time", "2026-03-02T08:15:00+99:99"),
        ("time", "02.03.2026"),
    ],
)
def test_wrong_attribute_is_named(event: MakeEvent, name: str, value: object) -> None:
    """A wrong CloudEvents attribute is named, whatever its type."""
    document = event()
    document[name] = value
    refusal = refused(document)
    assert [f"/{name}"] == fields(refusal)
    assert refusal.error_class is ErrorClass.INVALID_EVENT


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("role", 5, "role"),
        ("role", "Member", "role"),
        ("role", "x" * 129, "role"),
        ("data_categories", [], "data_categories"),
        ("data_categories", "user", "data_categories"),
        ("data_categories", ["user", "user"], "data_categories"),
        ("data_categories", ["user"] * 70_000, "data_categories"),
        ("data_categories", ["user", "Ann Smith"], "data_categories/1"),
        ("retention_days", 30.0, "retention_days"),
        ("retention_days", "30", "retention_days"),
        ("retention_days", True, "retention_days"),
        ("retention_days", -1, "retention_days"),
        ("retention_days", 10**300, "retention_days"),
        ("facts", ["x"], "facts"),
        ("facts", {"consent": 1}, "facts/consent"),
        ("facts", {"consent": "true"}, "facts/consent"),
        ("facts", {"Ann Smith": True}, "facts"),
        ("facts", {f"f{n}": True for n in range(33)}, "facts"),
        ("subject_id", "", "subject_id"),
        ("subject_id", 4711, "subject_id"),
        ("subject_id", "x" * 257, "subject_id"),
        ("subject_id", "a\nb", "subject_id"),
        ("subject_id", "a\x00b", "subject_id"),
        ("subject_id", "\x1b[31m", "subject_id"),
    ],
)
def test_wrong_data_is_named(event: MakeEvent, name: str, value: object, field: str) -> None:
    """A wrong field of the data is named, and types are not converted."""
    document = event()
    document["data"][name] = value
    assert [f"/data/{field}"] == fields(refused(document))


@pytest.mark.parametrize("value", [1, "true", None, []])
def test_fact_that_is_not_a_boolean_is_told_what_it_must_be(
    event: MakeEvent, value: object
) -> None:
    """A fact of another type is told the rule for its value, not that for all facts."""
    [error] = refused(event({"facts": {"consent.marketing": value}})).errors
    assert (error.field, error.detail) == (
        "/data/facts/consent.marketing",
        "must be true or false",
    )


def test_naive_time_is_told_to_add_its_zone(event: MakeEvent) -> None:
    """A time without a zone is refused with what to append."""
    [error] = refused(event(time="2026-03-02T08:15:00")).errors
    assert error.field == "/time"
    assert error.detail == "has no zone; append `Z` or an offset such as `+08:00`"


@pytest.mark.parametrize(
    "time", ["2026-03-02t08:15:00.123456789z", "2026-03-02T16:15:00.123456+08:00"]
)
def test_every_rfc_3339_time_is_read(event: MakeEvent, time: str) -> None:
    """Fractions, offsets and lower-case letters are read as RFC 3339 has them."""
    expected = datetime(2026, 3, 2, 8, 15, 0, 123456, tzinfo=UTC)
    assert expected == read_event(event(time=time)).time


@pytest.mark.parametrize("document", [None, 1, "text", [], [{}], True])
def test_what_is_no_object_is_refused(document: object) -> None:
    """A JSON value that is not an object is not an event."""
    assert fields(refused(document)) == [""]


def test_unknown_field_is_named_without_its_value(event: MakeEvent) -> None:
    """An unknown field, which could carry a personal value, is refused by name."""
    refusal = refused(event({"email": "ann@example.org"}))
    assert fields(refusal) == ["/data/email"]
    assert "ann@example.org" not in str(refusal)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_unknown_fields_never_show(event: MakeEvent, name: str) -> None:
    """The name of an unknown field is the sender's text: shown only if it could be a term."""
    for document in (event(**{name: 1}), event({name: 1}), event({"facts": {name: True}})):
        refusal = refused(document)
        assert name not in str(refusal)
        assert str(refusal).isprintable()


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["id", "source", "type", "time", "traceparent", "dataschema"])
def test_hostile_attributes_never_show(event: MakeEvent, field: str, value: str) -> None:
    """No attribute's value is quoted."""
    refusal = refused(event(**{field: value}))
    assert [f"/{field}"] == fields(refusal)
    assert value not in str(refusal)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["controller", "role", "operation", "purpose", "recipient"])
def test_hostile_terms_never_show(event: MakeEvent, field: str, value: str) -> None:
    """No term that breaks the alphabet is quoted."""
    refusal = refused(event({field: value}))
    assert [f"/data/{field}"] == fields(refusal)
    assert value not in str(refusal)


def test_masses_of_faults_are_cut_short(event: MakeEvent) -> None:
    """A document with many faults is checked in bounded time, and not all of them are reported."""
    assert len(refused(event({f"x{n}": 1 for n in range(100_000)})).errors) == 1
    assert len(refused(event({f"x{n}": 1 for n in range(50)})).errors) == MAX_ERRORS


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_document_does_worse_than_be_refused(document: object) -> None:
    """Any JSON is either read or refused, and a refusal is printable."""
    try:
        read_event({"data": document, "specversion": "1.0"})
    except RefusedError as refusal:
        json.dumps(str(refusal)).encode("ascii")
