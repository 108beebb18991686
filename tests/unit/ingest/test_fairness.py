"""A publisher gets its share of ingest, whatever another one does."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self, TypeAlias

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from structlog.testing import capture_logs

from purposewatch_contract.codec import FastSubmissionCodec
from purposewatch_ingest import admission
from purposewatch_ingest.http.requests import RequestLimits
from purposewatch_runtime.kafka import OutgoingRecord
from purposewatch_runtime.metrics import MetricSet
from tests.unit.ingest.conftest import KEY, QUIET_KEY, FakeProducer

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]
Post: TypeAlias = Callable[[list[dict[str, Any]], str], asyncio.Task[httpx.Response]]

BATCHED = "application/cloudevents-batch+json"
_SOON_SECONDS = 5.0


@pytest.fixture
def request_limits() -> RequestLimits:
    """Limits as by default: a slow body is not cut off during a test."""
    return RequestLimits(
        max_body_bytes=1_048_576,
        max_expansion=200,
        max_batch_events=1_000,
        body_timeout_seconds=30,
        acknowledge_timeout_seconds=30,
        max_decided_categories=500,
        decide_timeout_seconds=30,
    )


@pytest.fixture
async def port(api: FastAPI) -> AsyncIterator[int]:
    """Where ingest listens."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = uvicorn.Server(uvicorn.Config(api, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()[1]
    server.should_exit = server.force_exit = True
    await serving


def head(key: str, *fields: str) -> bytes:
    """The head of a request with a batch."""
    lines = ["POST /v1/events HTTP/1.1", "Host: ingest", f"Authorization: Bearer {key}"]
    return "\r\n".join([*lines, f"Content-Type: {BATCHED}", *fields, "", ""]).encode()


class Connections:
    """Raw connections of one publisher, closed at the end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def send(self, data: bytes) -> asyncio.StreamReader:
        """Open one more connection and send something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._stack.callback(writer.close)
        writer.write(data)
        return reader


async def status(reader: asyncio.StreamReader) -> int:
    """The status of the next answer."""
    async with asyncio.timeout(_SOON_SECONDS):
        line = await reader.readline()
    return int(line.split()[1])


async def publish(
    port: int, key: str, events: Sequence[dict[str, Any]], connections: Connections
) -> asyncio.StreamReader:
    """Send a batch over a connection of its own."""
    body = json.dumps(events).encode()
    return await connections.send(head(key, f"Content-Length: {len(body)}") + body)


def quiet_event(event: MakeEvent) -> dict[str, Any]:
    """An event of the other publisher."""
    return event(source="/quiet")


async def until(metric_set: MetricSet, name: str, labels: dict[str, str], value: float) -> None:
    """Wait until a metric has this value."""
    async with asyncio.timeout(_SOON_SECONDS):
        while metric_set.registry.get_sample_value(name, labels) != value:
            await asyncio.sleep(0.005)


async def test_slow_bodies_take_no_slots(
    port: int, metric_set: MetricSet, event: MakeEvent
) -> None:
    """130 connections whose bodies trickle in keep neither others nor their own publisher out."""
    async with Connections(port) as connections:
        for _ in range(130):
            await connections.send(head(KEY, "Content-Length: 500") + b"[")
        await until(metric_set, "purposewatch_ingest_body_bytes", {"publisher": "crm"}, 65_000)
        quiet = await publish(port, QUIET_KEY, [quiet_event(event)], connections)
        own = await publish(port, KEY, [event()], connections)
        assert (await status(quiet), await status(own)) == (202, 202)
    await until(metric_set, "purposewatch_ingest_body_bytes", {"publisher": "crm"}, 0)


@pytest.mark.parametrize("length", ["Content-Length: 1048576", "Transfer-Encoding: chunked"])
async def test_bodies_in_flight_are_bounded_for_each_publisher(
    port: int, metric_set: MetricSet, event: MakeEvent, length: str
) -> None:
    """Beyond its share of memory a publisher's bodies are not read; after a while it gets a 503."""
    async with Connections(port) as connections:
        for _ in range(2):
            await connections.send(head(KEY, length))
        await until(
            metric_set, "purposewatch_ingest_body_bytes", {"publisher": "crm"}, 2 * 1_048_576
        )
        refused = await connections.send(head(KEY, length))
        quiet = await publish(port, QUIET_KEY, [quiet_event(event)], connections)
        assert await status(quiet) == 202
        answer = await refused.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2" in answer
    refusals = {"publisher": "crm", "reason": "share"}
    await until(metric_set, "purposewatch_ingest_requests_refused_total", refusals, 1)


