"""`purposewatch dead-letters` on real brokers: nothing is lost, and nothing altered."""

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from purposewatch_contract import DEAD_LETTERS, EVENTS, RAW, REPLAY_HEADER, VERDICTS
from purposewatch_runtime.kafka import TopicProvisioner, build_producer
from tests.harness.broker import RunningBroker
from tests.harness.command import Ended, run_command
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.scrape import get
from tests.harness.service import ServiceProcess
from tests.integration.test_auditor import Topics, event

Headers = list[tuple[str, bytes | None]]
STRANGE: list[tuple[bytes | None, bytes | None, Headers]] = [
    (b"tombstone", None, []),
    (b"", b"", [("empty", b""), ("null", None)]),
    (b"\xff", b"\x00\xff\xfe", [("trace", b"\xff\xfe"), ("twice", b"1"), ("twice", b"2")]),
    (b"someone@example.org", b"no json", [("", b"unnamed"), ("ключ", b"name")]),
    (None, b'{"subject_id":"someone@example.org"}', [("content-type", b"text/plain")]),
]


@pytest.fixture
async def topics(broker: RunningBroker, topic_prefix: str) -> Topics:
    """Provisioned topics under the test's own prefix."""
    settings = kafka_settings(broker, topic_prefix)
    names = (RAW, EVENTS, VERDICTS, DEAD_LETTERS)
    await TopicProvisioner(settings, names, client_id="test").start()
    return Topics(settings)


@pytest.fixture
def environment(broker: RunningBroker, topic_prefix: str, tmp_path: Path) -> dict[str, str]:
    """What services and commands are told."""
    register = tmp_path / "publishers.yaml"
    register.write_text("publishers: {}\n", encoding="utf-8")
    return {
        **service_environment(broker, topic_prefix),
        "PURPOSEWATCH_PUBLISHERS_FILE": str(register),
        "PURPOSEWATCH_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}",
    }


async def command(
    environment: Mapping[str, str], *arguments: str, module: str = "purposewatch_cli"
) -> Ended:
    """Run `purposewatch dead-letters …` as its user does."""
    told = {"PATH": "", "COLUMNS": "200", "USER": "on-call", **environment}
    return await run_command("dead-letters", *arguments, env=told, module=module)


async def publish_strange(topics: Topics) -> None:
    """Put the strange records into partition 0 of the raw topic."""
    producer = build_producer(topics.settings, client_id="test")
    await producer.start()
    for key, value, headers in STRANGE:
        await producer.send_and_wait(
            topics.name(RAW), value, key=key, partition=0, headers=list(headers)
        )
    await producer.stop()


async def records_of(topics: Topics, short: Any, count: int) -> list[ConsumerRecord[Any, Any]]:
    """All records of a topic, once there are so many."""
    async with topics.reading(short) as more, asyncio.timeout(60):
        while len(records := await more()) < count:
            pass
        return list(records)


def content(record: ConsumerRecord[Any, Any]) -> tuple[bytes | None, bytes | None, Headers]:
    """What a publisher chose of a record, without the mark of a replay."""
    headers = [header for header in record.headers if header[0] != REPLAY_HEADER]
    return record.key, record.value, headers


async def test_replayed_records_are_the_same_to_the_byte(
    topics: Topics, environment: dict[str, str]
) -> None:
    """Null or empty, text or not: keys, values and headers come back as they were, and marked."""
    await publish_strange(topics)
    async with ServiceProcess("purposewatch_ingest", environment) as ingest:
        await records_of(topics, DEAD_LETTERS, len(STRANGE))
        assert await ingest.terminate() == 0

    listed = await command(environment, "list", "--json", "--topic", "raw")
    rehearsed = await command(environment, "replay", "--everything", "--dry-run")
    replayed = await command(environment, "replay", "--everything", "--json")

    assert [listed.status, rehearsed.status, replayed.status] == [0, 0, 0]
    assert {line["position"]["offset"] for line in listed.lines} == set(range(len(STRANGE)))
    raw = await records_of(topics, RAW, 2 * len(STRANGE))
    assert len(raw) == 2 * len(STRANGE), "the dry run has produced something"
    assert [content(record) for record in raw[len(STRANGE) :]] == STRANGE
    places = [dict(record.headers)[REPLAY_HEADER] for record in raw[len(STRANGE) :]]
    assert places == [b"0/%d" % offset for offset in range(len(STRANGE))]
    assert [line["result"]["offset"] for line in replayed.lines] == list(range(5, 10))


