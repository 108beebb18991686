"""The portal's own tests. The plugin decides what each of them does with personal data."""

from collections.abc import Iterator

import anyio
import httpx
import pytest
from fastapi import FastAPI
from members_portal.app import create_app
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from purposewatch_client.testing import Captured


class Portal:
    """Sends requests to the application, without a network."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx.Response:
        """Send one request and return the response."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://portal") as client:
                return await client.request(method, path, json=body)

        return anyio.run(send)

    def get(self, path: str) -> httpx.Response:
        """GET a path."""
        return self.request("GET", path)

    def post(self, path: str, body: dict[str, str] | None = None) -> httpx.Response:
        """POST a JSON body."""
        return self.request("POST", path, body)


@pytest.fixture
def portal() -> Iterator[Portal]:
    """The portal with an empty database, and an advertiser that takes everything."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    advertiser = httpx.MockTransport(lambda request: httpx.Response(202))
    yield Portal(create_app(engine, advertiser))
    engine.dispose()


@pytest.fixture
def member(portal: Portal) -> str:
    """Somebody who has registered."""
    answer = portal.post("/members", {"name": "Ann", "email": "ann@company.example"})
    return str(answer.json()["id"])


def test_registering_stores_name_and_address(portal: Portal, captured: Captured) -> None:
    """And the event says so, by category."""
    answer = portal.post("/members", {"name": "Ann", "email": "ann@company.example"})
    assert answer.status_code == 201
    [event] = captured.events
    assert event["data"]["subject_id"] == answer.json()["id"]
    assert event["data"]["operation"] == "store"
    assert event["data"]["data_categories"] == ["user.name", "user.contact.email"]


def test_a_profile_shows_what_was_registered(portal: Portal, member: str) -> None:
    """To the member who asks."""
    assert portal.get(f"/members/{member}").json()["name"] == "Ann"


def test_bookings_are_listed(portal: Portal, member: str) -> None:
    """Each room that was booked."""
    portal.post(f"/members/{member}/bookings", {"room": "Taipei"})
    assert portal.get(f"/members/{member}/bookings").json() == [{"room": "Taipei"}]


def test_a_reminder_reads_the_address_alone(
    portal: Portal, member: str, captured: Captured
) -> None:
    """The name is not needed, so it is not read."""
    assert portal.post(f"/members/{member}/reminders").status_code == 202
    assert captured.events[-1]["data"]["data_categories"] == ["user.contact.email"]


@pytest.mark.purposewatch_allow(
    "undeclared_purpose",
    "undeclared_third_party_sharing",
    reason="shows what the plugin finds; see the README",
)
def test_a_campaign_is_sent_to_the_advertiser(portal: Portal, member: str) -> None:
    """The policy declares no advertising, and no recipient outside the company."""
    assert portal.post(f"/members/{member}/campaigns/spring").status_code == 202