async def test_a_publisher_that_fills_its_slots_keeps_no_other_out(
    port: int,
    metric_set: MetricSet,
    producer: FakeProducer,
    event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While one publisher's requests wait for Kafka, another one's are handled."""
    release = asyncio.Event()
    publish_at_once = producer.publish

    async def publish_slowly(records: Sequence[OutgoingRecord]) -> None:
        if b'"publisher":"crm"' in records[0].value:
            await release.wait()
        await publish_at_once(records)

    monkeypatch.setattr(producer, "publish", publish_slowly)
    async with Connections(port) as connections:
        noisy = [await publish(port, KEY, [event()], connections) for _ in range(10)]
        handling = {"publisher": "crm", "state": "handling"}
        await until(metric_set, "purposewatch_ingest_requests", handling, 2)
        for _ in range(5):
            quiet = await publish(port, QUIET_KEY, [quiet_event(event)], connections)
            assert await status(quiet) == 202
        refusals = {"publisher": "crm", "reason": "share"}
        await until(metric_set, "purposewatch_ingest_requests_refused_total", refusals, 8)
        release.set()
        assert sorted([await status(each) for each in noisy]) == [202] * 2 + [503] * 8


@pytest.fixture
async def post(api: FastAPI) -> AsyncIterator[Post]:
    """Begin to post a batch, without sockets."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://ingest"
    ) as client:

        def begin(events: list[dict[str, Any]], key: str) -> asyncio.Task[httpx.Response]:
            headers = {"Content-Type": BATCHED, "Authorization": f"Bearer {key}"}
            body = json.dumps(events).encode()
            return asyncio.create_task(client.post("/v1/events", content=body, headers=headers))

        yield begin


async def test_an_event_does_not_wait_behind_large_batches(
    post: Post, producer: FakeProducer, event: MakeEvent
) -> None:
    """A single event overtakes batches of another publisher that came before it."""
    noisy = [post([event() for _ in range(100)], KEY) for _ in range(4)]
    quiet = post([quiet_event(event)], QUIET_KEY)
    assert (await quiet).status_code == 202
    assert len(producer.records) == 1
    assert {202} == {(await each).status_code for each in noisy}


@pytest.mark.parametrize(
    ("owner", "name", "change", "most"),
    [
        (FastSubmissionCodec, "decode", {}, 20),
        (admission, "did_you_mean", {"data_categories": ["user.contct", "user.nme"]}, 2),
    ],
    ids=["slices of a batch", "suggestions of an event"],
)
async def test_the_event_loop_is_held_for_one_slice_at_a_time(  # noqa: PLR0917 - a table
    post: Post,
    event: MakeEvent,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    change: dict[str, Any],
    most: int,
) -> None:
    """Whatever is waiting, the event loop does a bounded part of it before all else that is due."""
    calls = 0
    original = getattr(owner, name)

    def counting(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return original(*arguments)

    monkeypatch.setattr(owner, name, counting)
    noisy = [post([event(change) for _ in range(60)], KEY) for _ in range(4)]
    at_once = []
    while not all(each.done() for each in noisy):
        before = calls
        await asyncio.sleep(0)
        at_once.append(calls - before)
    assert max(at_once) == most


async def test_refused_keys_are_logged_with_their_address_at_a_bounded_rate(
    port: int, metric_set: MetricSet
) -> None:
    """All are counted, few are logged, and no line shows a key."""
    with capture_logs() as logs:
        async with Connections(port) as connections:
            for _ in range(20):
                refused = await connections.send(head("pwk_wrong", "Content-Length: 0"))
                assert await status(refused) == 401
    lines = [each for each in logs if each["event"] == "request without a registered key"]
    assert 1 <= len(lines) <= 3
    assert {(each["address"], each["has_key"]) for each in lines} == {("127.0.0.1", True)}
    assert "pwk_wrong" not in str(logs)
    await until(metric_set, "purposewatch_ingest_keys_refused_total", {}, 20)
