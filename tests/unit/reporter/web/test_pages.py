"""The pages show what was recorded."""

import re
from typing import Any

import pytest

from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.reconciliation.reconciler import ReconciliationReport
from purposewatch_reporter.reconciliation.topic import TopicReconciliation, reconcile
from purposewatch_reporter.web.app import WebApp
from tests.unit.reporter.web.conftest import NOW, Browser, first_id

PAGES = (
    "/",
    "/?span=24h",
    "/?span=nonsense",
    "/findings",
    "/violations",
    "/policies",
    "/account",
    "/policies/wework-labs/2018-05-25",
    "/policies/linggan-house/undated",
)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_page_opens(officer: Browser, path: str, language: str) -> None:
    """In both languages."""
    answer = await officer.get(path, headers={"Accept-Language": language})

    assert answer.status_code == 200, answer.text
    assert ('lang="zh-Hans"' in answer.text) == (language == "zh")


@pytest.mark.parametrize(
    ("log_end", "words"),
    [(None, "Not known"), (0, "Reconciled"), (3, "Not reconciled")],
)
async def test_the_overview_shows_the_reconciliation(
    desk: tuple[Any, WebApp], officer: Browser, log_end: int | None, words: str
) -> None:
    """Reconciled, not reconciled, or not known yet."""
    ledger = reconcile(0, PartitionLedger(), log_end)
    desk[1].watch.latest = ReconciliationReport(
        NOW, TopicReconciliation((ledger,)), TopicReconciliation(), ()
    )

    answer = await officer.get("/")

    assert answer.status_code == 200
    assert f">{words}</span>" in answer.text


async def test_the_overview_counts_exactly(officer: Browser) -> None:
    """Twelve events, four of each outcome."""
    text = (await officer.get("/?span=24h")).text

    assert "<strong>12</strong>" in text
    assert text.count("<strong>4</strong>") >= 2
    assert "33.33 %" in text


async def test_a_violation_says_what_happened_and_why(officer: Browser) -> None:
    """In a sentence, with the statement that came nearest."""
    name = await first_id(officer, "/violations?outcome=violation")
    text = (await officer.get(f"/violations/{name}")).text

    assert "used “" in text
    assert "The policy declares these data, but not for this purpose." in text
    assert "members.contact.use" in text
    assert "would make it permitted" in text
    assert "add `marketing.advertising` to the purposes" in re.sub("</?code>", "`", text)


async def test_a_finding_lists_its_violations(officer: Browser) -> None:
    """The latest of them."""
    name = await first_id(officer, "/findings")
    answer = await officer.get(f"/findings/{name}")

    assert answer.status_code == 200
    assert 'href="/violations/' in answer.text


async def test_a_choice_of_language_and_colours_is_kept(officer: Browser) -> None:
    """In cookies, until another one is made."""
    answer = await officer.send("/preferences", {"language": "zh", "theme": "dark", "next": "/x"})
    assert answer.headers["location"] == "/x"
    text = (await officer.get("/")).text

    assert 'lang="zh-Hans" data-theme="dark"' in text


async def test_assets_are_kept_for_ever_and_nothing_else_is_given(officer: Browser) -> None:
    """Their address changes with their content."""
    page = (await officer.get("/")).text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await officer.get(address)

    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    for name in ("secret.txt", "..%2Froutes.py", "layout.html"):
        assert (await officer.get(f"/assets/x/{name}")).status_code == 404