async def test_done_letters_are_noticed(topics: Topics, environment: dict[str, str]) -> None:
    """A replayed or dropped letter is hidden, shows who did it, and is not dealt with twice."""
    await publish_strange(topics)
    async with ServiceProcess("purposewatch_ingest", environment) as ingest:
        await records_of(topics, DEAD_LETTERS, len(STRANGE))
        assert await ingest.terminate() == 0

    first = await command(environment, "replay", "0/0", "--author", "Ann")
    dropped = await command(environment, "drop", "0/1", "--reason", "a test", "--author", "Ann")
    second = await command(environment, "replay", "0/0", "0/2")
    capped = await command(environment, "replay", "--everything", "--max", "2")
    left = await command(environment, "list", "--json")
    every = await command(environment, "list", "--json", "--all")

    assert [first.status, dropped.status, second.status, capped.status] == [0, 0, 2, 0]
    assert "already dealt with: 0/0 (replayed)" in second.errors
    assert "2 replayed; 1 more are open" in capped.errors
    assert [line["letter"] for line in left.lines] == ["0/4"]
    acts = {line["letter"]: line["disposition"] for line in every.lines}
    assert {place: act and act["act"] for place, act in acts.items()} == {
        "0/0": "replayed",
        "0/1": "dropped",
        "0/2": "replayed",
        "0/3": "replayed",
        "0/4": None,
    }
    assert (acts["0/1"]["author"], acts["0/1"]["reason"]) == ("Ann", "a test")


async def test_payload_is_shown_only_when_asked_for(
    topics: Topics, environment: dict[str, str]
) -> None:
    """Neither key nor value nor a header's value is printed without `--payload`."""
    await publish_strange(topics)
    async with ServiceProcess("purposewatch_ingest", environment) as ingest:
        await records_of(topics, DEAD_LETTERS, len(STRANGE))
        assert await ingest.terminate() == 0

    quiet = [
        await command(environment, "list"),
        await command(environment, "show", "0/3"),
        await command(environment, "show", "0/3", "--json"),
    ]
    loud = await command(environment, "show", "0/3", "--payload")
    as_json = await command(environment, "show", "0/2", "--payload", "--json")
    missing = await command(environment, "show", "2/99")

    for ended in quiet:
        assert ended.status == 0
        assert "someone@example.org" not in ended.output + ended.errors
    assert "not_json" in quiet[1].output
    assert "someone@example.org" in loud.output
    [letter] = as_json.lines
    assert base64.b64decode(letter["value"]) == STRANGE[2][1]
    assert (missing.status, "no dead letter at 2/99" in missing.errors) == (2, True)


async def test_killed_before_the_disposition_the_dead_letter_stays_open(
    topics: Topics, environment: dict[str, str]
) -> None:
    """Between the record and its mark a kill costs no letter: it can be replayed once more."""
    await publish_strange(topics)
    async with ServiceProcess("purposewatch_ingest", environment) as ingest:
        await records_of(topics, DEAD_LETTERS, len(STRANGE))
        assert await ingest.terminate() == 0

    killed = await command(
        environment, "replay", "--everything", module="tests.integration.dying_replay"
    )
    after = await command(environment, "list", "--json")
    again = await command(environment, "replay", "--everything")

    assert killed.status == -9
    assert len(after.lines) == len(STRANGE)
    assert again.status == 0
    raw = await records_of(topics, RAW, 2 * len(STRANGE) + 1)
    assert [content(record) for record in raw[len(STRANGE) :]] == [STRANGE[0], *STRANGE]


