"""The page of gaps."""

import re
from datetime import timedelta
from typing import Any

import pytest

from purposewatch_reporter.ledger.writer import LedgerWriter
from tests.unit.reporter.gaps.records import gap, in_gaps
from tests.unit.reporter.web.conftest import NOW, Browser


async def record(ledger_writer: LedgerWriter) -> None:
    """Three names of two publishers; one of them less often than the week before."""
    long_before = (NOW - timedelta(days=14)).isoformat()
    before = (NOW - timedelta(days=9)).isoformat()
    values: list[dict[str, Any]] = [
        gap("cards", id="1", count=2, controller="wework-labs"),
        gap("cards", id="2", count=3, controller="wework-labs", time=before),
        gap("report", kind="unknown_purpose", publisher="shop"),
        gap("(other)", id="3", kind="dropped", publisher="shop", time=before),
        gap("visits", kind="unknown_role", publisher="lab", time=long_before),
    ]
    await ledger_writer.record_gaps(in_gaps(values))


def rows(text: str) -> list[list[str]]:
    """The texts of the table's cells, row by row."""
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [re.sub("<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in body.split("</tr>")
        if "<t" in row
    ]


async def test_gaps_are_listed_with_count_and_trend(
    officer: Browser, ledger_writer: LedgerWriter
) -> None:
    """The latest first, and below them what to do about each kind."""
    await record(ledger_writer)
    text = (await officer.get("/gaps")).text
    found = {row[0]: row[1:7] for row in rows(text)}
    assert found == {
        "cards": [
            *("Dataset without a mapping", "crm", "wework-labs", "5", "2"),
            "Falling; 3 in the 7 days before",
        ],
        "report": [
            *("Purpose not known", "shop", "Not known", "1", "1"),
            "Rising; 0 in the 7 days before",
        ],
        "Other names": [
            *("Events dropped", "shop", "Not known", "1", "0"),
            "Falling; 1 in the 7 days before",
        ],
        "visits": [
            *("Role not known", "lab", "Not known", "1", "0"),
            "None in the last 14 days",
        ],
    }
    assert [row[0] for row in rows(text)][-2:] == ["Other names", "visits"]
    assert "Gaps: 4; accesses or events that they stand for: 8" in text
    assert text.count("<dd>") == 4
    assert "neither permitted nor a violation" in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=dropped", ["Other names"]),
        ("publisher=crm", ["cards"]),
        ("controller=wework-labs", ["cards"]),
        ("name=report", ["report"]),
        ("order=count&publisher=shop", ["report", "Other names"]),
        ("name=nothing", []),
        ("page=2", []),
    ],
)
async def test_filters_and_order(
    officer: Browser, ledger_writer: LedgerWriter, query: str, expected: list[str]
) -> None:
    """A list without a match says so, and not that there are no gaps."""
    await record(ledger_writer)
    text = (await officer.get(f"/gaps?{query}")).text
    assert sorted(row[0] for row in rows(text)) == sorted(expected)
    assert "No gaps are known" not in text


async def test_without_gaps_the_page_says_what_that_means(officer: Browser) -> None:
    """That nobody reported one, in both languages."""
    text = (await officer.get("/gaps")).text
    assert "no publisher has reported anything" in text
    chinese = await officer.get("/gaps", headers={"Accept-Language": "zh"})
    assert "没有已知的缺口" in chinese.text


async def test_what_is_not_valid_is_ignored_and_named(officer: Browser) -> None:
    """As on the other lists; a form's empty fields leave the address."""
    text = (await officer.get("/gaps?kind=nonsense")).text
    assert 'role="alert"' in text
    answer = await officer.get("/gaps?kind=dropped&publisher=&order=count")
    assert answer.headers["location"] == "/gaps?kind=dropped&order=count"
