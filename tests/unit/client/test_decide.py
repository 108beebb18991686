"""A client asks for decisions, and says why it got none."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from purposewatch_client import Client, ClientSettings, DecisionError, EventError, MemorySink
from tests.harness.fake_ingest import FakeIngest, Reply, problem

FIELDS: dict[str, Any] = {
    "subject": 1,
    "operation": "use",
    "purpose": "service",
    "categories": "user",
    "role": "member",
}


@pytest.fixture
def ingest() -> Iterator[FakeIngest]:
    """An ingest that decides that everything is permitted."""
    with FakeIngest() as ingest:
        ingest.answer = lambda events: Reply(
            200,
            {},
            {"decisions": [{"index": at, "outcome": "permitted"} for at in range(len(events))]},
        )
        yield ingest


def client_of(url: str) -> Client:
    """A client that records nothing."""
    settings = ClientSettings(source="/portal", controller="wework-labs", ingest_url=url, key="k")
    return Client(settings, MemorySink())


def test_decisions_come_in_order(ingest: FakeIngest) -> None:
    """One for each event, and nothing is recorded."""
    client = client_of(ingest.url)
    events = [client.event(**FIELDS), client.event(**FIELDS, actor="job")]
    assert [each["outcome"] for each in client.decide(*events, language="zh")] == ["permitted"] * 2
    (request,) = ingest.requests
    assert (request["path"], request["accept-language"]) == ("/v1/decisions", "zh")
    assert events[1]["source"] == "/portal/job"
    assert client.stats().recorded == 0


def test_why_there_is_no_decision(ingest: FakeIngest) -> None:
    """In ingest's words, or that it did not answer."""
    client = client_of(ingest.url)
    ingest.answer = lambda _: problem(422, "invalid-event")
    with pytest.raises(DecisionError, match="the request is invalid-event") as raised:
        client.decide(client.event(**FIELDS))
    assert raised.value.status == 422
    with pytest.raises(DecisionError, match="no answer from ingest"):
        client_of("http://127.0.0.1:1").decide({})
    with pytest.raises(DecisionError, match="no `ingest_url`"):
        client_of("").decide({})


def test_a_wrong_event_is_an_error_of_the_caller() -> None:
    """Whatever `on_error` says."""
    with pytest.raises(EventError, match="`purpose` is missing"):
        client_of("").event(subject=1, operation="use", role="member")


def test_the_event_is_the_one_that_is_recorded() -> None:
    """Apart from its id and time, unless they are given."""
    client = client_of("")
    recorded = client.record(**FIELDS, id="e-1")
    sink = client.sink
    assert isinstance(sink, MemorySink)
    event = client.event(**FIELDS, id=recorded)
    assert json.dumps({**sink.events[0], "time": ""}) == json.dumps({**event, "time": ""})
