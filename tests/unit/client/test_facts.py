"""Statements of facts are spooled and sent as events are, and reach ingest before them."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import purposewatch_client as purposewatch
from purposewatch_client import Client, ClientSettings, EventError, MemorySink, defaults, using
from purposewatch_client.sender.delivery import PendingBatch
from purposewatch_client.spool.segment import EVENT, FACT, GAP, Record
from purposewatch_client.testing import capture
from purposewatch_contract.submission import read_fact
from tests.harness.fake_ingest import FakeIngest, Reply, problem
from tests.unit.client.test_sender import MakeClient, in_spool, make_client, record

__all__ = ["make_client"]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def ingest() -> Iterator[FakeIngest]:
    """An ingest that accepts everything unless told otherwise."""
    with FakeIngest() as ingest:
        yield ingest


def stated(**details: Any) -> dict[str, Any]:
    """What a client with a controller makes of a fact."""
    sink = MemorySink()
    settings = ClientSettings(source="/crm", controller="acme", on_error="raise")
    usual: dict[str, Any] = {"name": "consent.marketing", "value": True}
    fact_id = Client(settings, sink).fact(**usual | details)
    [found] = sink.facts
    assert found["id"] == fact_id
    return found


def test_a_fact_is_what_ingest_reads() -> None:
    """With everything stated, and with as little as possible."""
    full = stated(
        subject=4711,
        value=False,
        effective_from=NOON.astimezone(timezone(timedelta(hours=8))),
        until=NOON + timedelta(days=1),
        evidence="consents/71?v=2",
        time=NOON,
        id="c-71",
        actor="consents",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    read = read_fact(copy.deepcopy(full))
    assert (read.id, read.source, read.time, read.effective_from) == (
        *("c-71", "/crm/consents", NOON, NOON),
    )
    assert full["data"] == {
        "controller": "acme",
        "fact": "consent.marketing",
        "value": False,
        "effective_from": "2026-03-02T12:00:00Z",
        "until": "2026-03-03T12:00:00Z",
        "evidence": "consents/71?v=2",
        "subject_id": "4711",
    }
    least = read_fact(stated(subject=UUID(int=7)))
    assert (least.effective_from, least.data.until, least.data.evidence) == (least.time, None, None)
    assert abs(datetime.now(UTC) - least.time) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"subject": None}, "`subject` is missing"),
        ({"value": 1}, "`value` must be True or False"),
        ({"name": "Consent"}, "`name` must be a vocabulary term"),
        ({"controller": "A"}, "`controller` must be"),
        ({"evidence": "two words"}, "`evidence` must be"),
        ({"evidence": "13800138000"}, "`evidence` must be"),
        ({"time": datetime(2026, 3, 2)}, "`time` must be a datetime with its zone"),  # noqa: DTZ001
        ({"effective_from": "2026-03-02"}, "`effective_from` must be a datetime"),
        ({"until": NOON, "effective_from": NOON}, "`until` must be after"),
        ({"until": NOON, "time": NOON}, "`until` must be after"),
        ({"id": "13800138000"}, "`id` must be"),
        ({"actor": ".."}, "`actor` must be"),
        ({"role": "member"}, "`role` is not a field of a fact"),
    ],
)
def test_a_wrong_field_is_an_error_that_quotes_nothing(wrong: dict[str, Any], message: str) -> None:
    """As for events, and only raised if the application wants that."""
    details: dict[str, Any] = {"subject": "ann", **wrong}
    with pytest.raises(EventError, match=message) as error:
        stated(**details)
    assert "13800138000" not in str(error.value)
    client = Client(ClientSettings(source="/crm", controller="acme"), MemorySink())
    usual: dict[str, Any] = {"name": "consent.marketing", "value": True}
    assert client.fact(**usual | details) is None
    assert client.stats().invalid == 1


def test_defaults_name_the_controller_and_nothing_else() -> None:
    """Those of a block before the client's; what only events have is left out."""
    sink = MemorySink()
    client = Client(ClientSettings(source="/crm", controller="acme", role="member"), sink)
    with using(client), defaults(controller="other", purpose="service", actor="web"):
        purposewatch.fact("consent.marketing", value=True, subject=1, controller=None)
        purposewatch.fact("consent.marketing", value=True, subject=1, controller="third")
    assert [(each["source"], each["data"]["controller"]) for each in sink.facts] == [
        ("/crm/web", "other"),
        ("/crm/web", "third"),
    ]


