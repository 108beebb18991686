"""The contract check of submitted facts: what is refused, how it is named, and what never shows."""

import copy
import json
from typing import Any

import pytest

from purposewatch_contract import ErrorClass, SubmittedFact, read_example
from purposewatch_contract.submission import FieldError, RefusedError, read_fact


def stated(changes: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    """The shipped example with changes; a field that is None is left out."""
    document = copy.deepcopy(dict(read_example("submitted-fact")))
    document |= changes or {}
    document["data"] = {
        name: value for name, value in {**document["data"], **data}.items() if value is not None
    }
    return {name: value for name, value in document.items() if value is not None}


def test_the_example_and_the_least_are_read_as_the_model_reads_them() -> None:
    """With and without what may be left out."""
    least = stated(
        {"datacontenttype": None, "dataschema": None},
        effective_from=None,
        until=None,
        evidence=None,
    )
    for document in (stated(), least):
        expected = SubmittedFact.model_validate_json(json.dumps(document))
        assert expected == read_fact(copy.deepcopy(document))
    assert read_fact(least).data.effective_from is None


@pytest.mark.parametrize(
    ("changes", "data", "expected"),
    [
        ({"id": None}, {}, ("/id", "is missing")),
        ({"type": "purposewatch.data_access.v1"}, {}, ("/type", "`purposewatch.fact.v1`")),
        ({"dataschema": "x"}, {}, ("/dataschema", "submitted-fact")),
        ({"time": "2026-03-01T19:02:11"}, {}, ("/time", "has no zone")),
        ({"time": "2026-02-30T19:02:11Z"}, {}, ("/time", "of the calendar")),
        ({"time": 7}, {}, ("/time", "RFC 3339")),
        ({"time": "1899-03-01T19:02:11Z"}, {}, ("/time", "from 1900 on")),
        ({"source": "/a/.."}, {}, ("/source", "none of them `.`")),
        ({"ann@example.org": 1}, {}, ("", "not a field of a fact")),
        ({}, {"controller": "A"}, ("/data/controller", "controller's name")),
        ({}, {"fact": "Ann"}, ("/data/fact", "a vocabulary term")),
        ({}, {"value": 1}, ("/data/value", "true or false")),
        ({}, {"value": "true"}, ("/data/value", "true or false")),
        ({}, {"subject_id": ""}, ("/data/subject_id", "1 to 256")),
        ({}, {"effective_from": "now"}, ("/data/effective_from", "or left out")),
        ({}, {"effective_from": "2026-03-01T19:02:11"}, ("/data/effective_from", "no zone")),
        ({}, {"until": "2026-13-01T19:02:11Z"}, ("/data/until", "of the calendar")),
        ({}, {"until": "2026-03-01T18:02:10Z"}, ("/data/until", "after `effective_from`")),
        (
            {},
            {"effective_from": None, "until": "2026-03-01T18:02:11Z"},
            ("/data/until", "or after `time`"),
        ),
        ({}, {"evidence": "a b"}, ("/data/evidence", "without spaces")),
        ({}, {"evidence": "138-0013-8000"}, ("/data/evidence", "telephone")),
        ({}, {"facts": {}}, ("/data/facts", "not a field of the data of a fact")),
    ],
)
def test_a_fault_is_named_with_what_to_do(
    changes: dict[str, Any], data: dict[str, Any], expected: tuple[str, str]
) -> None:
    """One fault, one error, at its field; no value is quoted."""
    document = stated(changes, **data)
    for name, value in changes.items():
        if value is None:
            document.pop(name, None)
    with pytest.raises(RefusedError) as raised:
        read_fact(document)
    assert raised.value.error_class is ErrorClass.INVALID_EVENT
    [error] = raised.value.errors
    assert isinstance(error, FieldError)
    assert (error.field, expected[1] in error.detail) == (expected[0], True), error
    for quoted in ("Ann", "ann@", "138-0013"):
        assert quoted not in str(raised.value)


@pytest.mark.parametrize("document", [[], "text", None, {}, {"data": []}])
def test_what_is_not_a_fact_at_all_is_refused(document: object) -> None:
    """As a whole, or field by field."""
    with pytest.raises(RefusedError):
        read_fact(document)
