"""`POST /v1/gaps`: gaps over HTTP, as `Gap` records of the topic."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from purposewatch_contract import Gap
from purposewatch_ingest.publishers import Publisher, PublisherRegister, RateLimits
from tests.unit.ingest.conftest import KEY, FakeProducer

AUTHORIZED = {"Authorization": f"Bearer {KEY}"}


def gap(**changes: Any) -> dict[str, Any]:
    """A gap as a publisher sends it; a change to `None` leaves the field out."""
    usual = {
        "id": "gap-1",
        "kind": "unmapped_dataset",
        "name": "crm.public.cards",
        "time": "2026-03-02T09:15:00+01:00",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


@pytest.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a registered key."""
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://ingest", headers=AUTHORIZED
    ) as client:
        yield client


async def post(client: httpx.AsyncClient, content: object, **headers: str) -> httpx.Response:
    """Post JSON, or bytes as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"content-type": "application/json", **headers}
    return await client.post("/v1/gaps", content=body, headers=given)


def problem(response: httpx.Response) -> tuple[int, str, list[tuple[int, str]]]:
    """Status, kind, and the index and field of each fault."""
    found = response.json()
    faults = [(error["index"], error["field"]) for error in found["errors"]]
    return response.status_code, found["type"].rpartition(":")[2], faults


async def test_gaps_are_published_under_the_publishers_name(
    client: httpx.AsyncClient, producer: FakeProducer, now: datetime
) -> None:
    """One record each, with the publisher as the key, so that all of its are in one partition."""
    answer = await post(client, [gap(), gap(id="gap-2", count=7, controller="wework-labs")])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    assert [(each.topic, each.key) for each in producer.records] == [
        ("data-access.gaps", b"crm")
    ] * 2
    first, second = (Gap.model_validate_json(each.value) for each in producer.records)
    assert (first.id, first.publisher, first.count, first.controller) == ("gap-1", "crm", 1, None)
    assert (second.id, second.count, second.controller) == ("gap-2", 7, "wework-labs")
    assert first.time == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
    assert first.accepted_time == now


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": None}, "/id"),
        ({"id": "13800138000"}, "/id"),
        ({"kind": "unknown"}, "/kind"),
        ({"kind": 1}, "/kind"),
        ({"name": "ann@example.org"}, "/name"),
        ({"name": "two words"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\n"}, "/name"),
        ({"count": 0}, "/count"),
        ({"count": 1.5}, "/count"),
        ({"count": True}, "/count"),
        ({"count": 10**9 + 1}, "/count"),
        ({"time": "2026-03-02T08:15:00"}, "/time"),
        ({"time": "2026-02-30T08:15:00Z"}, "/time"),
        ({"time": 1_772_439_300}, "/time"),
        ({"time": "1969-12-31T23:59:59Z"}, "/time"),
        ({"time": "2026-03-02T11:00:01Z"}, "/time"),
        ({"controller": "WeWork"}, "/controller"),
        ({"value": "a value"}, "/value"),
        ({"ann@example.org": "x"}, ""),
    ],
)
async def test_a_faulty_gap_is_refused_and_its_field_named(
    client: httpx.AsyncClient, producer: FakeProducer, change: dict[str, Any], field: str
) -> None:
    """Nothing of the request is published, and no value is repeated."""
    answer = await post(client, [gap(), gap(**change)])
    assert problem(answer) == (422, "invalid-gap", [(1, field)])
    assert producer.records == []
    assert "ann@" not in answer.text
    assert "1 of 2 gaps refused" in answer.json()["detail"]


async def test_a_gap_of_another_publishers_controller_is_forbidden(
    client: httpx.AsyncClient, producer: FakeProducer
) -> None:
    """The rights are those of events."""
    answer = await post(client, [gap(controller="linggan-house")])
    assert problem(answer) == (403, "forbidden", [(0, "/controller")])
    assert producer.records == []


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"[", {}, (400, "not-json")),
        (b'[{"id": 1, "id": 2}]', {}, (400, "not-json")),
        ({"id": "one"}, {}, (422, "invalid-gap")),
        ([1], {}, (422, "invalid-gap")),
        ([gap()] * 1_001, {}, (413, "too-large")),
        ([gap()], {"content-type": "text/plain"}, (415, "unsupported-media-type")),
        ([gap()], {"authorization": "Bearer wrong"}, (401, "unauthorized")),
        (b" " * 1_048_577, {}, (413, "too-large")),
    ],
)
async def test_a_request_that_holds_no_gaps_is_refused(
    client: httpx.AsyncClient,
    producer: FakeProducer,
    content: Any,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    """With the problems of events."""
    answer = await post(client, content, **headers)
    assert problem(answer)[:2] == expected
    assert producer.records == []


async def test_gaps_that_kafka_does_not_acknowledge_are_not_accepted(
    client: httpx.AsyncClient, producer: FakeProducer
) -> None:
    """503, and when to send them again."""
    producer.error = TimeoutError()
    answer = await post(client, [gap()])
    assert problem(answer)[:2] == (503, "kafka-unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_defect_is_answered_without_what_was_sent(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everywhere: the message of an exception may quote."""

    def fail(body: bytes) -> list[object]:
        raise RuntimeError(body.decode())

    monkeypatch.setattr("purposewatch_ingest.http.gaps.endpoint.gaps_in", fail)
    answer = await post(client, [gap()])
    assert problem(answer)[:2] == (500, "internal")
    assert "gap-1" not in answer.text


async def test_a_paused_publisher_keeps_its_gaps(
    client: httpx.AsyncClient, producer: FakeProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limits are those of its events, and gaps count towards them."""
    limits = RateLimits(events_per_day=3)
    limited = Publisher("crm", frozenset({"wework-labs"}), limits=limits)
    monkeypatch.setattr(PublisherRegister, "holder_of", lambda *_: limited)
    accepted = await post(client, [gap(), gap(id="gap-2"), gap(id="gap-3")])
    assert (accepted.status_code, "r=0" in accepted.headers["ratelimit"]) == (202, True)
    refused = await post(client, [gap(id="gap-4")])
    assert problem(refused)[:2] == (429, "quota-exceeded")
    paused = Publisher("crm", frozenset({"wework-labs"}), paused="test data")
    monkeypatch.setattr(PublisherRegister, "holder_of", lambda *_: paused)
    assert problem(await post(client, [gap(id="gap-4")]))[:2] == (429, "paused")
    assert len(producer.records) == 3
