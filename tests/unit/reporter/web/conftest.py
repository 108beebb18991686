"""The compliance page over a database with known content, and an HTTP client with cookies."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from purposewatch_reporter.app import build_app
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.app import WebApp, make_web_app
from purposewatch_reporter.web.declared import DeclaredPolicies
from purposewatch_reporter.web.routes import web_routes
from purposewatch_reporter.web.users.passwords import Passwords
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.store import User, add_user
from tests.unit.reporter.records import in_topic, verdict

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NO_POLICIES = ROOT / "no-policies"
PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class Clock:
    """A time that tests move."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """The time that it is."""
        return self.now

    def forward(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


class Browser:
    """Follows what a person does: signs in, opens pages, sends their forms."""

    def __init__(self, app: Any, base_url: str, *, address: str = "192.0.2.7") -> None:
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, client=(address, 5000)), base_url=base_url
        )

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Open a page; redirects are not followed."""
        return await self.http.get(path, **options)

    async def hidden(self, path: str) -> dict[str, str]:
        """The hidden fields of the page's forms."""
        page = await self.get(path)
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))

    async def send(
        self, path: str, fields: Mapping[str, str], *, at: str = "/account", **options: Any
    ) -> httpx.Response:
        """Send a form with the token of the page `at`."""
        token = (await self.hidden(at)).get("csrf", "")
        return await self.http.post(path, data={"csrf": token, **fields}, **options)

    async def sign_in(
        self, username: str, password: str = PASSWORD, **fields: str
    ) -> httpx.Response:
        """Send the sign-in form."""
        hidden = await self.hidden("/sign-in")
        return await self.http.post(
            "/sign-in",
            data={"form": hidden["form"], "username": username, "password": password, **fields},
        )


@pytest.fixture
def clock() -> Clock:
    """The compliance page's clock."""
    return Clock()


@cache
def declared() -> DeclaredPolicies:
    """The project's own policies, read once for all tests."""
    policies = DeclaredPolicies(ROOT / "policies")
    policies.read()
    return policies


def page_app(database: Database, clock: Clock, **settings: Any) -> tuple[Any, WebApp]:
    """The reporter's application with the compliance page on the test's clock, without Kafka."""
    given = ReporterSettings.model_validate(
        {
            "database_url": database._url.render_as_string(hide_password=False),
            "policies_dir": ROOT / "policies",
            "reporter_allowed_hosts": "desk",
            **settings,
        }
    )
    # the page that is shown has policies that were read once; severities need none
    app, _ = build_app(given.model_copy(update={"policies_dir": NO_POLICIES}))
    paths = {route.path for route in app.router.routes if hasattr(route, "path")}
    desk = make_web_app(
        given,
        database,
        _NoReconciler(),  # type: ignore[arg-type]
        version="0",
        clock=clock,
        passwords=Passwords(CHEAP),
    )
    desk.declared.current = declared().current
    ours = web_routes(desk)
    assert {route.path for route in ours} <= paths
    app.router.routes[:0] = ours
    return app, desk


class _NoReconciler:
    latest: Any = None


@pytest.fixture
async def filled(database: Database, ledger_writer: LedgerWriter) -> Database:
    """Twelve events: four each are violations, unknown and permitted."""
    values = [
        verdict(
            0,
            offset,
            outcome=["violation", "unknown", "permitted"][offset % 3],
            kind="prohibited" if offset == 0 else None,
            categories={
                "user.name": ["violation", "unknown", "permitted"][offset % 3],
                "user.contact": "permitted",
            },
            event_time=(NOW - timedelta(hours=4) + timedelta(minutes=20 * offset)).isoformat(),
            publisher="crm" if offset < 6 else "shop",
            role="member" if offset % 2 else "visitor",
        )
        for offset in range(12)
    ]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    return database


@pytest.fixture
async def desk(filled: Database, clock: Clock) -> tuple[Any, WebApp]:
    """The application, with an officer and a viewer."""
    app, desk = page_app(filled, clock)
    hashed = CHEAP.hash(PASSWORD)
    async with filled.writing() as connection:
        for name, role in (("olivia", Role.OFFICER), ("victor", Role.VIEWER)):
            await add_user(connection, User(name, role, hashed), clock())
    return app, desk


@pytest.fixture
async def browser(desk: tuple[Any, WebApp]) -> AsyncIterator[Browser]:
    """Nobody is signed in yet."""
    opened = Browser(desk[0], "http://desk")
    async with opened.http:
        yield opened


@pytest.fixture
async def officer(browser: Browser) -> Browser:
    """Olivia is signed in, who triages."""
    assert (await browser.sign_in("olivia")).status_code == 303
    return browser


@pytest.fixture
async def viewer(desk: tuple[Any, WebApp]) -> AsyncIterator[Browser]:
    """Victor is signed in, who only reads."""
    opened = Browser(desk[0], "http://desk")
    async with opened.http:
        assert (await opened.sign_in("victor")).status_code == 303
        yield opened


async def first_id(browser: Browser, path: str = "/violations") -> str:
    """The id of the first row of a list."""
    found = re.search(r'data-id="([0-9a-f]{32})"', (await browser.get(path)).text)
    assert found is not None
    return found.group(1)
