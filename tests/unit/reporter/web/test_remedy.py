"""The smallest change, and what is compared."""

from typing import Any

import pytest

from purposewatch_reporter.web.charts import nice_top, short_number, stacked
from purposewatch_reporter.web.figures import Bar
from purposewatch_reporter.web.remedy import reasons
from tests.unit.reporter.records import verdict
from tests.unit.reporter.web.conftest import NOW, declared

FAILED = {"dimension": "purpose", "expected": ["a", "b"], "actual": "marketing.advertising"}


def a_verdict(kind: str, failed: list[dict[str, Any]], outcome: str = "violation") -> Any:
    """A verdict about one category."""
    made = verdict(outcome=outcome, kind=kind)
    made["categories"][0].update(failed=failed, statement="members.contact.identify", kind=kind)
    return made


@pytest.mark.parametrize(
    ("kind", "failed", "outcome", "expected"),
    [
        ("undeclared_purpose", [FAILED], "violation", "nearest"),
        ("undeclared_role", [], "violation", "declare"),
        ("prohibited", [], "violation", "prohibited"),
        ("policy_not_in_force", [], "violation", "policy_not_in_force"),
        ("none", [], "unknown", "unknown"),
        ("none", [], "permitted", "none"),
    ],
)
def test_every_decision_says_what_would_change_it(
    kind: str, failed: list[dict[str, Any]], outcome: str, expected: str
) -> None:
    """A prohibition is not mended by declaring more."""
    [reason] = reasons(a_verdict(kind, failed, outcome), None)

    assert reason.remedy == expected


def test_what_failed_is_told_from_what_is_covered() -> None:
    """With what the declared statement says where the verdict is silent."""
    policy = declared().policy("wework-labs", "2018-05-25")
    [reason] = reasons(a_verdict("undeclared_purpose", [FAILED]), policy)

    assert [each.dimension for each in reason.lacking] == ["purpose"]
    compared = {each.dimension: each for each in reason.comparisons}
    assert compared["purpose"].expected == ("a", "b")
    assert compared["role"].expected == ("member",)
    assert compared["role"].actual == "member"
    assert not compared["role"].failed
    assert "user.contact" in compared["data_category"].expected


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (3, 4), (9, 10), (11, 20), (233, 300), (1234, 2000)]
)
def test_axes_end_at_round_numbers(most: int, top: int) -> None:
    """That can be halved."""
    assert nice_top(most) == top


def test_large_numbers_are_shortened_on_axes() -> None:
    """There is little room."""
    assert [short_number(number) for number in (999, 1500, 2_000_000)] == ["999", "1.5k", "2M"]


def test_the_smallest_count_can_be_seen() -> None:
    """One violation among many permitted events is what the picture is for."""
    chart = stacked([Bar(NOW, NOW, 100_000, 1, 0)], ("violation", "unknown", "permitted"))
    [column] = chart.columns

    assert [shape.series for shape in column.shapes] == ["violation", "permitted"]
    assert column.shapes[0].height >= 1.5
