"""`GET /api/v1/shadow`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from purposewatch_reporter.alerts.episodes import silence_findings
from purposewatch_reporter.findings.silences import Matchers, NewSilence
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web import app as web_app
from purposewatch_reporter.web.declared import DeclaredPolicies
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic
from tests.unit.reporter.test_api import client_of
from tests.unit.reporter.web.test_shadow import tried
from tests.unit.reporter.what_if.borrowers import CONTROLLER, a_day

API = "/api/v1/shadow"
ASKED = {"controller": CONTROLLER, "candidate": "2027"}


class TriedPolicies(DeclaredPolicies):
    """A policy by which the public is no recipient is in shadow mode."""

    def __init__(self, policies_dir: Path) -> None:
        super().__init__(policies_dir)
        self.current = tried()


@pytest.fixture
async def api(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A client; the flow ledger has a day of the collections of loans."""
    monkeypatch.setattr(web_app, "DeclaredPolicies", TriedPolicies)
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", a_day()))
    async with client_of(database) as client:
        yield client


async def test_what_is_tried_is_listed(api: httpx.AsyncClient) -> None:
    """With the digest that verdicts will have."""
    [candidate] = tried().shadows(CONTROLLER)
    assert (await api.get(API)).json() == {
        "items": [
            {
                "controller": CONTROLLER,
                "candidate": "2027",
                "digest": candidate.compiled.digest,
                "in_place_of": None,
                "statements": [],
            }
        ]
    }


async def test_effects_say_what_covers_them(api: httpx.AsyncClient, database: Database) -> None:
    """The counts are those of what-if; an exception changes none of them."""
    answer = (await api.get(f"{API}/effects", params=ASKED)).json()
    assert answer["totals"]["becomes_violation"]["events"] == 5
    assert answer["totals"]["unchanged"]["events"] == 5
    assert (answer["excepted_events"], answer["all_effects"], answer["since"]) == (0, 1, None)
    [effect] = answer["effects"]
    assert (effect["change"], effect["exceptions"], effect["is_excepted"]) == (
        "becomes_violation",
        [],
        False,
    )
    now = datetime.now(UTC)
    asked = NewSilence(
        Matchers(CONTROLLER, recipient="public"), "r", "a", now + timedelta(days=1), "2027", "o"
    )
    async with database.writing() as connection:
        added = await silence_findings(connection, asked, now)
    covered = (await api.get(f"{API}/effects", params=ASKED)).json()
    [effect] = covered["effects"]
    assert (effect["exceptions"], effect["is_excepted"]) == ([added.id], True)
    assert (covered["excepted_events"], covered["totals"]) == (5, answer["totals"])


async def test_the_time_and_the_number_of_effects_can_be_limited(api: httpx.AsyncClient) -> None:
    """The time begins with its hour."""
    since = {"since": "2026-03-02T13:30:00Z", "limit": "0"}
    answer = (await api.get(f"{API}/effects", params={**ASKED, **since})).json()
    assert (answer["since"], answer["effects"], answer["all_effects"]) == (
        "2026-03-02T13:00:00Z",
        [],
        0,
    )
    unlimited = (await api.get(f"{API}/effects", params={**ASKED, "limit": "0"})).json()
    assert (unlimited["effects"], unlimited["all_effects"]) == ([], 1)


async def test_what_is_not_tried_is_not_found(api: httpx.AsyncClient) -> None:
    """A live version is no candidate."""
    for wrong in ({"candidate": "undated"}, {"controller": "nobody"}):
        answer = await api.get(f"{API}/effects", params={**ASKED, **wrong})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
