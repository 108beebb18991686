"""Findings and silences over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from purposewatch_reporter import app
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import in_topic, verdict
from tests.unit.reporter.test_api import TOKEN, client_of

API = "/api/v1"


@pytest.fixture
async def api(
    database: Database, ledger_writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """Five findings of two controllers' roles, one of them prohibited, one unknown."""
    values = [
        verdict(
            0,
            offset,
            outcome="unknown" if offset == 4 else "violation",
            kind="prohibited" if offset == 3 else None,
            categories={f"user.n{offset}": "unknown" if offset == 4 else "violation"},
            role="visitor" if offset > 2 else "member",
        )
        for offset in range(5)
    ]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    monkeypatch.setattr(app, "_now", lambda: NOW)
    async with client_of(database) as client:
        yield client


def in_days(days: float) -> str:
    """A time from the application's now on."""
    return (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def get(api: httpx.AsyncClient, path: str) -> Any:
    """A good answer's document."""
    answer = await api.get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_findings_are_filtered_and_paged(api: httpx.AsyncClient) -> None:
    """Each once, over all pages."""
    first = await get(api, "/findings?limit=3")
    rest = await get(api, f"/findings?limit=3&cursor={first['next']}")
    found = [item["data_category"] for item in first["items"] + rest["items"]]
    assert sorted(found) == [f"user.n{number}" for number in range(5)]
    assert rest["next"] is None
    for query, expected in (
        ("role=visitor", 2),
        ("kind=prohibited", 1),
        ("kind=unknown", 1),
        ("severity=high", 1),
        ("category=user.n0", 1),
        ("publisher=shop", 0),
        ("state=quiet", 0),
        ("controller=wework-labs&purpose=marketing.advertising&recipient=first_party", 5),
    ):
        assert len((await get(api, f"/findings?{query}"))["items"]) == expected, query
    one = first["items"][0]
    assert await get(api, f"/findings/{one['fingerprint']}") == one
    assert (one["count"], one["state"], one["clause"]) == (1, "firing", "members.1")
    assert "routed_episode" not in one
    assert (await api.get(f"{API}/findings/{'0' * 32}")).status_code == 404
    assert (await api.get(f"{API}/findings?hue=red")).status_code == 422


async def test_a_silence_is_added_shown_and_ended(api: httpx.AsyncClient) -> None:
    """With whatever was said about it."""
    given = {
        "matchers": {"role": "visitor", "kind": "prohibited"},
        "reason": "known",
        "author": "ana",
        "expires_time": in_days(1),
    }
    answer = await api.post(f"{API}/silences", json=given)
    assert answer.status_code == 201
    added = answer.json()
    assert (added["active"], added["ended_time"], added["author"]) == (True, None, "ana")
    assert added["matchers"]["kind"] == "prohibited"
    assert added["matchers"]["publisher"] is None
    assert [item["kind"] for item in (await get(api, "/findings?state=quiet"))["items"]] == [
        "prohibited"
    ]
    assert await get(api, "/silences?active=true") == {"items": [added]}
    end = f"{API}/silences/{added['id']}/end"
    assert (await api.post(end, json={"by": "ben", "reason": ""})).status_code == 422
    ended = (await api.post(end, json={"by": "ben", "reason": "The flow has stopped."})).json()
    assert (ended["active"], ended["ended_by"]) == (False, "ben")
    assert ended["ended_reason"] == "The flow has stopped."
    assert (await api.post(end, json={"by": "ben"})).status_code == 409
    assert await get(api, "/silences?active=true") == {"items": []}
    assert await get(api, "/silences") == {"items": [ended]}
    nobody = f"{API}/silences/{'0' * 32}/end"
    assert (await api.post(nobody, json={"by": "ben"})).status_code == 404


async def test_an_exception_is_a_silence_with_version_and_owner(api: httpx.AsyncClient) -> None:
    """It can be listed apart from the others."""
    given = {
        "matchers": {"controller": "wework-labs", "role": "visitor"},
        "reason": "known",
        "author": "ana",
        "expires_time": in_days(1),
    }
    await api.post(f"{API}/silences", json=given)
    exception = {**given, "exception": {"policy_version": "2027", "owner": "ben"}}
    added = (await api.post(f"{API}/silences", json=exception)).json()
    assert added["exception"] == exception["exception"]
    assert await get(api, "/silences?exceptions=true") == {"items": [added]}
    assert await get(api, "/silences?exceptions=true&active=true") == {"items": [added]}
    assert len((await get(api, "/silences"))["items"]) == 2


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"matchers": {}}, 422),
        ({"matchers": {"hue": "red"}}, 422),
        ({"matchers": {"kind": "nonsense"}}, 422),
        ({"reason": ""}, 422),
        ({"reason": "  "}, 409),
        ({"expires_time": "2020-01-01T00:00:00Z"}, 409),
        ({"expires_time": in_days(400)}, 409),
        ({"expires_time": "tomorrow"}, 422),
        ({"exception": {"policy_version": "2027"}}, 422),
        ({"exception": {"policy_version": "2027", "owner": "ben"}}, 409),
    ],
)
async def test_a_silence_must_be_complete(
    api: httpx.AsyncClient, changes: dict[str, Any], status: int
) -> None:
    """What, why, by whom, until when."""
    given = {
        "matchers": {"role": "visitor"},
        "reason": "known",
        "author": "ana",
        "expires_time": in_days(1),
    }
    answer = await api.post(f"{API}/silences", json={**given, **changes})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await get(api, "/silences"))["items"] == []


async def test_the_token_guards_them(database: Database) -> None:
    """Above all adding: it keeps alerts from people."""
    async with client_of(database, reporter_api_token=TOKEN) as api:
        for path in ("findings", f"findings/{'0' * 32}", "silences"):
            assert (await api.get(f"{API}/{path}")).status_code == 401
        assert (await api.post(f"{API}/silences", json={})).status_code == 401
        assert (await api.post(f"{API}/silences/{'0' * 32}/end", json={})).status_code == 401


async def test_the_former_path_of_silences_is_deprecated(api: httpx.AsyncClient) -> None:
    """It answers like the new one and names it; the new path has no such header."""
    former, current = [await api.get(f"{API}/{name}") for name in ("suppressions", "silences")]
    assert (former.status_code, former.json()) == (200, current.json())
    assert former.headers["deprecation"] == "@1795824000"
    assert former.headers["link"] == f'<{API}/silences>; rel="successor-version"'
    assert "deprecation" not in current.headers