def test_facts_reach_ingest_beside_events(ingest: FakeIngest, make_client: MakeClient) -> None:
    """In requests of their own, and counted apart."""
    client = make_client()
    record(client, 1)
    client.record_gap("unmapped_dataset", "cards")
    ids = [client.fact("consent.marketing", value=True, subject=number) for number in range(3)]
    assert client.flush(5)
    assert [fact["id"] for fact in ingest.facts] == ids
    assert {each["path"] for each in ingest.requests} == {"/v1/facts", "/v1/events", "/v1/gaps"}
    stats = client.stats()
    assert (stats.recorded, stats.sent, stats.facts_sent, stats.gaps_sent, stats.queued) == (
        *(5, 1, 3, 1, 0),
    )


def test_facts_outlive_the_process_that_stated_them(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path
) -> None:
    """While ingest is away they are in the spool, and another client sends them."""
    ingest.answer = lambda _: Reply(503)
    client = make_client()
    client.fact("consent.marketing", value=False, subject=1)
    client.close(0.0)
    assert in_spool(tmp_path) != []
    ingest.answer = lambda _: Reply()
    other = make_client()
    record(other, 1)
    ingest.wait_for_facts(1)
    assert [fact["data"]["value"] for fact in ingest.facts] == [False]


def test_a_refused_fact_is_kept_and_one_without_the_right_waits(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path
) -> None:
    """As for events: the register may not know the right yet, and no fact is lost meanwhile."""
    ingest.answer = lambda _: problem(422, "invalid-fact", (0, "has an unknown fact"))
    client = make_client()
    client.fact("consent.marketin", value=True, subject=1)
    assert client.flush(5)
    assert client.stats().refused == {"invalid-fact": 1}
    kept = (tmp_path / "spool" / "refused.jsonl").read_text("utf-8")
    assert '"fact":{"specversion"' in kept
    ingest.answer = lambda _: problem(403, "forbidden", (0, "is not among its facts"))
    client.fact("consent.marketing", value=True, subject=1)
    assert not client.flush(0.2)
    assert "forbidden" in client.stats().failures
    ingest.answer = lambda _: Reply()
    assert client.flush(5)
    assert len(ingest.facts) == 1


def test_a_full_spool_takes_no_fact(tmp_path: Path) -> None:
    """It is dropped and counted as an event is."""
    settings = ClientSettings(
        source="/crm",
        controller="acme",
        ingest_url="http://127.0.0.1:9",
        spool=tmp_path,
        spool_max_bytes=128 * 1024,
        segment_bytes=64 * 1024,
        exit_timeout_seconds=0.0,
    )
    client = purposewatch.configure(
        **{name: getattr(settings, name) for name in settings.__slots__}
    )
    try:
        while client.fact("consent.marketing", value=True, subject=1) is not None:
            pass
        assert client.stats().dropped == {"full": 1}
    finally:
        client.close(0.0)
        purposewatch.configure(source="/crm", sink=MemorySink())


def test_batches_send_facts_first() -> None:
    """The last part is sent first."""
    records = [Record(kind, 0, bytes([kind])) for kind in (EVENT, FACT, GAP, EVENT)]
    assert [(part.kind, len(part.payloads)) for part in PendingBatch(records).parts] == [
        (GAP, 1),
        (EVENT, 2),
        (FACT, 1),
    ]


def test_a_service_that_states_facts_can_assert_them() -> None:
    """The fixture of the pytest plugin is such a capture."""
    client = Client(ClientSettings(source="/crm", controller="acme"), MemorySink())
    with using(client), capture() as captured:
        purposewatch.fact("consent.marketing", value=False, subject=1)
    [fact] = captured.facts
    assert (fact["data"]["fact"], fact["data"]["value"]) == ("consent.marketing", False)
    assert captured.events == []
