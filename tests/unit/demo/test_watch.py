"""Asking the services."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from purposewatch_demo.processes import Service, ServiceSpec
from purposewatch_demo.watch import ServiceWatch
from purposewatch_runtime import metrics as m

PORTS = {"ingest": 1, "auditor": 2, "reporter": 3}
PARTITION = {
    "partition": 0,
    "reconciled": True,
    "events": 5,
    "verdicts": 5,
    "dead_letters": 0,
    "duplicates": 1,
    "conflicts": 0,
    "unaccounted": 0,
    "pending": 0,
    "gaps": [],
}
VIOLATION = {
    "event_time": "2026-03-02T12:00:01Z",
    "publisher": "marketing",
    "role": "member",
    "recipient": "third_party.advertising",
    "outcome": "violation",
    "kind": "undeclared_third_party_sharing",
    "clause": "members.1",
    "summary": "no statement lets this go there",
}
METRICS = f"""
{m.INGEST_ACCEPTED.name}_total{{publisher="crm",transport="http"}} 3.0
{m.INGEST_ACCEPTED.name}_total{{publisher="crm",transport="kafka"}} 2.0
{m.VERDICTS.name}_total{{controller="c",outcome="permitted",kind="none"}} 4.0
{m.ACCEPT_TO_VERDICT_SECONDS.name}_bucket{{le="0.01"}} 1.0
{m.ACCEPT_TO_VERDICT_SECONDS.name}_bucket{{le="0.1"}} 3.0
{m.ACCEPT_TO_VERDICT_SECONDS.name}_bucket{{le="+Inf"}} 4.0
"""


class Services:
    """Answers as the services do; `down` ones refuse connections."""

    def __init__(self) -> None:
        self.down: set[int] = set()
        self.dead_letters = [f"{number:04d}" for number in range(450)]
        self.pages = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.port in self.down:
            message = "refused"
            raise httpx.ConnectError(message)
        if request.url.path == "/metrics":
            return httpx.Response(200, text=METRICS)
        return httpx.Response(200, json=self._answer(request.url.path, request.url.params))

    def _answer(self, path: str, asked: Mapping[str, str]) -> Any:
        match path.rpartition("/")[2]:
            case "ledger":
                return {"partitions": [PARTITION]}
            case "counts":
                return {
                    "groups": [
                        {"outcome": "permitted", "kind": None, "count": 3},
                        {"outcome": "violation", "kind": "prohibited", "count": 1},
                    ]
                }
            case "violations":
                return {"items": [VIOLATION], "next": None}
            case _:
                return self._page(int(asked.get("cursor", "0")), int(asked["limit"]))

    def _page(self, begin: int, limit: int) -> Any:
        self.pages += 1
        newest_first = self.dead_letters[::-1][begin : begin + limit]
        more = begin + limit < len(self.dead_letters)
        return {
            "items": [{"id": name, "error_class": "not_json"} for name in newest_first],
            "next": str(begin + limit) if more else None,
        }


@asynccontextmanager
async def watching(answers: Services) -> AsyncIterator[ServiceWatch]:
    services = {
        name: Service(ServiceSpec(name, "", port, {}, Path("none.log")))
        for name, port in PORTS.items()
    }
    async with httpx.AsyncClient(transport=httpx.MockTransport(answers)) as client:
        yield ServiceWatch(client, services)


async def test_an_account_is_what_the_services_say() -> None:
    """Counters, latency, ledger, verdicts and violations."""
    async with watching(Services()) as watch:
        account = await watch.refresh()

    assert (account.accepted, account.audited) == (5, 4)
    assert account.latency == (0.1, float("inf"))
    assert (account.events, account.duplicates, account.reconciled) == (5, 1, True)
    assert account.outcomes == {"permitted": 3, "violation": 1}
    assert account.kinds == {"prohibited": 1}
    assert account.violations[0].sentence == "no statement lets this go there"
    assert all(service.answers for service in account.services)


async def test_dead_letters_are_read_to_the_last_and_then_only_the_news() -> None:
    """The count is exact and does not cost more with every look."""
    answers = Services()
    async with watching(answers) as watch:
        account = await watch.refresh()
        assert account.dead_lettered == {"not_json": 450}
        assert answers.pages == 3

        answers.dead_letters.append("0450")
        account = await watch.refresh()

    assert account.dead_lettered == {"not_json": 451}
    assert answers.pages == 5


async def test_a_service_that_is_down_keeps_its_last_numbers() -> None:
    """While it is started again the picture does not fall to nothing."""
    answers = Services()
    async with watching(answers) as watch:
        before = await watch.refresh()
        answers.down = {PORTS["reporter"]}
        after = await watch.refresh()

    assert after.recorded == before.recorded
    assert [service.answers for service in after.services] == [True, True, False]
