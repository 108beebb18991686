"""What ingest tells a publisher about its own events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from purposewatch_ingest.http.events.status import EVENT_STATUS_EXAMPLE
from purposewatch_ingest.reporter import ReporterClient, ReporterUnavailableError
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import serving
from tests.unit.ingest.conftest import FakeReporter, problem

RECORDED = json.dumps(EVENT_STATUS_EXAMPLE).encode()


async def test_a_publisher_sees_its_own_event(
    client: httpx.AsyncClient, reporter: FakeReporter
) -> None:
    """By its id under `/<publisher>`, or under the source that is stated."""
    reporter.known = {("/crm", "e-1"): RECORDED, ("/crm/newsletter", "e-2"): RECORDED}
    answers = [
        await client.get("/v1/events/e-1"),
        await client.get("/v1/events/e-2", params={"source": "/crm/newsletter"}),
    ]
    assert [answer.json() for answer in answers] == [EVENT_STATUS_EXAMPLE] * 2


@pytest.mark.parametrize("source", ["/shop", "/crmx", "/", "crm", "", "/shop/../crm"])
async def test_events_of_others_are_not_shown(
    client: httpx.AsyncClient, reporter: FakeReporter, source: str
) -> None:
    """Whether there are any or not."""
    reporter.known = {(source, "e-1"): RECORDED}
    response = await client.get("/v1/events/e-1", params={"source": source})
    problem(response, 403, "forbidden")


async def test_without_a_key_nothing_is_shown(client: httpx.AsyncClient) -> None:
    """As everywhere."""
    response = await client.get("/v1/events/e-1", headers={"Authorization": "Bearer x"})
    problem(response, 401, "unauthorized")


async def test_what_is_not_recorded_is_not_found(
    client: httpx.AsyncClient, reporter: FakeReporter
) -> None:
    """An unknown id, and one that no event can have; the answer does not quote it."""
    reporter.known = {("/crm", "s" * 129): RECORDED}
    for event_id in ("secret", "s" * 129):
        response = await client.get(f"/v1/events/{event_id}")
        problem(response, 404, "not-found")
        assert event_id not in response.text


async def test_a_reporter_that_fails_is_a_503(
    client: httpx.AsyncClient, reporter: FakeReporter
) -> None:
    """Also when it answers something else than a status."""
    reporter.known = {("/crm", "e-1"): b"{}"}
    for error in (None, ReporterUnavailableError("ConnectError")):
        reporter.error = error
        response = await client.get("/v1/events/e-1")
        problem(response, 503, "reporter-unavailable")
        assert int(response.headers["retry-after"]) > 0


@asynccontextmanager
async def reporter_client(timeout_seconds: float = 5.0) -> AsyncIterator[ReporterClient]:
    """The client of a server that answers by the id that it is asked about."""

    async def answer(request: Request) -> Response:
        asked = dict(request.query_params)
        if request.headers["authorization"] != "Bearer a token of enough letters":
            return Response(status_code=401)
        if asked["event_id"] == "slow":
            await asyncio.sleep(1)
        if asked != {"source": "/crm/a b&c", "event_id": "known"}:
            return Response(status_code=404 if asked["event_id"] == "unknown" else 500)
        return Response(RECORDED)

    app = Starlette(routes=[Route("/api/v1/event-status", answer)])
    with serving(app, HttpLimits()) as server:
        client = ReporterClient(
            f"http://127.0.0.1:{server.port}",
            SecretStr("a token of enough letters"),
            timeout_seconds=timeout_seconds,
        )
        yield client
        await client.stop()


async def test_the_reporter_is_asked_over_http() -> None:
    """With its token; 404 means that nothing is recorded."""
    async with reporter_client() as client:
        assert await client.status_of("/crm/a b&c", "known") == RECORDED
        assert await client.status_of("/crm", "unknown") is None
        with pytest.raises(ReporterUnavailableError):
            await client.status_of("/crm", "broken")


async def test_a_reporter_that_does_not_answer_is_unavailable() -> None:
    """A timeout, and nobody there."""
    async with reporter_client(timeout_seconds=0.05) as client:
        with pytest.raises(ReporterUnavailableError):
            await client.status_of("/crm", "slow")
    gone = ReporterClient("http://127.0.0.1:1", None, timeout_seconds=1)
    with pytest.raises(ReporterUnavailableError):
        await gone.status_of("/crm", "known")
    await gone.stop()
