"""The pages about flows, and the API's resource."""

import re
from http import HTTPStatus

import pytest

from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic, verdict
from tests.unit.reporter.web.conftest import Browser

API = "/api/v1/flows"


@pytest.fixture
async def filled(database: Database) -> Database:
    """Flows of three roles; there is room for two of them."""
    values = [
        verdict(0, 0, role="member"),
        verdict(0, 1, role="visitor", outcome="violation", count=250),
        verdict(0, 2, role="visitor"),
        verdict(0, 3, role="mentor", outcome="violation"),
    ]
    writer = ledger_writer_of(database, max_flows=2)
    for record in in_topic("verdicts", values):
        await writer.record_verdicts([record])
    return database


async def test_list_shows_each_flow_with_its_sums(officer: Browser) -> None:
    """And says how many events are about flows beyond the limit."""
    text = (await officer.get("/flows")).text
    rows = re.findall(r'<tr data-id="(\w+)">(.*?)</tr>', text, re.DOTALL)
    assert len({name for name, _ in rows}) == len(rows) == 3
    [visitor] = [row for _, row in rows if ">visitor<" in row or "isitor" in row]
    assert "251 accesses" in visitor
    assert "outcome-violation" in visitor
    assert "outcome-permitted" in visitor
    assert "1 of all events (25.00 %)" in text


async def test_list_is_filtered(officer: Browser) -> None:
    """By what is in the address; a value that nobody wrote is ignored, and named."""
    text = (await officer.get("/flows?role=visitor&outcome=violation")).text
    assert len(re.findall("<tr data-id=", text)) == 1
    assert "Nothing matches" in (await officer.get("/flows?role=lender")).text
    late = "/flows?since=2026-03-02T09:00&until=9999-12-31T23:59"
    assert not re.findall("<tr data-id=", (await officer.get(late)).text)
    assert 'role="alert"' in (await officer.get("/flows?after=nobody")).text


async def test_flow_shows_what_was_decided_and_leads_to_its_violations(officer: Browser) -> None:
    """And a violation leads to its flow."""
    text = (await officer.get("/flows?role=visitor")).text
    [name] = re.findall(r'<tr data-id="(\w+)">', text)
    page = (await officer.get(f"/flows/{name}")).text
    assert page.count("<code>members.contact.use</code></a>") == 2
    [violation] = set(re.findall(r'href="/violations/(\w+)"', page))
    assert f'href="/flows/{name}"' in (await officer.get(f"/violations/{violation}")).text
    assert (await officer.get(f"/flows/{'0' * 32}")).status_code == HTTPStatus.NOT_FOUND
    chinese = await officer.get(f"/flows/{name}", headers={"Accept-Language": "zh"})
    assert "数据流" in chinese.text


async def test_api_shows_the_same(officer: Browser) -> None:
    """Page by page, each flow with its decisions."""
    first = (await officer.get(f"{API}?limit=2")).json()
    assert (first["all_events"], first["other_events"]) == (4, 1)
    second = (await officer.get(f"{API}?limit=2&cursor={first['next']}")).json()
    assert second["next"] is None
    items = {item["role"]: item for item in first["items"] + second["items"]}
    assert items.keys() == {"member", "visitor", "(other)"}
    visitor = items["visitor"]
    assert (visitor["events"], visitor["accesses"]) == (2, 251)
    assert visitor["first_time"] == "2026-03-02T08:15:00Z"
    decided = {each["outcome"]: each for each in visitor["decisions"]}
    [category] = decided["violation"]["categories"]
    assert category["statement"] == "members.contact.use"
    assert (await officer.get(f"{API}/{visitor['id']}")).json() == visitor
    assert (await officer.get(f"{API}/{'0' * 32}")).status_code == HTTPStatus.NOT_FOUND
    assert items["(other)"]["is_other"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=nobody", "cursor"),
        ("since=2026-03-02T08:15:00Z", "since"),
        ("role=Member", "role"),
        ("statement=members.1", "statement"),
    ],
)
async def test_api_refuses_what_it_does_not_know(officer: Browser, query: str, field: str) -> None:
    """And says which parameter."""
    answer = await officer.get(f"{API}?{query}")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_other_is_told_with_counts_and_on_the_overview(officer: Browser) -> None:
    """How many of the events."""
    counts = (await officer.get("/api/v1/counts?by=outcome")).json()
    assert (counts["total"], counts["other"]) == (4, 1)
    decisions = (await officer.get("/api/v1/counts?of=decisions&by=role")).json()
    assert {each["role"]: each["count"] for each in decisions["groups"]} == {
        "(other)": 1,
        "member": 1,
        "visitor": 2,
    }
    assert "1 of these events (25.00 %)" in (await officer.get("/")).text
