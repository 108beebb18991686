"""The page "Shadow mode"."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from purposewatch_policy import Mode, PolicySet
from purposewatch_policy.files import NamedText, read_draft
from purposewatch_reporter.alerts.episodes import silence_findings
from purposewatch_reporter.findings.silences import Matchers, NewSilence, end_silence
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import triage_acts
from purposewatch_reporter.web.app import WebApp
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic
from tests.unit.reporter.web.conftest import NOW, Browser, Clock
from tests.unit.reporter.web.test_what_if import words
from tests.unit.reporter.what_if.borrowers import (
    CONTROLLER,
    WITHOUT_PUBLIC,
    a_day,
    declared,
)

PAGE = "/shadow?since=all"


@pytest.fixture
async def recorded(filled: Database) -> Database:
    """The flow ledger has a day of the collections of loans."""
    await ledger_writer_of(filled).record_verdicts(in_topic("verdicts", a_day(12), start=12))
    return filled


def tried() -> PolicySet:
    """The declared policy, with a version by which the public is no recipient in shadow mode."""
    [live] = declared().versions(CONTROLLER)
    draft = read_draft([NamedText("draft", WITHOUT_PUBLIC)], declared()).compiled.policy
    candidate = replace(draft, version="2027", mode=Mode.SHADOW)
    return PolicySet({CONTROLLER: live.vocabulary}, [live.policy, candidate])


async def grant(
    database: Database, clock: Clock, *categories: str, days: float = 30, owner: str = "ana"
) -> list[str]:
    """Except the publication of data categories, two days ago, for so many days from now."""
    ids, now = [], clock() - timedelta(days=2)
    async with database.writing() as connection:
        for category in categories:
            matchers = Matchers(
                CONTROLLER,
                role="user",
                kind="undeclared_third_party_sharing",
                data_category=category,
                purpose="finance.debt_collection",
                recipient="public",
                publisher="collections",
            )
            asked = NewSilence(
                matchers, "Moves.", "counsel", clock() + timedelta(days=days), "2027", owner
            )
            ids.append((await silence_findings(connection, asked, now)).id)
    return ids


async def test_nothing_in_shadow_mode_is_said(viewer: Browser) -> None:
    """With how to put something there; the page is in the navigation."""
    page = await viewer.get("/shadow")
    assert page.status_code == 200
    assert "Nothing is in shadow mode" in words(page.text)
    assert 'href="/shadow"' in (await viewer.get("/")).text
    assert (await viewer.get("/shadow?candidate=acme@2027")).status_code == 404


async def test_what_it_would_change_is_shown(
    viewer: Browser, recorded: Database, desk: tuple[Any, WebApp]
) -> None:
    """By count, with the statement before and after, and a way to the violations."""
    desk[1].declared.current = tried()
    page = await viewer.get(PAGE)
    said = words(page.text)
    assert "Would become a violation 5 1 flow, 1 publisher" in said
    assert "Unchanged 5 2 flows" in said
    assert f"{CONTROLLER} · Version 2027 · all time · 10 events" in said
    assert "sharing.overdue.public" in said
    assert "To let it go live, remove mode: shadow" in said
    assert "No policy has exceptions." in said
    assert (await viewer.get(f"{PAGE}&candidate={CONTROLLER}@2027")).status_code == 200
    assert f'value="{CONTROLLER}@2027"' in (await viewer.get("/what-if")).text
    chinese = await viewer.get(PAGE, headers={"Accept-Language": "zh"})
    assert "影子模式" in chinese.text


async def test_statements_in_shadow_mode_are_named(
    viewer: Browser, recorded: Database, desk: tuple[Any, WebApp]
) -> None:
    """With the version that they are tried in."""
    [live] = declared().versions(CONTROLLER)
    statements = {0: live.policy.statements[0]}
    policy = replace(live.policy, statements=live.statements[1:], shadow_statements=statements)
    desk[1].declared.current = PolicySet({CONTROLLER: live.vocabulary}, [policy])
    said = words((await viewer.get(PAGE)).text)
    assert f"Statements in shadow mode: {statements[0].id}" in said
    assert "Version undated+shadow" in said


async def test_what_is_excepted_stays_visible(
    viewer: Browser, recorded: Database, desk: tuple[Any, WebApp], clock: Clock
) -> None:
    """As what would be a violation: wholly or in part, by whom and until when."""
    desk[1].declared.current = tried()
    await grant(recorded, clock, "user.name")
    said = words((await viewer.get(PAGE)).text)
    assert "Would become a violation 5" in said
    assert "excepted until 2026-04-01 12:00 UTC (ana) in part: the rest would alert" in said
    assert "are covered by silences" not in said
    await grant(recorded, clock, "user.financial.loans")
    said = words((await viewer.get(PAGE)).text)
    assert "Would become a violation 5" in said
    assert "5 events that would become violations are covered by silences" in said
    assert "in part" not in said


async def test_exceptions_are_listed_with_where_they_stand(
    viewer: Browser, recorded: Database, desk: tuple[Any, WebApp], clock: Clock
) -> None:
    """Also after the version has gone live, and those that are over."""
    await grant(recorded, clock, "user.name", days=300)
    [ended] = await grant(recorded, clock, "user.name", days=200, owner="eve")
    await grant(recorded, clock, "user.name", days=3, owner="ben")
    await grant(recorded, clock, "user.name", days=-1, owner="cat")
    async with recorded.writing() as connection:
        await end_silence(connection, ended, by="eve", now=clock())
    said = words((await viewer.get("/shadow")).text)
    for state, owner in (
        ("active", "ana"),
        ("expires soon", "ben"),
        ("expired", "cat"),
        ("ended", "eve"),
    ):
        begin = said.index(f" {owner} Moves.")
        assert f" {state} 202" in said[begin - 40 : begin], said[begin - 80 : begin]
    assert "granted by counsel" in said


async def test_an_exception_is_ended_with_a_reason(
    officer: Browser, recorded: Database, desk: tuple[Any, WebApp], clock: Clock
) -> None:
    """By an officer, once; who and why stay on the page and in the trail."""
    [name, _] = await grant(recorded, clock, "user.name", "user.financial.loans")
    path = f"/exceptions/{name}/end"
    refused = await officer.send(path, {"reason": " "})
    assert refused.status_code == 400
    assert "Give a reason of at most 2" in words(refused.text)
    assert "active" in words(refused.text)
    assert (await officer.http.post(path, data={"reason": "Stopped."})).status_code == 403

    done = await officer.send(path, {"reason": "The <b>list</b> was taken down."})
    assert (done.status_code, done.headers["location"]) == (303, "/shadow#exceptions")
    page = await officer.get("/shadow")
    assert "The &lt;b&gt;list&lt;/b&gt; was taken down. " in page.text
    assert "ended by olivia, 2026-03-02 12:00 UTC" in words(page.text)
    assert page.text.count(f'action="{path}"') == 0
    assert page.text.count('action="/exceptions/') == 1
    again = await officer.send(path, {"reason": "Stopped."})
    assert (again.status_code, "has ended already" in again.text) == (400, True)
    async with recorded.reading() as connection:
        [act] = await connection.execute(select(triage_acts))
    assert (act.target_id, act.act, act.author) == (name, "end", "olivia")
    assert act.comment == "The <b>list</b> was taken down."


async def test_only_exceptions_are_ended_there(officer: Browser, recorded: Database) -> None:
    """Another silence belongs to a finding."""
    asked = NewSilence(Matchers("acme"), "Known.", "ana", NOW + timedelta(days=1))
    async with recorded.writing() as connection:
        other = await silence_findings(connection, asked, NOW)
    for name in (other.id, "0" * 32, "x"):
        answer = await officer.send(f"/exceptions/{name}/end", {"reason": "Stopped."})
        assert answer.status_code == 404


async def test_a_viewer_ends_no_exception(
    viewer: Browser, recorded: Database, clock: Clock
) -> None:
    """The page does not offer it."""
    [name] = await grant(recorded, clock, "user.name")
    page = await viewer.get("/shadow")
    assert name in page.text
    assert 'action="/exceptions/' not in page.text


async def test_the_policies_lead_to_what_is_in_shadow_mode(
    viewer: Browser, desk: tuple[Any, WebApp]
) -> None:
    """Each version beside those that decide, and where statements are tried."""
    desk[1].declared.current = tried()
    page = await viewer.get("/policies")
    assert f'href="/shadow?candidate={CONTROLLER}%402027"' in page.text
    assert "2027 Shadow mode" in words(page.text)
