"""Asking for decisions without publishing, and the hints about accepted events."""

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import httpx
import pytest

from purposewatch_contract.codec import DecodedFlow, Flow
from purposewatch_ingest.decisions import Answer, Decisions
from purposewatch_ingest.http.events import hints as hints_module
from purposewatch_runtime.metrics import MetricSet
from tests.unit.ingest.conftest import BATCHED, STRUCTURED, FakeProducer, problem

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]

JSON = "application/json"
NAMES = {"data_categories": ["user.name"]}
"""With this data, the event is a violation because it states no source."""
USE = {"operation": "use", "purpose": "essential.service", "recipient": "first_party"}
"""With this data, the event is permitted."""


async def ask(
    client: httpx.AsyncClient, content: object, content_type: str = STRUCTURED, **headers: str
) -> httpx.Response:
    """Ask about events in JSON."""
    return await client.post(
        "/v1/decisions",
        content=json.dumps(content),
        headers={"content-type": content_type, **headers},
    )


async def test_decision_has_the_reasons_and_publishes_nothing(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent
) -> None:
    """The outcome, the nearest statement, what failed, and the field to add."""
    response = await ask(client, event(NAMES))
    assert response.status_code == 200
    assert response.headers["content-language"] == "en"
    [decision] = response.json()["decisions"]
    assert tuple(decision[name] for name in ("index", "outcome", "kind", "policy_version")) == (
        0,
        "violation",
        "undeclared_source",
        "2026-01",
    )
    assert len(decision["policy_digest"]) == 64
    [category] = decision["categories"]
    assert category["statement"] == "members.names"
    assert category["clause"] == "members.3"
    assert "the source was not stated" in category["sentence"]
    source = {"dimension": "source", "field": "/data/source"}
    assert category["failed"] == [{**source, "expected": ["employer"], "actual": None}]
    [change] = category["smallest_change"]["event"]["changes"]
    assert change == {
        **source,
        "value": "employer",
        "before": None,
        "text": "state the source `employer`, in the field `data.source`",
    }
    assert producer.records == []


async def test_events_are_decided_in_their_order_in_every_content_mode(
    client: httpx.AsyncClient, event: MakeEvent, metric_set: MetricSet
) -> None:
    """A subject is not needed; data alone happens now. They are counted by outcome."""
    permitted = event(USE | {"subject_id": None})
    attributes = {f"ce-{name}": value for name, value in event().items() if name != "data"}
    answers = [
        await ask(client, [permitted, event(NAMES)], BATCHED),
        await ask(client, permitted),
        await ask(client, permitted["data"], JSON),
        await ask(client, permitted["data"], JSON, **attributes),
    ]
    counts = [
        metric_set.registry.get_sample_value(
            "purposewatch_ingest_decisions_total", {"publisher": "crm", "outcome": outcome}
        )
        for outcome in ("permitted", "violation")
    ]
    assert counts == [4, 1]
    outcomes = [
        [(each["index"], each["outcome"]) for each in answer.json()["decisions"]]
        for answer in answers
    ]
    assert outcomes == [[(0, "permitted"), (1, "violation")], *[[(0, "permitted")]] * 3]


async def test_an_event_is_decided_at_its_own_time(
    client: httpx.AsyncClient, event: MakeEvent
) -> None:
    """Before the policy's first version nothing was in force."""
    answer = await ask(client, event(time="2025-03-02T08:15:00Z"))
    [decision] = answer.json()["decisions"]
    assert (decision["kind"], decision["policy_version"]) == ("policy_not_in_force", None)


async def test_sentences_are_in_the_language_that_was_asked_for(
    client: httpx.AsyncClient, event: MakeEvent
) -> None:
    """Also when the same flow was explained in another one before."""
    answers = [
        await ask(client, event(NAMES), **{"accept-language": tag})
        for tag in ("en", "zh-CN, en;q=0.5")
    ]
    assert [each.headers["content-language"] for each in answers] == ["en", "zh"]
    english, chinese = (each.json()["decisions"][0]["categories"][0] for each in answers)
    assert english["sentence"].isascii()
    assert not chinese["sentence"].isascii()


@pytest.mark.parametrize(
    ("change", "status", "name"),
    [
        ({"role": None}, 422, "invalid-event"),
        ({"role": "stranger"}, 422, "invalid-event"),
        ({"secret": "x"}, 422, "invalid-event"),
        ({"subject_id": ""}, 422, "invalid-event"),
        ({"controller": "linggan-house"}, 403, "forbidden"),
    ],
)
async def test_what_ingest_would_refuse_is_refused(
    client: httpx.AsyncClient, event: MakeEvent, change: dict[str, Any], status: int, name: str
) -> None:
    """With the fault's place, as for events; one refused event refuses the request."""
    found = problem(await ask(client, [event(), event(change)], BATCHED), status, name)
    assert [each["index"] for each in found["errors"]] == [1]
    assert "none was decided" in found["detail"]


