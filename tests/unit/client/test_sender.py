"""What is in the spool reaches ingest once, whatever ingest answers."""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from purposewatch_client import Client, ClientSettings, NotRecordedError
from purposewatch_client.spool.segment import HEADER_SIZE
from purposewatch_client.spool_sink import SpoolSink
from tests.harness.fake_ingest import FakeIngest, Reply, problem
from tests.harness.ports import take_port

MakeClient = Callable[..., Client]


@pytest.fixture
def ingest() -> Iterator[FakeIngest]:
    """An ingest that accepts everything unless told otherwise."""
    with FakeIngest() as ingest:
        yield ingest


@pytest.fixture
def make_client(ingest: FakeIngest, tmp_path: Path) -> Iterator[MakeClient]:
    """Make clients that send to it, and close them at the end."""
    made: list[Client] = []

    def make(**changes: Any) -> Client:
        usual: dict[str, Any] = {
            "source": "/portal",
            "ingest_url": ingest.url,
            "key": "pwk_test",
            "spool": tmp_path / "spool",
            "controller": "wework-labs",
            "role": "member",
            "linger_seconds": 0.01,
            "backoff_max_seconds": 0.05,
            "adopt_seconds": 0.05,
            "exit_timeout_seconds": 0.0,
        }
        settings = ClientSettings(**usual | changes)
        made.append(Client(settings, SpoolSink(settings)))
        return made[-1]

    yield make
    for client in made:
        client.close(0.0)


def record(client: Client, subject: object, **fields: Any) -> str | None:
    """Record a usual event."""
    usual = {"operation": "use", "purpose": "service", "categories": "user.name"}
    return client.record_fields({"subject": str(subject), **usual, **fields})


def senders() -> set[threading.Thread]:
    """The threads of all senders."""
    return {each for each in threading.enumerate() if each.name == "purposewatch-sender"}


def in_spool(tmp_path: Path) -> list[str]:
    """The names of the files in the spool."""
    return sorted(each.name for each in (tmp_path / "spool").iterdir())


def test_events_arrive_in_batches(ingest: FakeIngest, make_client: MakeClient) -> None:
    """In order, each once, compressed and with the key; nothing is left behind."""
    client = make_client(batch_max_events=10)
    ids = [record(client, number) for number in range(95)]
    assert client.flush(5)
    assert ingest.ids == ids
    assert max(int(each["batch"]) for each in ingest.requests) == 10
    assert {each["authorization"] for each in ingest.requests} == {"Bearer pwk_test"}
    assert "gzip" in {each.get("content-encoding") for each in ingest.requests}
    stats = client.stats()
    assert (stats.recorded, stats.sent, stats.queued, stats.spool_bytes) == (95, 95, 0, 0)


def test_a_request_is_no_larger_than_the_limit(ingest: FakeIngest, make_client: MakeClient) -> None:
    """Of the body before compression."""
    client = make_client(batch_max_bytes=2000, compression="none", linger_seconds=0.1)
    for number in range(30):
        record(client, number)
    assert client.flush(5)
    assert len(ingest.ids) == 30
    sizes = [int(each["content-length"]) for each in ingest.requests]
    assert max(sizes) <= 2000
    assert max(int(each["batch"]) for each in ingest.requests) > 1


def test_nothing_is_left_after_a_close(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path
) -> None:
    """No file and no thread; a later event starts everything again."""
    before = senders()
    client = make_client()
    record(client, 1)
    assert client.close(5)
    assert in_spool(tmp_path) == []
    assert senders() <= before
    record(client, 2)
    assert client.close(5)
    assert ingest.subjects == {"1": 1, "2": 1}


