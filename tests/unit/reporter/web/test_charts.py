"""Axes and bars of the overview's charts."""

import pytest

from purposewatch_reporter.findings.queries.overview import Bar
from purposewatch_reporter.web.charts import nice_top, short_number, stacked
from tests.unit.reporter.web.conftest import NOW


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
