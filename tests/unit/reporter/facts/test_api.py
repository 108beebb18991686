"""Facts in the API: of a subject as of a time, and those that came late."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.facts.records import (
    CONSENT,
    CONTROLLER,
    at,
    fact,
    in_facts,
    in_verdicts,
    used,
)
from tests.unit.reporter.records import SUBJECT
from tests.unit.reporter.test_api import TOKEN, client_of

PATH = "/api/v1/facts"
STATUS_TOKEN = "for ingest alone, long enough"
ASKED = {"controller": CONTROLLER, "subject": SUBJECT}


@pytest.fixture
async def api(database: Database, ledger_writer: LedgerWriter) -> AsyncIterator[httpx.AsyncClient]:
    """Consent at 8, withdrawn at 10; a survey's consent until 9; somebody else's."""
    await ledger_writer.record_verdicts(in_verdicts([used(0, at(8, 30))]))
    stated = [
        fact(),
        fact("s-2", value=False, effective_from=at(10)),
        fact("s-3", fact="consent.survey", until=at(9)),
        fact("s-4", subject=f"psn:1:{'0' * 32}"),
    ]
    await ledger_writer.record_facts(in_facts(stated))
    client = client_of(database, reporter_api_token=TOKEN, reporter_event_status_token=STATUS_TOKEN)
    client.headers["Authorization"] = f"Bearer {STATUS_TOKEN}"
    async with client:
        yield client


async def shown(api: httpx.AsyncClient, **query: Any) -> list[tuple[str, bool]]:
    """The statements that are shown, and whether each is in force."""
    answer = await api.get(PATH, params={**ASKED, **query})
    assert answer.status_code == 200, answer.text
    return [(each["statement"], each["in_force"]) for each in answer.json()["statements"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [("s-2", True), ("s-1", False), ("s-3", False)]),
        ({"as_of": "2026-03-02T09:59:00Z"}, [("s-1", True), ("s-3", False)]),
        ({"as_of": "2026-03-02T08:30:00Z"}, [("s-1", True), ("s-3", True)]),
        ({"as_of": "2026-03-02T07:59:59Z"}, []),
        ({"fact": "consent.survey"}, [("s-3", False)]),
        ({"limit": 1}, [("s-2", True), ("s-3", False)]),
        ({"controller": "linggan-house"}, []),
    ],
)
async def test_a_subject_is_shown_as_of_a_time(
    api: httpx.AsyncClient, query: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    """By fact, the latest first; one that has expired is not in force, nor are those before it."""
    assert await shown(api, **query) == expected


async def test_a_statement_is_shown_with_what_proves_it(api: httpx.AsyncClient) -> None:
    """Ingest passes this on to publishers."""
    answer = await api.get(PATH, params={**ASKED, "fact": CONSENT, "as_of": "2026-03-02T09:00:00Z"})
    assert answer.json() == {
        "as_of": "2026-03-02T09:00:00Z",
        "statements": [
            {
                "fact": CONSENT,
                "value": True,
                "effective_from": "2026-03-02T08:00:00Z",
                "until": None,
                "statement": "s-1",
                "source": "/consent",
                "publisher": "consent",
                "evidence": "receipt/s-1",
                "stated_time": "2026-03-02T08:00:00Z",
                "accepted_time": "2026-03-02T08:00:00Z",
                "in_force": True,
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"subject": "somebody"}, "subject"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"limit": 0}, "limit"),
        ({"page": 2}, "page"),
    ],
)
async def test_what_is_not_valid_is_refused(
    api: httpx.AsyncClient, query: dict[str, Any], field: str
) -> None:
    """With the name of the parameter."""
    answer = await api.get(PATH, params={**ASKED, **query})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_late_facts_are_listed_with_the_number_of_events(api: httpx.AsyncClient) -> None:
    """The token of ingest opens the subject's facts, and not this."""
    assert (await api.get("/api/v1/late-facts")).status_code == 401
    api.headers["Authorization"] = f"Bearer {TOKEN}"
    [item] = (await api.get("/api/v1/late-facts")).json()["items"]
    names = ("statement", "subject", "affected_events", "affected_accesses", "controller")
    assert [item[name] for name in names] == ["s-1", SUBJECT, 1, 1, CONTROLLER]
    for query, found in (({"fact": CONSENT}, 1), ({"publisher": "crm"}, 0)):
        answer = await api.get("/api/v1/late-facts", params=query)
        assert len(answer.json()["items"]) == found
    assert await shown(api)  # the API's own token opens both
