"""Which statement of a fact is in force at a time."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from purposewatch_policy import FactStatement, statement_in_force

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


def stated(
    *,
    value: bool = True,
    begins: int = 0,
    until: int | None = None,
    stated_on: int = 0,
    statement: str = "s-1",
    source: str = "/consent-platform",
) -> FactStatement:
    """A statement with these days after the start."""
    ends = None if until is None else START + until * DAY
    return FactStatement(
        value, START + begins * DAY, ends, START + stated_on * DAY, statement, source
    )


def value_at(day: int, *statements: FactStatement) -> bool | None:
    """The value on a day, the same whatever the order in which the statements arrive."""
    values = set()
    for order in permutations(statements):
        found = statement_in_force(order, START + day * DAY)
        values.add(None if found is None else found.holds_at(START + day * DAY))
    [value] = values
    return value


@pytest.mark.parametrize(
    ("day", "expected"), [(-1, None), (0, True), (4, True), (5, False), (9, False)]
)
def test_latest_statement_that_has_begun_counts(day: int, expected: bool | None) -> None:  # noqa: FBT001
    """A withdrawal states that the fact does not hold, from its effective time on."""
    assert value_at(day, stated(), stated(value=False, begins=5, statement="s-2")) is expected


def test_expired_statement_states_nothing() -> None:
    """From `until` on; an earlier statement does not take effect again."""
    statements = stated(), stated(begins=2, until=5, statement="s-2")

    assert [value_at(day, *statements) for day in (0, 2, 4, 5, 9)] == [True, True, True, None, None]


def test_correction_counts_whatever_it_is_called() -> None:
    """Of two with the same effective time, the one that was stated later."""
    for names in (("a", "b"), ("b", "a")):
        wrong = stated(begins=2, stated_on=2, statement=names[0])
        right = stated(value=False, begins=2, stated_on=3, statement=names[1])

        assert value_at(4, wrong, right) is False


def test_statement_that_is_effective_later_counts_though_stated_earlier() -> None:
    """A statement about the future takes effect in spite of what is stated meanwhile."""
    early = stated(value=False, begins=5, stated_on=0)
    late = stated(begins=1, stated_on=3, statement="s-2")

    assert [value_at(day, early, late) for day in (4, 5)] == [True, False]


def test_content_decides_between_statements_of_the_same_times() -> None:
    """Which of them counts is arbitrary, but always the same, and source and id both matter."""
    one, other = stated(), stated(value=False, source="/consent-platform/web")

    assert value_at(1, one, other) in {True, False}
    assert len({one.rank, other.rank, stated(statement="s-2").rank}) == 3