async def test_requests_that_cannot_be_decided_are_problems(
    client: httpx.AsyncClient, event: MakeEvent
) -> None:
    """No key, no known content type, no JSON, too many events or data categories."""
    problem(await ask(client, event(), Authorization="Bearer wrong"), 401, "unauthorized")
    problem(await ask(client, event(), "text/plain"), 415, "unsupported-media-type")
    problem(await ask(client, [event()] * 1_001, BATCHED), 413, "too-large")
    many = [event({"data_categories": ["user.name", "user.contact"]})] * 51
    problem(await ask(client, many, BATCHED), 413, "too-large")
    not_json = await client.post(
        "/v1/decisions", content=b"{", headers={"content-type": STRUCTURED}
    )
    problem(not_json, 400, "not-json")


async def test_other_requests_run_while_a_decision_is_explained(
    client: httpx.AsyncClient,
    event: MakeEvent,
    decisions: Decisions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An explanation that takes long does not hold the event loop."""
    started, published = threading.Event(), threading.Event()
    answer = decisions.answer

    def slow_answer(flow: DecodedFlow, at: datetime, language: str) -> Answer:
        started.set()
        assert published.wait(5)
        return answer(flow, at, language)

    monkeypatch.setattr(Decisions, "answer", lambda _, *arguments: slow_answer(*arguments))
    asked = asyncio.create_task(ask(client, event()))
    assert await asyncio.to_thread(started.wait, 5)
    headers = {"content-type": STRUCTURED}
    response = await client.post("/v1/events", content=json.dumps(event()), headers=headers)
    assert response.status_code == 202
    published.set()
    assert (await asked).status_code == 200


async def test_a_flow_is_explained_once(
    client: httpx.AsyncClient,
    event: MakeEvent,
    decisions: Decisions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repeats come from the cache, whatever the event's id and time are."""
    first = await ask(client, event())
    monkeypatch.setattr(Decisions, "answer", None)
    again = await ask(client, event(id="e-2", time="2026-03-02T08:16:00Z"))
    assert again.json() == first.json()


async def test_accepted_events_that_lack_a_field_come_with_a_hint(
    client: httpx.AsyncClient, event: MakeEvent
) -> None:
    """The field to add and the reason, for violations through nothing else; none for others."""
    batch = [
        event(USE),
        event(NAMES, id="e-2"),
        event(NAMES | {"source": "employer"}, id="e-3"),
        event({"purpose": "essential"}, id="e-4"),
    ]
    for _ in range(2):  # decided, then from the cache
        response = await client.post(
            "/v1/events", content=json.dumps(batch), headers={"content-type": BATCHED}
        )
        accepted = response.json()
        assert accepted["accepted"] == 4
        [hint] = accepted["hints"]
        assert (hint["index"], hint["field"]) == (1, "/data/source")
        assert "the source was not stated" in hint["detail"]
    single = await client.post(
        "/v1/events", content=json.dumps(event(USE)), headers={"content-type": STRUCTURED}
    )
    assert single.json() == {"accepted": 1}


async def test_hints_for_new_flows_are_bounded_in_each_request(
    client: httpx.AsyncClient, event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left over is decided when it is published again."""
    monkeypatch.setattr(hints_module, "_MAX_NEW_CATEGORIES", 1)
    batch = [event(NAMES), event(NAMES | {"legal_basis": "consent"})]
    found = []
    for _ in range(2):
        response = await client.post(
            "/v1/events", content=json.dumps(batch), headers={"content-type": BATCHED}
        )
        found.append([hint["index"] for hint in response.json()["hints"]])
    assert found == [[0], [0, 1]]


def test_an_answer_depends_on_the_version_in_force(decisions: Decisions) -> None:
    """What was cached under one version is not the answer before it."""
    flow = DecodedFlow(_terms(), "the flow")
    after, before = datetime(2026, 2, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
    answer = decisions.answer(flow, after, "en")
    assert decisions.cached_answer(flow, after, "en") == answer
    assert decisions.cached_answer(flow, before, "en") is None
    assert b"policy_not_in_force" in decisions.answer(flow, before, "en").content


def _terms() -> Flow:
    return Flow(
        controller="wework-labs",
        role="member",
        operation="use",
        purpose="essential.service",
        recipient="first_party",
        data_categories=("user.contact",),
    )
