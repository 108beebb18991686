"""The comparison of what was expected with what was found."""

from __future__ import annotations

from tests.chaos.differences import Differences


def test_equal_ledgers_have_no_differences() -> None:
    """Nothing is reported where everything agrees."""
    differences = Differences()

    differences.compare("event", {"a": 1}, {"a": 1})
    differences.compare_sets("violation", ["a", "b"], ["b", "a"])

    assert not differences
    assert differences.lines() == []


def test_each_kind_of_difference_is_named() -> None:
    """What is missing, different, not expected or there twice is reported separately."""
    differences = Differences()

    differences.compare("event", {"a": 1, "b": 2}, {"b": 3, "c": 4})
    differences.compare_sets("violation", ["x", "y"], ["y", "y", "z"])

    assert differences.lines() == [
        "event: missing: 1",
        "    a = 1",
        "event: different: 1",
        "    b: expected 2, found 3",
        "event: not expected: 1",
        "    c = 4",
        "violation: missing: 1",
        "    x",
        "violation: there 2 times instead of 1: 1",
        "    y",
        "violation: not expected: 1",
        "    z",
    ]


def test_only_the_first_examples_are_shown() -> None:
    """A report stays readable when thousands of events are lost."""
    differences = Differences()

    for number in range(25):
        differences.note("event without a verdict", f"event {number}")

    assert [*(f"    event {number}" for number in range(10)), "    and 15 more"] == (
        differences.lines()[1:]
    )
