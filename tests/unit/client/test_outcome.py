"""What follows from each answer of ingest."""

import json
from typing import Any

import pytest

from purposewatch_client.sender.backoff import Backoff
from purposewatch_client.sender.outcome import (
    Accepted,
    Answer,
    Fault,
    Halve,
    Outcome,
    Refused,
    Retry,
    Uncompressed,
    interpret,
)
from tests.harness.fake_ingest import Reply, problem


def outcome(reply: Any, *, events: int = 3, compressed: bool = False) -> Outcome:
    """The outcome of a request that got this reply."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    answer = Answer(reply.status, headers, json.dumps(reply.body).encode())
    return interpret(answer, events=events, compressed=compressed)


def test_accepted() -> None:
    """Any 2xx."""
    assert interpret(Answer(202), events=1, compressed=True) == Accepted()


def test_accepted_in_part() -> None:
    """With the class of each error, and hints, each once."""
    body = {
        "accepted": 2,
        "refused": 1,
        "errors": [
            {"index": 1, "field": "/data/role", "detail": "no", "error_class": "unknown_term"},
            {"index": 1, "field": "/time", "detail": "no", "error_class": "implausible_time"},
        ],
        "hints": [
            {"index": index, "field": "/data/source", "detail": "add it"} for index in (0, 2)
        ],
    }
    assert outcome(Reply(202, {}, body)) == Accepted(
        {1: Fault("unknown_term", ("/data/role no", "/time no"))}, ("/data/source add it",)
    )


def test_named_events_are_refused_with_their_advice() -> None:
    """Each with all that ingest says about it; an index beyond the batch is none."""
    reply = problem(422, "invalid-event", (1, "no"), (1, "nor this"), (2, "no"), (3, "no"))
    assert outcome(reply) == Refused(
        {
            1: Fault("invalid-event", ("/data no", "/data nor this")),
            2: Fault("invalid-event", ("/data no",)),
        }
    )


@pytest.mark.parametrize(
    ("reply", "events", "expected"),
    [
        (problem(422, "invalid-event"), 3, Halve),
        (problem(400, "not-json"), 3, Halve),
        (problem(413, "too-large"), 3, Halve),
        (problem(403, "forbidden", (0, "no")), 3, Refused),
        (problem(403, "forbidden", (0, "no")), 1, Retry),
        (problem(403, "forbidden", *((at, "no") for at in range(100))), 1000, Retry),
    ],
)
def test_what_can_not_be_taken_as_a_whole(reply: Any, events: int, expected: type) -> None:
    """A batch is halved until the event is found; rights that lack for all may come."""
    assert isinstance(outcome(reply, events=events), expected)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (problem(401, "unauthorized"), "unauthorized"),
        (problem(403, "forbidden"), "forbidden"),
        (problem(404, "not-found"), "misconfigured"),
        (problem(302, "found"), "misconfigured"),
        (problem(400, "incomplete"), "unavailable"),
        (problem(408, "body-timeout"), "unavailable"),
        (problem(415, "unsupported-media-type"), "misconfigured"),
        (problem(429, "quota"), "throttled"),
        (problem(500, "internal"), "unavailable"),
        (problem(503, "busy"), "unavailable"),
    ],
)
def test_events_are_kept_and_sent_again(reply: Any, reason: str) -> None:
    """Whatever is not about the events themselves."""
    found = outcome(reply)
    assert isinstance(found, Retry)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("-1", None), ("x", None), ("9" * 50, None), ("", None)]
)
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    """In seconds."""
    found = outcome(problem(503, "busy", Retry_After=text))
    assert isinstance(found, Retry)
    assert found.after_seconds == seconds


def test_an_ingest_that_takes_no_compression() -> None:
    """Only if the request was compressed."""
    assert outcome(problem(415, "x"), compressed=True) == Uncompressed()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": {"index": 1}}', b"[" * 9999])
def test_an_answer_that_is_no_problem_document(body: bytes) -> None:
    """Of a proxy, for example."""
    assert isinstance(interpret(Answer(502, {}, body), events=2, compressed=False), Retry)
    assert interpret(Answer(422, {}, body), events=2, compressed=False) == Halve(
        Fault("http-422", ("HTTP status 422",))
    )


def test_the_back_off_doubles_up_to_its_maximum() -> None:
    """Half of it is random, and success ends it."""
    backoff = Backoff(8.0)
    waits = [backoff.fail() for _ in range(8)]
    for wait, usual in zip(waits, (0.5, 1, 2, 4, 8, 8, 8, 8), strict=True):
        assert usual / 2 <= wait <= usual
    backoff.succeed()
    assert backoff.fail() <= 0.5
    assert 30 <= backoff.fail(30.0) <= 45
    assert backoff.fail(1e9) <= 5400
