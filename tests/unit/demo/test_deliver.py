"""Delivering batches to ingest."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from aiokafka.errors import KafkaTimeoutError

from purposewatch_contract import ErrorClass
from purposewatch_demo.deliver import Sender
from purposewatch_demo.flows import Transport
from purposewatch_demo.tally import DeadLettered, Recorded, Rejected, Unforeseen
from purposewatch_demo.traffic import Batch, Item, StatedFact
from purposewatch_policy import Outcome

EVENT = json.dumps(
    {"specversion": "1.0", "id": "1", "datacontenttype": "application/json", "data": {"role": "x"}}
).encode()
GOOD = Item(EVENT, Recorded(Outcome.PERMITTED))

Answer = Callable[[httpx.Request], httpx.Response]


class FakeProducer:
    """Confirms records, or fails the first `failures` of them."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.records: list[bytes] = []

    async def send(
        self, topic: str, value: bytes, headers: list[tuple[str, bytes]]
    ) -> asyncio.Future[None]:
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.failures:
            self.failures -= 1
            confirmed.set_exception(KafkaTimeoutError())
        else:
            self.records.append(value)
            confirmed.set_result(None)
        return confirmed


@asynccontextmanager
async def a_sender(ingest: Answer, producer: FakeProducer | None = None) -> AsyncIterator[Sender]:
    transport = httpx.MockTransport(ingest)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        yield Sender(
            client,
            producer or FakeProducer(),
            raw_topic="raw",
            keys={"crm": "key", "consents": "key of consents", "loans": "key of loans"},
        )


def batch(*items: Item, transport: Transport = Transport.BATCH) -> Batch:
    return Batch("crm", transport, items)


@pytest.mark.parametrize(
    ("transport", "content_type", "body"),
    [
        (Transport.SINGLE, "application/cloudevents+json", EVENT),
        (Transport.BATCH, "application/cloudevents-batch+json", b"[" + EVENT + b"]"),
        (Transport.BINARY, "application/json", b'{"role": "x"}'),
    ],
)
async def test_each_content_mode_is_laid_out_as_cloudevents_has_it(
    transport: Transport, content_type: str, body: bytes
) -> None:
    """Structured, batched and binary mode."""
    seen: list[httpx.Request] = []

    def ingest(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202)

    async with a_sender(ingest) as sender:
        await sender.deliver(batch(GOOD, transport=transport))

    [request] = seen
    assert content_type == request.headers["content-type"]
    assert request.headers["authorization"] == "Bearer key"
    assert body == request.content
    assert ("1" if transport is Transport.BINARY else None) == request.headers.get("ce-id")


async def test_a_lost_answer_is_tried_again_and_counted() -> None:
    """The events may be there twice now, which the ledger must recognise."""
    answers: list[Answer] = [
        lambda request: (_ for _ in ()).throw(httpx.ConnectError("refused")),
        lambda request: (_ for _ in ()).throw(httpx.ReadError("reset")),
        lambda request: httpx.Response(503),
        lambda request: httpx.Response(202),
    ]

    def ingest(request: httpx.Request) -> httpx.Response:
        return answers.pop(0)(request)

    async with a_sender(ingest) as sender:
        await sender.deliver(batch(GOOD, GOOD))

    assert sender.deliveries.resent == 4  # refused connections can't have taken anything
    assert sender.deliveries.tally.outcomes == {Outcome.PERMITTED: 2}


async def test_an_expected_refusal_is_tallied() -> None:
    """Ingest answered as it must."""
    async with a_sender(lambda request: httpx.Response(422)) as sender:
        await sender.deliver(batch(Item(b"{}", Rejected(422)), transport=Transport.SINGLE))

    assert sender.deliveries.tally.rejected == {422: 1}
    assert sender.deliveries.unexpected == {}


async def test_another_answer_than_expected_is_held_against_the_run() -> None:
    """Rejected good events and accepted bad ones are both failures."""
    problem = {"detail": "the event has no zone"}
    async with a_sender(lambda request: httpx.Response(422, json=problem)) as sender:
        await sender.deliver(batch(GOOD, GOOD))
    assert sender.deliveries.unexpected == {"422 the event has no zone": 2}

    async with a_sender(lambda request: httpx.Response(202)) as sender:
        await sender.deliver(batch(Item(b"{}", Rejected(422)), transport=Transport.SINGLE))
    assert sender.deliveries.unexpected == {"202 Accepted": 1}


async def test_a_bad_event_among_somebodys_own_is_found_by_halving() -> None:
    """The other events of its batch are accepted all the same."""

    def ingest(request: httpx.Request) -> httpx.Response:
        return httpx.Response(422 if b"bad" in request.content else 202)

    items = [Item(b'"bad"' if number == 5 else b"{}", Unforeseen()) for number in range(8)]
    async with a_sender(ingest) as sender:
        await sender.deliver(batch(*items))

    tally = sender.deliveries.tally
    assert (tally.unforeseen, tally.rejected) == (7, {422: 1})


async def test_raw_records_that_kafka_does_not_confirm_are_sent_again() -> None:
    """Those that it did confirm are not."""
    producer = FakeProducer(failures=2)
    items = [GOOD, Item(b"x", DeadLettered(ErrorClass.NOT_JSON)), GOOD]
    async with a_sender(lambda request: httpx.Response(500), producer) as sender:
        await sender.deliver(batch(*items, transport=Transport.RAW))

    assert producer.records == [EVENT, EVENT, b"x"]
    tally = sender.deliveries.tally
    assert (tally.distinct, tally.dead_letters) == (2, {ErrorClass.NOT_JSON: 1})
    assert sender.deliveries.resent == 2


async def test_giving_up_leaves_events_in_doubt() -> None:
    """A run that ends without an answer can't claim to know."""
    async with a_sender(lambda request: httpx.Response(503)) as sender:
        task = asyncio.create_task(sender.deliver(batch(GOOD, GOOD)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert sender.deliveries.in_doubt == 2


def stated(system: str, body: bytes) -> Item:
    """An event that needs a fact."""
    return replace(GOOD, facts=(StatedFact(system, body),))


async def test_facts_are_acknowledged_before_the_events_that_need_them() -> None:
    """With the key of the system that states them; a lost answer is tried again."""
    asked: list[tuple[str, str, bytes]] = []
    answers = iter([503, 202, 202, 202])

    def ingest(request: httpx.Request) -> httpx.Response:
        key = request.headers["authorization"].removeprefix("Bearer ")
        asked.append((request.url.path, key, request.content))
        return httpx.Response(next(answers))

    items = (stated("consents", b"1"), stated("loans", b"2"), stated("consents", b"3"))
    async with a_sender(ingest) as sender:
        await sender.deliver(batch(*items))

    consents = ("/v1/facts", "key of consents", b"[1,3]")
    assert asked[:3] == [consents, consents, ("/v1/facts", "key of loans", b"[2]")]
    assert [path for path, *_ in asked[3:]] == ["/v1/events"]
    assert sender.deliveries.tally.facts == 3
    assert sender.deliveries.resent == 0


async def test_fact_that_is_refused_is_held_against_the_run() -> None:
    """The demonstration states nothing that ingest may refuse."""

    def ingest(request: httpx.Request) -> httpx.Response:
        refused = request.url.path == "/v1/facts"
        return httpx.Response(403, json={"detail": "no right"}) if refused else httpx.Response(202)

    async with a_sender(ingest) as sender:
        await sender.deliver(batch(stated("consents", b"1")))

    assert sender.deliveries.unexpected == {"403 no right": 1}
    assert sender.deliveries.tally.facts == 0
