"""The webhook channel against a receiver that does what the test says."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from purposewatch_reporter.alerts.backoff import Backoff
from purposewatch_reporter.alerts.outbox import lease
from purposewatch_reporter.alerts.webhook import CHANNEL, Webhook, WebhookTarget
from purposewatch_reporter.booking.book import Bookkeeper
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_shared import metrics as m
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import in_topic, verdict

Answer = Callable[[int], httpx.Response]


class Bench:
    """A webhook, a receiver, and a clock that the test moves."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.requests: list[httpx.Request] = []
        self.answer: Answer = lambda _: httpx.Response(204)
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._receive))

    def webhook(self) -> Webhook:
        """A webhook that pauses 1 s for a receiver in trouble, 100 s for a refused alert."""
        return Webhook(
            self.database,
            WebhookTarget(
                url=SecretStr("https://hooks.example/secret-path"),
                secret=SecretStr("a secret that signs"),
                timeout_seconds=5,
                public_url="https://reporter.example",
                receiver_backoff=Backoff(1, 1),
                alert_backoff=Backoff(100, 100),
            ),
            metric_set=m.MetricSet("reporter", version="0"),
            clock=lambda: self.now,
        )

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(len(self.requests))

    def received(self) -> list[int]:
        """The offsets of the events that the requests were about, in order."""
        bodies = [json.loads(request.content) for request in self.requests]
        return [body["verdict"]["position"]["offset"] for body in bodies]

    async def outbox(self) -> list[Any]:
        """What the outbox says."""
        async with self.database.reading() as connection:
            return list(await connection.execute(select(tables.outbox).order_by("sequence")))


@pytest.fixture
async def bench(database: Database, bookkeeper: Bookkeeper) -> AsyncIterator[Bench]:
    """Three alerts that wait."""
    values = [verdict(0, offset, outcome="violation") for offset in range(3)]
    await bookkeeper.book_verdicts(in_topic("verdicts", values))
    bench = Bench(database)
    yield bench
    await bench.client.aclose()


async def test_alerts_are_delivered_in_order_and_marked(bench: Bench) -> None:
    """One document per alert, with what is needed to recognise, read and verify it."""
    webhook = bench.webhook()
    assert await webhook.deliver(bench.client) == 0
    assert bench.received() == [0, 1, 2]
    assert [row.delivered_time for row in await bench.outbox()] == [NOW] * 3
    body = json.loads(bench.requests[0].content)
    assert body["kind"] == "violation"
    assert body["summary"] == "`user.contact.email` is violation."
    assert body["url"] == f"https://reporter.example/api/v1/violations/{body['fingerprint']}"
    headers = bench.requests[0].headers
    assert headers["Idempotency-Key"] == body["fingerprint"]
    assert headers["X-Purposewatch-Signature"].startswith("sha256=")
    assert await webhook.deliver(bench.client) > 0
    assert len(bench.requests) == 3


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
async def test_a_receiver_in_trouble_gets_nothing_more_for_now(bench: Bench, status: int) -> None:
    """The order is kept: the first alert is tried again, the others wait behind it."""
    bench.answer = lambda count: httpx.Response(status if count == 1 else 204)
    webhook = bench.webhook()
    assert 0.5 <= await webhook.deliver(bench.client) <= 1
    assert bench.received() == [0]
    assert await webhook.deliver(bench.client) == 0
    assert bench.received() == [0, 0, 1, 2]
    assert [row.attempts for row in await bench.outbox()] == [2, 1, 1]


async def test_retry_after_is_heeded(bench: Bench) -> None:
    """When the receiver says how long to wait, it is not asked before."""
    bench.answer = lambda _: httpx.Response(429, headers={"Retry-After": "7"})
    assert await bench.webhook().deliver(bench.client) == 7


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_a_refused_alert_does_not_hold_up_the_others(bench: Bench, status: int) -> None:
    """It is tried again later, and never given up."""
    bench.answer = lambda count: httpx.Response(status if count == 1 else 204)
    webhook = bench.webhook()
    assert await webhook.deliver(bench.client) == 0
    assert bench.received() == [0, 1, 2]
    bench.now += timedelta(seconds=49)
    await webhook.deliver(bench.client)
    assert bench.received() == [0, 1, 2]
    bench.now += timedelta(seconds=52)
    await webhook.deliver(bench.client)
    assert bench.received() == [0, 1, 2, 0]


async def test_a_broken_connection_is_recorded_without_the_address(bench: Bench) -> None:
    """The address may hold a token; the outbox is shown to people."""

    def broken(_: int) -> httpx.Response:
        message = "https://hooks.example/secret-path refused"
        raise httpx.ConnectError(message)

    bench.answer = broken
    assert await bench.webhook().deliver(bench.client) > 0
    assert [row.last_error for row in await bench.outbox()] == ["ConnectError", None, None]


async def test_repeated_attempts_send_the_same_bytes(bench: Bench) -> None:
    """So that a receiver can compare them."""
    bench.answer = lambda count: httpx.Response(500 if count == 1 else 204)
    webhook = bench.webhook()
    await webhook.deliver(bench.client)
    await webhook.deliver(bench.client)
    first, second = bench.requests[:2]
    assert first.content == second.content
    assert first.headers["X-Purposewatch-Signature"] == second.headers["X-Purposewatch-Signature"]


async def test_only_one_process_delivers_at_a_time(bench: Bench) -> None:
    """The other takes over when the first is gone."""

    async def try_lease(holder: str, now: datetime) -> bool:
        async with bench.database.writing() as connection:
            return await lease(connection, CHANNEL, holder, now, timedelta(seconds=15))

    assert await try_lease("other", bench.now)
    await bench.webhook().deliver(bench.client)
    assert bench.received() == []
    bench.now += timedelta(seconds=16)
    await bench.webhook().deliver(bench.client)
    assert bench.received() == [0, 1, 2]
    assert not await try_lease("other", bench.now)


async def test_it_works_in_the_background_and_stops(bench: Bench) -> None:
    """Started as a part of the service, with its own client."""
    delivered = []

    def receive(request: httpx.Request) -> httpx.Response:
        delivered.append(request)
        return httpx.Response(200)

    webhook = bench.webhook()
    webhook._transport = httpx.MockTransport(receive)
    await webhook.start()
    while len([row for row in await bench.outbox() if row.delivered_time]) < 3:
        pass
    await webhook.stop()
    assert len(delivered) == 3
    async with bench.database.reading() as connection:
        assert (await connection.execute(select(tables.channel_leases))).all() == []