async def test_what_cannot_be_replayed(topics: Topics, environment: dict[str, str]) -> None:
    """A letter without its record stays, ends the run, or becomes a new letter, as asked."""
    letter: dict[str, Any] = {
        "position": {"topic": topics.name(RAW), "partition": 1, "offset": 7},
        "timestamp": "2026-03-02T08:15:00Z",
        "key": None,
        "value": None,
        "headers": [],
        "consumer": "ingest",
        "error_class": "too_large",
        "reason": "too large to be kept here",
        "policy_version": None,
        "failed_time": "2026-03-02T08:15:01Z",
    }
    good = {**letter, "value": "eA==", "error_class": "not_json"}
    producer = build_producer(topics.settings, client_id="test")
    await producer.start()
    for one in (letter, good, {"no": "letter"}):
        value = json.dumps(one).encode()
        await producer.send_and_wait(topics.name(DEAD_LETTERS), value, partition=1)
    await producer.stop()

    stopped = await command(environment, "replay", "--everything", "--stop-on-error")
    rest = await command(environment, "replay", "--everything")
    reinserted = await command(environment, "replay", "--everything", "--reinsert")
    listed = await command(environment, "list", "--json")

    assert [stopped.status, rest.status, reinserted.status] == [1, 1, 1]
    assert "1 not replayed" in stopped.errors
    assert "1 record of" in stopped.errors
    assert "1 replayed" in rest.errors
    assert "1 reinserted" in reinserted.errors
    [fresh] = listed.lines
    assert fresh["letter"] == "1/3"
    assert fresh["position"] == letter["position"]
    assert fresh["reason"].startswith("not replayed: it was too large to be kept; the original")


async def test_the_ledger_is_reconciled_after_a_replay(
    topics: Topics, environment: dict[str, str]
) -> None:
    """A replayed event gets an offset of its own, and every offset is accounted for."""
    await topics.publish([*(event(n) for n in range(6)), b"no event"])
    async with (
        ServiceProcess("purposewatch_auditor", environment),
        ServiceProcess("purposewatch_reporter", environment) as reporter,
    ):
        await reporter.wait_ready()
        await records_of(topics, DEAD_LETTERS, 1)
        replayed = await command(environment, "replay", "0/0")
        await records_of(topics, DEAD_LETTERS, 2)
        async with asyncio.timeout(30):
            while True:
                ledger = (await get(reporter, "/api/v1/ledger")).json()
                if accounted(ledger) == (8, 6, 2, 0):
                    break
                await asyncio.sleep(0.2)

    assert replayed.status == 0


def accounted(ledger: dict[str, Any]) -> tuple[int, int, int, int]:
    """Events, verdicts, dead letters and what is unaccounted, over all partitions."""
    rows = ledger.get("partitions", [])

    def total(name: str) -> int:
        return sum(row[name] or 0 for row in rows)

    return total("events"), total("verdicts"), total("dead_letters"), total("unaccounted")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay",), "name letters or give a filter"),
        (("replay", "x"), "`x` is not a dead letter"),
        (("replay", "0/1", "--topic", "raw"), "not both"),
        (("list", "--since", "yesterday"), "`yesterday` is not a time"),
        (("drop", "0/1", "--reason", " "), "`--reason` is empty"),
        (("show", "0/1"), "no Kafka answers at"),
    ],
    ids=["nothing", "place", "both", "time", "reason", "away"],
)
async def test_unusable_commands_say_what_to_do(arguments: tuple[str, ...], words: str) -> None:
    """Whatever is wrong with a command ends it with status 2 and one sentence."""
    ended = await command({"PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, *arguments)

    assert ended.status == 2
    assert words in ended.errors
    assert "Traceback" not in ended.errors
