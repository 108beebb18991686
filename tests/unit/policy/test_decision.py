"""Decisions are dataclasses for whatever stores, sends and compares them, compiled or not."""

import copy
import dataclasses
import pickle
from typing import Any, get_type_hints

import msgspec
import pytest
from pydantic import TypeAdapter

from purposewatch_policy import decision
from purposewatch_policy.decision import (
    CategoryDecision,
    Decision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)

FAILED = FailedDimension(Dimension.PURPOSE, ("service",), None)
CATEGORY = CategoryDecision(
    "user.contact",
    Outcome.VIOLATION,
    Kind.UNDECLARED_PURPOSE,
    Grade.OMITTED,
    None,
    "readers.loans",
    "readers.1",
    (FAILED,),
    "A sentence.",
)
DECISION = Decision(Outcome.VIOLATION, Kind.UNDECLARED_PURPOSE, "1", "0" * 64, (CATEGORY,))
ALL = pytest.mark.parametrize("made", [FAILED, CATEGORY, DECISION])


@ALL
def test_copies_are_equal(made: object) -> None:
    """A copy is another object with the same fields, and the same key in a dictionary."""
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301 - just dumped
        assert other == made
        assert other is not made
        assert hash(other) == hash(made)


@ALL
def test_pydantic_and_msgspec_write_all_fields_and_pydantic_reads_them(made: Any) -> None:
    """What is stored and sent has every field, and is read to an equal object."""
    adapter: TypeAdapter[object] = TypeAdapter(type(made))
    written = msgspec.json.encode(made)
    names = [field.name for field in dataclasses.fields(made)]
    assert list(msgspec.json.decode(written)) == names
    assert adapter.dump_json(made) == written
    assert adapter.validate_json(written) == made


@pytest.mark.parametrize(
    ("made", "others"),
    [
        (FAILED, {"dimension": Dimension.ROLE, "expected": (), "actual": "marketing"}),
        (
            CATEGORY,
            {
                "data_category": "user",
                "outcome": Outcome.UNKNOWN,
                "kind": None,
                "grade": None,
                "distance": 1,
                "statement": None,
                "clause": None,
                "failed": (),
                "sentence": "",
            },
        ),
        (
            DECISION,
            {
                "outcome": Outcome.UNKNOWN,
                "kind": None,
                "policy_version": None,
                "policy_digest": None,
                "categories": (),
            },
        ),
    ],
)
def test_each_field_makes_a_difference(made: Any, others: dict[str, object]) -> None:
    """Objects of which one field differs are not equal."""
    assert list(others) == [field.name for field in dataclasses.fields(made)]
    for name, value in others.items():
        assert dataclasses.replace(made, **{name: value}) != made


@pytest.mark.skipif(
    not str(decision.__file__).endswith(".py"),
    reason="a compiled class has no annotations of its own",
)
@ALL
def test_fields_are_those_that_the_class_declares(made: Any) -> None:
    """The fields are listed in the order of the constructor, with its types."""
    constructor = get_type_hints(type(made).__init__)
    del constructor["return"]
    hints = get_type_hints(type(made))
    assert list(constructor.items()) == list(hints.items())
