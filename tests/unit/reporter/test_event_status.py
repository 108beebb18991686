"""What the reporter's API says became of one event."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from purposewatch_contract import EventStatus
from purposewatch_ingest.reporter import ReporterClient
from purposewatch_reporter.app import build_app
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import serving
from tests.unit.reporter.records import dead_letter, in_topic, verdict
from tests.unit.reporter.test_api import TOKEN, client_of

STATUS_TOKEN = "another token of enough letters"


@pytest.fixture
async def api(database: Database, ledger_writer: LedgerWriter) -> AsyncIterator[httpx.AsyncClient]:
    """A permitted event, a violation, a conflict, and raw records that were dead-lettered."""
    values = [
        verdict(0, 0, event_id="permitted"),
        verdict(0, 1, event_id="violation", outcome="violation"),
        verdict(0, 2, event_id="violation", content="other"),
    ]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    text = json.dumps({"source": "/crm", "id": "bad", "data": {"role": 1}})
    headers = {"ce_id": "bad", "ce_source": "/shop"}
    letters = [
        raw_letter(0, value=text),
        raw_letter(1, value=text, reason="again"),
        raw_letter(2, value="{}", headers=headers),
        raw_letter(3, value="[" * 100_000),
        raw_letter(4, value="{}", headers={"ce_id": "\udcff", "ce_source": "/crm"}),
        raw_letter(5, value=json.dumps({"source": "/crm", "id": "permitted"})),
    ]
    await ledger_writer.record_dead_letters(in_topic("dead-letters", letters))
    settings = {"reporter_api_token": TOKEN, "reporter_event_status_token": STATUS_TOKEN}
    async with client_of(database, **settings) as client:
        client.headers["Authorization"] = f"Bearer {STATUS_TOKEN}"
        yield client


def raw_letter(
    offset: int, *, value: str, headers: dict[str, str] | None = None, reason: str = "no role"
) -> dict[str, Any]:
    """A dead letter about a raw record with this value and these headers."""
    return dead_letter(0, offset, topic="raw", failed_time=f"2026-03-02T08:15:0{offset}Z") | {
        "value": base64.b64encode(value.encode()).decode(),
        "reason": reason,
        "headers": [
            {"name": name, "value": base64.b64encode(_bytes(each)).decode()}
            for name, each in (headers or {}).items()
        ],
    }


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


async def status(api: httpx.AsyncClient, event_id: str, source: str = "/crm") -> dict[str, Any]:
    """The status of an event that something is recorded about."""
    response = await api.get(
        "/api/v1/event-status", params={"source": source, "event_id": event_id}
    )
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


async def test_a_permitted_event_has_its_place(api: httpx.AsyncClient) -> None:
    """Of what is permitted the ledger keeps ids only; an earlier dead letter is listed."""
    found = await status(api, "permitted")
    assert (found["status"], found["outcome"], found["kind"]) == ("recorded", "permitted", None)
    assert found["position"] == {"topic": "data-access.events", "partition": 0, "offset": 0}
    assert found["recorded_time"]
    assert [each["reason"] for each in found["dead_letters"]] == ["no role"]


async def test_a_violation_has_its_reason(api: httpx.AsyncClient) -> None:
    """The kind, the sentence, and that the id came again with other content."""
    found = await status(api, "violation")
    assert (found["outcome"], found["kind"]) == ("violation", "undeclared_purpose")
    assert found["summary"] == "`user.contact.email` is violation."
    assert (found["position"]["offset"], found["conflicts"]) == (1, 1)


async def test_a_dead_lettered_record_is_found_by_the_id_that_it_states(
    api: httpx.AsyncClient,
) -> None:
    """In structured and in binary mode, the latest first; nobody else's."""
    found = await status(api, "bad")
    assert (found["status"], found["outcome"], found["position"]) == ("dead_lettered", None, None)
    assert [each["reason"] for each in found["dead_letters"]] == ["again", "no role"]
    assert found["dead_letters"][0]["origin"]["offset"] == 1
    [letter] = (await status(api, "bad", "/shop"))["dead_letters"]
    assert letter["error_class"] == "invalid_event"


async def test_nothing_recorded_is_not_found(api: httpx.AsyncClient) -> None:
    """An unknown id, or one of another source; the answer quotes neither."""
    for source, event_id in (("/crm", "unheard-of"), ("/shop", "permitted")):
        response = await api.get(
            "/api/v1/event-status", params={"source": source, "event_id": event_id}
        )
        assert response.status_code == 404
        assert event_id not in response.text


async def test_the_token_for_it_opens_nothing_else(api: httpx.AsyncClient) -> None:
    """With the API's own token it can be asked as well."""
    assert (await api.get("/api/v1/violations")).status_code == 401
    assert (await api.get("/api/v1/event-status/")).status_code in {401, 404}
    api.headers["Authorization"] = f"Bearer {TOKEN}"
    assert await status(api, "permitted")
    api.headers["Authorization"] = "Bearer something else of enough letters"
    response = await api.get("/api/v1/event-status", params={"source": "/crm", "event_id": "x"})
    assert response.status_code == 401


@pytest.mark.usefixtures("api")
async def test_ingest_asks_it_over_http(database: Database) -> None:
    """Ingest's own client, with the token for this alone, against the reporter's own server."""
    settings = ReporterSettings.model_validate(
        {
            "database_url": database._url.render_as_string(hide_password=False),
            "reporter_api_token": TOKEN,
            "reporter_event_status_token": STATUS_TOKEN,
        }
    )
    app, _ = build_app(settings)
    with serving(app, HttpLimits()) as server:
        client = ReporterClient(
            f"http://127.0.0.1:{server.port}", SecretStr(STATUS_TOKEN), timeout_seconds=5
        )
        found = await client.status_of("/crm", "violation")
        assert found is not None
        assert EventStatus.model_validate_json(found, strict=True).kind == "undeclared_purpose"
        assert await client.status_of("/crm", "unheard-of") is None
        await client.stop()
