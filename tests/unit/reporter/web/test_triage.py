"""Triage, and the trail of it."""

import re
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from purposewatch_reporter.findings.triage import (
    RESULTING_STATUS,
    Action,
    Status,
    effective,
    possible,
)
from purposewatch_reporter.store.tables import silences, triage_acts
from purposewatch_reporter.web.app import WebApp
from tests.unit.reporter.web.conftest import Browser, first_id


async def status_of(browser: Browser, path: str) -> str:
    """The status in the head of a page."""
    text = (await browser.get(path)).text
    found = re.search(r'class="tag status status-(\w+)"', text)
    assert found is not None
    return found.group(1)


async def rows_with(browser: Browser, **query: str) -> int:
    """How many rows a list has."""
    answer = await browser.get("/violations", params=query)
    assert answer.status_code == 200
    return answer.text.count("data-id=")


@pytest.mark.parametrize(
    ("act", "status"),
    [
        ("acknowledge", "acknowledged"),
        ("false_positive", "false_positive"),
        ("accept", "accepted"),
        ("resolve", "resolved"),
    ],
)
async def test_an_act_changes_the_status_and_stands_in_the_trail(
    officer: Browser, act: str, status: str
) -> None:
    """With who did it, and why."""
    path = f"/violations/{await first_id(officer)}"
    answer = await officer.send(f"{path}/triage", {"act": act, "comment": "seen with counsel"})
    assert answer.status_code == 303

    assert await status_of(officer, path) == status
    text = (await officer.get(path)).text
    assert "<strong>olivia</strong>" in text
    assert "seen with counsel" in text


@pytest.mark.parametrize("act", ["false_positive", "accept", "comment"])
async def test_some_acts_need_a_reason(officer: Browser, act: str) -> None:
    """An acceptance without one is worth nothing later."""
    path = f"/violations/{await first_id(officer)}"
    answer = await officer.send(f"{path}/triage", {"act": act, "comment": "  "})

    assert answer.status_code == 400
    assert "Give a reason" in answer.text
    assert await status_of(officer, path) == "open"


@pytest.mark.parametrize("act", ["reopen", "delete", ""])
async def test_what_is_not_possible_changes_nothing(officer: Browser, act: str) -> None:
    """An open violation can't be reopened; other acts don't exist."""
    path = f"/violations/{await first_id(officer)}"

    assert (await officer.send(f"{path}/triage", {"act": act})).status_code == 400
    assert "No actions yet" in (await officer.get(path)).text


async def test_a_finding_is_triaged_with_all_its_violations(officer: Browser) -> None:
    """But for those that were triaged one by one."""
    finding = await first_id(officer, "/findings?publisher=crm&kind=undeclared_purpose")
    [one] = re.findall(
        r'data-id="(\w{32})"', (await officer.get(f"/violations?finding={finding}")).text
    )[:1]
    before = await rows_with(officer, finding=finding, status="open")
    await officer.send(f"/violations/{one}/triage", {"act": "acknowledge"})
    assert await rows_with(officer, finding=finding, status="open") == before - 1
    assert await rows_with(officer, finding=finding, status="acknowledged") == 1

    await officer.send(f"/findings/{finding}/triage", {"act": "resolve"})

    assert await rows_with(officer, finding=finding, status="resolved") == before - 1
    assert await rows_with(officer, finding=finding, status="acknowledged") == 1
    assert await rows_with(officer, finding=finding, status="open") == 0
    assert await status_of(officer, f"/violations/{one}") == "acknowledged"


async def test_work_is_assigned_to_accounts_only(officer: Browser) -> None:
    """And can be taken back."""
    path = f"/violations/{await first_id(officer)}"
    assert (
        await officer.send(f"{path}/triage", {"act": "assign", "assignee": "Victor "})
    ).status_code == 303
    assert await rows_with(officer, assignee="victor") == 1
    wrong = await officer.send(f"{path}/triage", {"act": "assign", "assignee": "nobody"})
    assert wrong.status_code == 400
    await officer.send(f"{path}/triage", {"act": "assign", "assignee": ""})
    assert await rows_with(officer, assignee="victor") == 0


async def test_the_trail_can_only_grow(desk: tuple[Any, WebApp], officer: Browser) -> None:
    """The database itself refuses to change or remove what stands in it."""
    path = f"/violations/{await first_id(officer)}"
    await officer.send(f"{path}/triage", {"act": "resolve"})
    await officer.send(f"{path}/triage", {"act": "reopen"})
    database = desk[1].database
    for change in (update(triage_acts).values(author="somebody else"), delete(triage_acts)):
        with pytest.raises(DBAPIError, match="append-only"):
            async with database.writing() as connection:
                await connection.execute(change)
    async with database.reading() as connection:
        rows = list(await connection.execute(select(triage_acts).order_by(triage_acts.c.sequence)))

    assert [(row.act, row.from_status, row.to_status, row.author) for row in rows] == [
        ("resolve", "open", "resolved", "olivia"),
        ("reopen", "resolved", "open", "olivia"),
    ]


async def test_a_findings_alerts_are_silenced_for_a_while(
    desk: tuple[Any, WebApp], officer: Browser
) -> None:
    """With a reason; and let go again."""
    path = f"/findings/{await first_id(officer, '/findings')}"
    assert (await officer.send(f"{path}/silence", {"days": "7", "reason": ""})).status_code == 400
    assert (
        await officer.send(f"{path}/silence", {"days": "9999", "reason": "x"})
    ).status_code == 400
    done = await officer.send(f"{path}/silence", {"days": "7", "reason": "known, being fixed"})
    assert done.status_code == 303
    text = (await officer.get(path)).text
    assert "known, being fixed" in text
    [name] = re.findall(r'name="silence" value="(\w+)"', text)

    await officer.send(f"{path}/end-silence", {"silence": name})

    assert "known, being fixed" not in (await officer.get(path)).text
    async with desk[1].database.reading() as connection:
        [row] = list(await connection.execute(select(silences)))
    assert (row.author, row.ended_by) == ("olivia", "olivia")


async def test_what_is_not_there_is_not_found(officer: Browser) -> None:
    """Neither shown nor triaged."""
    for path in ("/violations/" + "0" * 32, "/findings/" + "0" * 32, "/violations/x"):
        assert (await officer.get(path)).status_code == 404
        assert (await officer.send(f"{path}/triage", {"act": "resolve"})).status_code == 404


def test_every_status_but_open_can_be_left_and_none_leads_to_itself() -> None:
    """Nothing is final, and no act is idle."""
    for status in Status:
        acts = possible(status)
        assert acts
        assert all(RESULTING_STATUS[act] is not status for act in acts)
        assert (Action.REOPEN in acts) == (status is not Status.OPEN)


def test_a_violations_status_is_its_own_or_the_least_done_of_its_findings() -> None:
    """What one category leaves open is not done."""
    findings = [Status.RESOLVED, Status.ACKNOWLEDGED]

    assert effective(None, findings) is Status.ACKNOWLEDGED
    assert effective(Status.ACCEPTED, findings) is Status.ACCEPTED
    assert effective(None, []) is Status.OPEN