def test_refused_events_do_not_hold_up_the_others(
    ingest: FakeIngest,
    make_client: MakeClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are kept with ingest's advice, counted by reason, and named in one line."""

    def answer(events: list[dict[str, Any]]) -> Reply:
        wrong = [at for at, event in enumerate(events) if event["data"]["purpose"] == "wrong"]
        advice = "has an unknown purpose; did you mean `service`?"
        named = problem(422, "invalid-event", *((at, advice) for at in wrong[:2]))
        return named if wrong else Reply()

    ingest.answer = answer
    client = make_client(linger_seconds=0.1)
    for number in range(20):
        record(client, number, purpose="wrong" if number % 4 == 0 else "service")
    with caplog.at_level(logging.WARNING):
        assert client.flush(5)
    assert ingest.subjects == {str(number): 1 for number in range(20) if number % 4}
    assert client.stats().refused == {"invalid-event": 5}
    lines = (tmp_path / "spool" / "refused.jsonl").read_text("utf-8").splitlines()
    kept = [json.loads(line) for line in lines]
    assert {each["event"]["data"]["subject_id"] for each in kept} == {"0", "4", "8", "12", "16"}
    assert kept[0]["advice"] == ["/data has an unknown purpose; did you mean `service`?"]
    assert len([each for each in caplog.messages if "did you mean `service`?" in each]) == 1


def test_a_batch_that_is_refused_as_a_whole_is_halved(
    ingest: FakeIngest, make_client: MakeClient
) -> None:
    """Until the event that it is about stands alone."""

    def answer(events: list[dict[str, Any]]) -> Reply:
        bad = any(event["data"]["subject_id"] == "13" for event in events)
        return problem(400, "not-json") if bad else Reply()

    ingest.answer = answer
    client = make_client(linger_seconds=0.1)
    for number in range(40):
        record(client, number)
    assert client.flush(5)
    assert ingest.subjects == {str(number): 1 for number in range(40) if number != 13}
    assert client.stats().refused == {"not-json": 1}


def test_an_ingest_that_takes_no_compression(ingest: FakeIngest, make_client: MakeClient) -> None:
    """Is noticed once."""
    ingest.answer = lambda _: (
        problem(415, "unsupported-media-type")
        if "content-encoding" in ingest.requests[-1]
        else Reply()
    )
    client = make_client(linger_seconds=0.05)
    for round_ in range(2):
        for number in range(10):
            record(client, f"{round_}-{number}")
        assert client.flush(5)
    assert len(ingest.ids) == 20
    assert sum("content-encoding" in each for each in ingest.requests) == 1


def test_an_ingest_that_accepts_a_batch_in_part(
    ingest: FakeIngest,
    make_client: MakeClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Needs one request, and its hints are passed on once."""

    def answer(events: list[dict[str, Any]]) -> Reply:
        assert ingest.requests[-1]["prefer"] == "handling=lenient"
        error = {"field": "/data/role", "detail": "is unknown", "error_class": "unknown_term"}
        hint = {"index": 1, "field": "/data/location", "detail": "add it"}
        wrong = [at for at, event in enumerate(events) if event["data"]["subject_id"] == "3"]
        return Reply(body={"errors": [{"index": at, **error} for at in wrong], "hints": [hint]})

    ingest.answer = answer
    client = make_client(batch_max_events=5)
    with caplog.at_level(logging.INFO):
        for number in range(10):
            record(client, number)
        assert client.flush(5)
    assert ingest.subjects == {str(number): 1 for number in range(10) if number != 3}
    assert client.stats().refused == {"unknown_term": 1}
    assert client.stats().sent == 9
    assert '"subject_id":"3"' in (tmp_path / "spool" / "refused.jsonl").read_text("utf-8")
    assert caplog.messages.count("ingest advises: /data/location add it") == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (problem(401, "unauthorized"), "unauthorized"),
        (problem(403, "forbidden", (0, "no")), "forbidden"),
        (problem(503, "kafka-unavailable"), "unavailable"),
    ],
)
def test_events_wait_for_better_times(
    ingest: FakeIngest,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    reason: str,
) -> None:
    """Nothing is lost, one line is logged, and the health check says so."""
    ingest.answer = lambda _: reply
    client = make_client()
    record(client, 1)
    assert not client.flush(0.3)
    assert client.stats().failures[reason] > 1
    assert client.stats().spool_bytes > 0
    assert not client.health(max_age_seconds=0.01).ok
    ingest.answer = lambda _: Reply()
    assert client.flush(5)
    assert ingest.subjects == {"1": 1}
    assert client.health(max_age_seconds=0.01).ok
    assert len([each for each in caplog.messages if reason in each]) == 1


def test_retry_after_is_kept_to(ingest: FakeIngest, make_client: MakeClient) -> None:
    """Also if somebody waits."""
    times: list[float] = []

    def answer(_: list[dict[str, Any]]) -> Reply:
        times.append(time.monotonic())
        return problem(429, "quota", Retry_After="1") if len(times) == 1 else Reply()

    ingest.answer = answer
    client = make_client()
    record(client, 1)
    assert client.flush(5)
    assert times[1] - times[0] >= 1


def test_an_hour_without_ingest_loses_nothing(make_client: MakeClient) -> None:
    """Events wait on disk, and are sent when it is back."""
    port = take_port()
    client = make_client(ingest_url=f"http://127.0.0.1:{port}")
    for number in range(100):
        record(client, number)
    assert not client.flush(0.1)
    with FakeIngest(port) as back:
        assert client.flush(5)
        assert len(set(back.ids)) == 100 == len(back.ids)


def test_a_connection_that_was_closed_meanwhile(
    ingest: FakeIngest, make_client: MakeClient
) -> None:
    """Is opened again without a failure."""
    ingest.answer = lambda _: Reply()
    client = make_client()
    record(client, 1)
    assert client.flush(5)
    connection = client.sink._current().delivery._transport._connection  # type: ignore[attr-defined]
    connection.sock.shutdown(2)
    record(client, 2)
    assert client.flush(5)
    assert client.stats().failures == {}


def test_segments_without_an_owner_are_sent(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path
) -> None:
    """By whoever lives; an unfinished record at the end is counted."""
    dead = make_client(ingest_url="http://127.0.0.1:1")
    for number in range(50):
        record(dead, f"dead-{number}")
    assert not dead.close(0.0)
    (left,) = (tmp_path / "spool").glob("*.seg")
    os.truncate(left, left.stat().st_size - 3)

    alive = make_client()
    record(alive, "alive")
    ingest.wait_for(50)
    assert len(ingest.ids) == 50
    assert alive.close(5)
    assert alive.stats().torn == 1
    assert alive.stats().sent == 50
    assert in_spool(tmp_path) == []


def test_a_start_sends_what_is_left(ingest: FakeIngest, make_client: MakeClient) -> None:
    """A process that has nothing of its own to record does not keep it waiting."""
    dead = make_client(ingest_url="http://127.0.0.1:1")
    record(dead, 1)
    assert not dead.close(0.0)

    alive = make_client()
    alive.start()
    ingest.wait_for(1)
    assert alive.close(5)


def test_no_thread_is_started_where_uwsgi_forks(
    ingest: FakeIngest, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers send what the application recorded while it was loaded."""
    uwsgi = ModuleType("uwsgi")
    uwsgi.masterpid = lambda: 1  # type: ignore[attr-defined]
    uwsgi.worker_id = lambda: 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    before = senders()
    master = make_client()
    record(master, "master-1")
    record(master, "master-2")
    assert senders() <= before
    assert master.flush(0.0)

    uwsgi.worker_id = lambda: 1  # type: ignore[attr-defined]
    worker = make_client()
    record(worker, "worker")
    ingest.wait_for(3)
    assert ingest.subjects == {"master-1": 1, "master-2": 1, "worker": 1}


def test_damage_is_skipped_and_counted(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path
) -> None:
    """One record of a segment is damaged on disk; all others arrive."""
    dead = make_client(ingest_url="http://127.0.0.1:1")
    for number in range(50):
        record(dead, number)
    assert not dead.close(0.0)
    (left,) = (tmp_path / "spool").glob("*.seg")
    content = bytearray(left.read_bytes())
    content[len(content) // 2] ^= 0xFF
    left.write_bytes(content)

    alive = make_client()
    record(alive, "alive")
    ingest.wait_for(50)
    assert alive.stats().damaged == 1


@pytest.mark.parametrize("when_full", ["drop", "block", "raise"])
def test_a_full_spool(make_client: MakeClient, when_full: str) -> None:
    """The application chooses; what is dropped is counted."""
    client = make_client(
        ingest_url="http://127.0.0.1:1",
        segment_bytes=4096,
        spool_max_bytes=8192,
        when_full=when_full,
        block_timeout_seconds=0.1,
    )
    assert record(client, 1, id="e-00") is not None
    room = 2 * ((4096 - HEADER_SIZE) // client.stats().spool_bytes)
    for number in range(1, room):
        assert record(client, 1, id=f"e-{number:02}") is not None
    started = time.monotonic()
    if when_full == "raise":
        with pytest.raises(NotRecordedError, match="the spool has reached 8192 bytes"):
            record(client, 1, id="e-99")
    else:
        assert record(client, 1, id="e-99") is None
    assert client.stats().dropped == {"full": 1}
    assert (time.monotonic() - started >= 0.1) == (when_full == "block")


def test_a_call_that_waits_gets_the_room_that_is_made(
    ingest: FakeIngest, make_client: MakeClient
) -> None:
    """Every event arrives, though the spool holds a few of them only."""
    client = make_client(
        segment_bytes=4096, spool_max_bytes=12288, when_full="block", block_timeout_seconds=10
    )
    for number in range(300):
        assert record(client, number) is not None
    assert client.flush(5)
    assert len(ingest.ids) == 300


def test_nothing_to_do_costs_nothing(make_client: MakeClient) -> None:
    """The sender does not wake up while there is nothing to send."""
    client = make_client(adopt_seconds=60.0)
    record(client, 1)
    assert client.flush(5)
    steps = 0
    sender = client.sink._current().sender  # type: ignore[attr-defined]
    original = sender._step

    def step(*args: Any) -> Any:
        nonlocal steps
        steps += 1
        return original(*args)

    time.sleep(0.05)
    sender._step = step
    time.sleep(0.3)
    assert steps == 0
    record(client, 2)
    assert client.flush(5)
    assert steps > 0


def test_no_answer_is_no_reason_to_send_a_thing_twice(
    ingest: FakeIngest, make_client: MakeClient
) -> None:
    """A repeat has the same id; ingest records it once."""
    answers = iter([Reply(delay=0.4)])
    ingest.answer = lambda _: next(answers, Reply())
    client = make_client(timeout_seconds=0.2)
    event_id = record(client, 1)
    assert client.flush(5)
    ingest.wait_for(1)
    assert set(ingest.ids) == {event_id}
