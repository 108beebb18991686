"""Gaps are spooled and sent as events are, and events that were dropped are reported as gaps."""

import json
import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from purposewatch_client import (
    Client,
    ClientSettings,
    EventError,
    GapKind,
    NotRecordedError,
    using,
)
from purposewatch_client.gap import DROPPED, encode_gap
from purposewatch_client.gap_counter import count_gap
from purposewatch_client.sender.delivery import PendingBatch
from purposewatch_client.sink import MemorySink
from purposewatch_client.spool.directory import SpoolDirectory
from purposewatch_client.spool.segment import EVENT, GAP, Record
from purposewatch_client.spool_sink import SpoolSink
from purposewatch_contract import GapKind as ContractKind
from purposewatch_contract import SubmittedGap
from tests.harness.fake_ingest import FakeIngest, Reply, problem
from tests.unit.client.test_sender import MakeClient, in_spool, make_client, record

__all__ = ["make_client"]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def ingest() -> Iterator[FakeIngest]:
    """An ingest that accepts everything unless told otherwise."""
    with FakeIngest() as ingest:
        yield ingest


def test_gaps_reach_ingest_beside_events(ingest: FakeIngest, make_client: MakeClient) -> None:
    """In requests of their own, in the order in which they were recorded, and as ingest reads."""
    client = make_client(linger_seconds=0.1)
    ids = []
    for number in range(20):
        record(client, number)
        ids.append(client.record_gap("unmapped_dataset", f"crm.t{number}", controller="acme"))
    last = client.record_gap("unknown_purpose", "report", id="r-1", time=NOON, count=7)
    assert client.flush(5)
    assert [gap["id"] for gap in ingest.gaps] == [*ids, last]
    assert len(ingest.ids) == 20
    assert {each["path"] for each in ingest.requests} == {"/v1/events", "/v1/gaps"}
    TypeAdapter(list[SubmittedGap]).validate_json(json.dumps(ingest.gaps))
    assert ingest.gaps[-1] == {
        "id": "r-1",
        "kind": "unknown_purpose",
        "name": "report",
        "count": 7,
        "time": "2026-03-02T12:00:00+00:00",
    }
    stats = client.stats()
    assert (stats.recorded, stats.sent, stats.gaps_sent, stats.queued) == (41, 20, 21, 0)


def test_gaps_outlive_the_process_that_recorded_them(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path
) -> None:
    """While ingest is away they are in the spool, and another client sends them."""
    ingest.answer = lambda _: Reply(503)
    client = make_client()
    client.record_gap("unmapped_dataset", "cards")
    client.close(0.0)
    assert in_spool(tmp_path) != []
    ingest.answer = lambda _: Reply()
    other = make_client()
    record(other, 1)
    ingest.wait_for_gaps(1)
    assert [gap["name"] for gap in ingest.gaps] == ["cards"]


