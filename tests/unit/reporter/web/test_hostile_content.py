"""Every form, every filter and every stored text, with content that is meant to do harm."""

import re
from typing import Any

import pytest
from sqlalchemy import func, select

from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import findings, violations
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.pages.what_if import WHAT_IF_PAGES
from purposewatch_reporter.web.routes import web_routes
from tests.unit.reporter.records import in_topic, verdict
from tests.unit.reporter.web.conftest import Browser, first_id

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"
OPEN_TO_ALL = {"/sign-in", "/preferences"}
OPEN_TO_VIEWERS = {"/sign-out", "/account", "/account/second-factor", *WHAT_IF_PAGES}
SQL = (
    "' OR '1'='1",
    "x' UNION SELECT username, password_hash FROM accounts --",
    "'; DROP TABLE violations; --",
    "%",
    "_",
    "\\",
)


async def forms(desk: WebApp, browser: Browser) -> list[str]:
    """The address of every form, with the id of a row that exists."""
    ids = {
        "violations": await first_id(browser),
        "findings": await first_id(browser, "/findings"),
        "exceptions": "0" * 32,
    }
    return [
        route.path.replace("{id}", ids.get(route.path.split("/")[1], ""))
        for route in web_routes(desk)
        if "POST" in (route.methods or ())
    ]


async def counts(database: Database) -> tuple[int, int]:
    """How many violations and findings there are."""
    async with database.reading() as connection:
        return (
            (await connection.execute(select(func.count()).select_from(violations))).scalar_one(),
            (await connection.execute(select(func.count()).select_from(findings))).scalar_one(),
        )


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_no_form_works_without_the_sessions_token(
    desk: tuple[Any, WebApp], officer: Browser, token: str
) -> None:
    """Nor the sign-in form without its own."""
    paths = set(await forms(desk[1], officer))
    assert len(paths) >= 8
    for path in paths:
        fields = {"act": "resolve", "reason": "x", "days": "7", "csrf": token, "form": token}
        answer = await officer.http.post(path, data=fields)
        assert answer.status_code == 403, path
    assert (await officer.get("/account")).status_code == 200


async def test_a_viewer_sends_no_form_but_their_own(
    desk: tuple[Any, WebApp], viewer: Browser
) -> None:
    """Whichever forms there are."""
    for path in set(await forms(desk[1], viewer)) - OPEN_TO_ALL - OPEN_TO_VIEWERS:
        answer = await viewer.send(path, {"act": "resolve", "reason": "x", "days": "7"})
        assert answer.status_code == 403, path


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_nobody_is_led_to_another_site(officer: Browser, path: str) -> None:
    """By a choice of language, or by a link to the sign-in of somebody who is signed in."""
    chosen = await officer.send("/preferences", {"language": "zh", "next": path})
    signed_in = await officer.get("/sign-in", params={"next": path})
    assert [chosen.headers["location"], signed_in.headers["location"]] == ["/", "/"]


@pytest.mark.parametrize("path", ["/violations", "/violations.jsonl"])
async def test_a_filters_value_is_no_sql(filled: Database, officer: Browser, path: str) -> None:
    """Free texts are looked up exactly as given; no row is found by them, and none changes."""
    before = await counts(filled)
    for name in ("publisher", "event_id", "subject", "assignee", "statement"):
        for text in SQL:
            answer = await officer.get(path, params={name: text})
            assert answer.status_code == 200, name
            assert re.search(r'data-id=|"event_id":', answer.text) is None, (name, text)
    assert await counts(filled) == before


async def test_stored_texts_are_shown_as_they_were_recorded(
    filled: Database, ledger_writer: LedgerWriter, officer: Browser
) -> None:
    """A verdict's texts come from a topic that others may write to; an officer's from a form."""
    hostile = verdict(0, 12, outcome="violation", categories={"user.name": "violation"})
    hostile["policy"]["version"] = MARKUP
    [decision] = hostile["categories"]
    decision |= {"sentence": MARKUP, "statement": MARKUP, "clause": MARKUP}
    await ledger_writer.record_verdicts(in_topic("verdicts", [hostile], start=12))
    query = "?event_id=event-0-12"
    violation = await first_id(officer, f"/violations{query}")
    await officer.send(f"/violations/{violation}/triage", {"act": "comment", "comment": MARKUP})
    paths = ["/", "/violations", f"/violations{query}", "/findings", f"/violations/{violation}"]
    for path in paths:
        text = (await officer.get(path)).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
    assert "&lt;script&gt;alert(1)" in (await officer.get(f"/violations/{violation}")).text
