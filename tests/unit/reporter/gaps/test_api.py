"""The gaps in the API: filters, pages, and what is shown of each."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import NOW, ledger_writer_of
from tests.unit.reporter.gaps.records import gap, in_gaps
from tests.unit.reporter.test_api import client_of

PATH = "/api/v1/gaps"


@pytest.fixture
async def api(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Four gaps, each recorded a minute after the one before."""
    values = [
        gap("cards"),
        gap("report", kind="unknown_purpose", controller="wework-labs"),
        gap("orders", publisher="shop", count=9),
        gap("visits", publisher="shop", kind="unresolved_subject"),
    ]
    for minute, value in enumerate(values):
        now = NOW + timedelta(minutes=minute)
        writer = ledger_writer_of(database, clock=lambda now=now: now)
        await writer.record_gaps(in_gaps([value], start=minute))
    async with client_of(database) as client:
        yield client


async def names(api: httpx.AsyncClient, **query: Any) -> list[str]:
    """The names of the gaps that match, in order."""
    answer = await api.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["visits", "orders", "report", "cards"]),
        ({"kind": "unmapped_dataset"}, ["orders", "cards"]),
        ({"publisher": "shop"}, ["visits", "orders"]),
        ({"controller": "wework-labs"}, ["report"]),
        ({"name": "cards", "publisher": "crm"}, ["cards"]),
        ({"name": "card"}, []),
        ({"since": "2026-03-02T09:02:00Z"}, ["visits", "orders"]),
        ({"until": "2026-03-02T09:02:00Z"}, ["report", "cards"]),
    ],
)
async def test_filters_must_all_match(
    api: httpx.AsyncClient, query: dict[str, str], expected: list[str]
) -> None:
    """The latest recording comes first."""
    assert await names(api, **query) == expected


async def test_pages_follow_each_other(api: httpx.AsyncClient) -> None:
    """As for the other lists."""
    first = (await api.get(PATH, params={"limit": 3})).json()
    second = (await api.get(PATH, params={"limit": 3, "cursor": first["next"]})).json()
    found = [item["name"] for page in (first, second) for item in page["items"]]
    assert found == ["visits", "orders", "report", "cards"]
    assert second["next"] is None


async def test_a_gap_is_shown_with_its_counts_and_times(api: httpx.AsyncClient) -> None:
    """What the publisher does not know is null."""
    [item] = (await api.get(PATH, params={"name": "orders"})).json()["items"]
    shown = {name: value for name, value in item.items() if name not in ("id", "last_7_days")}
    assert shown == {
        "publisher": "shop",
        "controller": None,
        "kind": "unmapped_dataset",
        "name": "orders",
        "count": 9,
        "previous_7_days": shown["previous_7_days"],
        "first_time": "2026-03-02T08:15:00Z",
        "last_time": "2026-03-02T08:15:00Z",
        "first_recorded_time": "2026-03-02T09:02:00Z",
        "last_recorded_time": "2026-03-02T09:02:00Z",
    }


@pytest.mark.parametrize("query", [{"kind": "none"}, {"page": 2}, {"publisher": "A"}])
async def test_what_is_not_valid_is_refused(api: httpx.AsyncClient, query: dict[str, Any]) -> None:
    """With the name of the parameter."""
    answer = await api.get(PATH, params=query)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == list(query)