@pytest.mark.parametrize(
    "refusal",
    [
        (problem(422, "invalid-gap", (0, "is missing; add it")), "invalid-gap"),
        (problem(404, "not-found"), "misconfigured"),
        (problem(403, "forbidden", (0, "is not among the publisher's controllers")), "forbidden"),
    ],
)
def test_a_gap_that_ingest_never_takes_holds_up_no_event(
    ingest: FakeIngest,
    make_client: MakeClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    refusal: tuple[Reply, str],
) -> None:
    """An older ingest does not know gaps; the gap is kept beside refused events, and counted."""
    answer, reason = refusal

    def reply(sent: list[dict[str, Any]]) -> Reply:
        return answer if "kind" in sent[0] else Reply()

    ingest.answer = reply
    client = make_client(linger_seconds=0.1)
    client.record_gap("unmapped_dataset", "cards")
    record(client, 1)
    with caplog.at_level(logging.WARNING):
        assert client.flush(5)
    assert (len(ingest.accepted), ingest.gaps) == (1, [])
    assert client.stats().refused == {reason: 1}
    [line] = (tmp_path / "spool" / "refused.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["gap"]["name"] == "cards"
    assert "ingest refused 1 of 1 gaps" in caplog.text


def test_events_that_were_dropped_are_reported_once_there_is_room(
    ingest: FakeIngest, make_client: MakeClient
) -> None:
    """As one gap with their number, although the service records nothing more."""
    ingest.answer = lambda _: Reply(503)
    client = make_client(spool_max_bytes=128 * 1024, segment_bytes=64 * 1024)
    while client.stats().dropped.get("full", 0) < 5:
        record(client, 1)
    ingest.answer = lambda _: Reply()
    ingest.wait_for_gaps(1)
    assert [(gap["kind"], gap["name"]) for gap in ingest.gaps] == [("dropped", "full")]
    assert ingest.gaps[0]["count"] == client.stats().dropped["full"]


DROP_AND_DIE = """
import os, signal, sys
import purposewatch_client as client
configured = client.configure(source="/portal", ingest_url="http://127.0.0.1:9", key="k",
    controller="wework-labs", role="member", spool=sys.argv[1], spool_max_bytes=131072,
    segment_bytes=65536, backoff_max_seconds=0.1)
while configured.stats().dropped.get("full", 0) < 5:
    client.record(subject="m-7", operation="use", purpose="essential.service",
        categories="user.name")
if sys.argv[2] == "close":
    client.close(0)
print(configured.stats().dropped["full"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["kill", "close"])
def test_events_that_an_ended_process_dropped_are_reported(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path, end: str
) -> None:
    """By who adopts its segments; under the same id if that one dies as well before it is done."""
    spool = tmp_path / "spool"
    command = [sys.executable, "-c", DROP_AND_DIE, str(spool), end]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    again = shutil.copytree(spool, tmp_path / "again")
    for number, directory in enumerate((spool, again), 1):
        client = make_client(
            spool=directory,
            spool_max_bytes=128 * 1024,
            segment_bytes=64 * 1024,
            adopt_seconds=0.05,
        )
        client.start()
        ingest.wait_for_gaps(number)
    first, second = ingest.gaps
    assert (first["kind"], first["name"], first["count"]) == ("dropped", "full", int(died.stdout))
    assert (second["id"], second["count"]) == (first["id"], first["count"])


def test_dropped_events_count_with_what_the_own_process_drops(
    ingest: FakeIngest, make_client: MakeClient, tmp_path: Path
) -> None:
    """While there is no room for a gap, which has to wait."""
    spool = tmp_path / "spool"
    limits = {"spool_max_bytes": 128 * 1024, "segment_bytes": 64 * 1024}
    left = SpoolDirectory(spool, "/portal").create(1, 1 << 20)
    left.store_dropped({"full": 3})
    left.release()
    (spool / "0-other-1.seg").write_bytes(b"x" * 120 * 1024)
    client = make_client(spool=spool, adopt_seconds=0.05, **limits)
    record(client, 1)
    (spool / "0-other-1.seg").unlink()
    ingest.wait_for_gaps(1)
    assert sum(gap["count"] for gap in ingest.gaps) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "Unmapped"},
        {"name": "two words"},
        {"name": "ann@example.org"},
        {"name": ""},
        {"count": 0},
        {"count": True},
        {"time": datetime(2026, 3, 2)},  # noqa: DTZ001 - that is what is wrong
        {"id": "13800138000"},
        {"controller": "A"},
    ],
)
def test_a_wrong_field_is_an_error_that_quotes_nothing(wrong: dict[str, Any]) -> None:
    """As for events, and only raised if the application wants that."""
    fields: dict[str, Any] = {"kind": "unmapped_dataset", "name": "cards", **wrong}
    with pytest.raises(EventError) as error:
        encode_gap(**fields)
    assert "ann@" not in str(error.value)
    sink = MemorySink()
    settings = ClientSettings(source="/portal", ingest_url="http://localhost", key="k")
    client = Client(settings, sink)
    kind, name = fields.pop("kind"), fields.pop("name")
    assert client.record_gap(kind, name, **fields) is None
    assert (sink.gaps, client.stats().invalid) == ([], 1)


def test_a_full_spool_takes_no_gap(tmp_path: Path) -> None:
    """Whether that is an error is the application's choice."""
    for when_full in ("drop", "raise"):
        settings = ClientSettings(
            source="/portal",
            ingest_url="http://127.0.0.1:9",
            key="k",
            spool=tmp_path / when_full,
            when_full=when_full,
            exit_timeout_seconds=0.0,
        )
        sink = SpoolSink(settings)
        client = Client(settings, sink)

        def refuse(*_: object) -> None:
            reason = "full"
            raise NotRecordedError(reason, "the spool is full")

        sink.append_gap = refuse  # type: ignore[method-assign]
        if when_full == "raise":
            with pytest.raises(NotRecordedError):
                client.record_gap("unmapped_dataset", "cards")
        else:
            assert client.record_gap("unmapped_dataset", "cards") is None


def test_records_of_a_later_version_are_sent_as_events() -> None:
    """Ingest refuses them, so they are kept for a person to look at instead of being lost."""
    records = [Record(7, 0, b"{}"), Record(GAP, 0, b"[]")]
    parts = PendingBatch(records).parts
    assert [(part.kind, part.payloads) for part in parts] == [
        (GAP, [b"[]"]),
        (EVENT, [b"{}"]),
    ]


@pytest.mark.parametrize("name", ["public.members", "-x", "", "näme", "x" * 300])
def test_gaps_of_integrations_are_reported(name: str) -> None:
    """With a name that ingest takes, whatever the table or host is called."""
    sink = MemorySink()
    client = Client(ClientSettings(source="/portal", on_error="raise"), sink)
    with using(client):
        count_gap("sqlalchemy", GapKind.UNRESOLVED_SUBJECT, name, 3)
    [gap] = sink.gaps
    found = SubmittedGap.model_validate(gap)
    assert (found.kind, found.count) == (ContractKind.UNRESOLVED_SUBJECT, 3)


def test_kinds_are_those_of_the_contract() -> None:
    """The client does not import the contract, so it has a list of its own."""
    assert {str(kind) for kind in GapKind} | {DROPPED} <= {str(kind) for kind in ContractKind}
