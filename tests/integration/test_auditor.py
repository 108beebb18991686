"""The auditor as a process on a real broker: every event gets its verdict, whatever happens."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    EXAMPLE_DIR,
    VERDICTS,
    DeadLetter,
    ErrorClass,
    Verdict,
    topic_name,
)
from purposewatch_runtime.kafka import TopicProvisioner, build_producer
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.scrape import get, metric
from tests.harness.service import ServiceProcess

PARTITIONS = 3
POLICIES = Path(__file__).parents[2] / "policies"
EXAMPLE = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
PERMITTED: dict[str, Any] = {
    "operation": "use",
    "purpose": "essential.service.notifications",
    "recipient": "first_party",
}


def event(number: int, **data: object) -> bytes:
    """A canonical event, by default one that the policy permits."""
    return json.dumps(
        {**EXAMPLE, "id": f"e-{number}", "data": {**EXAMPLE["data"], **PERMITTED, **data}}
    ).encode()


class Topics:
    """What a test puts into the events topic and what comes out of the others."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings

    def name(self, short: Any) -> str:
        """Full name of a topic."""
        return topic_name(self.settings.topic_prefix, short)

    async def publish(self, values: list[bytes | None]) -> None:
        """Put records into the events topic, dealt out over the partitions."""
        producer = build_producer(self.settings, client_id="test")
        await producer.start()
        try:
            sent = [
                await producer.send(
                    self.name(EVENTS), value, key=b"psn:1:00", partition=number % PARTITIONS
                )
                for number, value in enumerate(values)
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    @asynccontextmanager
    async def reading(self, short: Any) -> AsyncIterator[Callable[[], Any]]:
        """A function that returns all records of a topic seen so far, in order per partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=10,
        )
        positions = [TopicPartition(self.name(short), number) for number in range(PARTITIONS)]
        consumer.assign(positions)
        await consumer.start()
        seen: list[Any] = []

        async def more() -> list[Any]:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                seen.extend(records)
            return seen

        try:
            yield more
        finally:
            await consumer.stop()

    async def is_empty(self, short: Any) -> bool:
        """Whether no partition of a topic has a record; exact once its producer has ended."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap_servers)
        await consumer.start()
        try:
            partitions = [TopicPartition(self.name(short), number) for number in range(PARTITIONS)]
            return not any((await consumer.end_offsets(partitions)).values())
        finally:
            await consumer.stop()

    async def verdicts(self, complete: Callable[[list[Verdict]], bool]) -> list[Verdict]:
        """All verdicts, once there are as many as wanted; each must be in its event's partition."""
        async with self.reading(VERDICTS) as more, asyncio.timeout(60):
            while True:
                records = await more()
                verdicts = [Verdict.model_validate_json(record.value) for record in records]
                if complete(verdicts):
                    assert [record.partition for record in records] == [
                        verdict.position.partition for verdict in verdicts
                    ]
                    return verdicts


def judged(verdicts: list[Verdict]) -> set[tuple[int, int]]:
    """The positions that have a verdict."""
    return {(verdict.position.partition, verdict.position.offset) for verdict in verdicts}


def has_judged(count: int, verdicts: list[Verdict]) -> bool:
    """Whether so many different positions have a verdict."""
    return len(judged(verdicts)) >= count


def all_positions(count: int) -> set[tuple[int, int]]:
    """The positions of `count` records dealt out evenly."""
    return {(partition, o) for partition in range(PARTITIONS) for o in range(count // PARTITIONS)}


@pytest.fixture
async def topics(broker: RunningBroker, topic_prefix: str) -> Topics:
    """Provisioned topics under the test's own prefix."""
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (EVENTS, VERDICTS, DEAD_LETTERS), client_id="test").start()
    return Topics(settings)


@pytest.fixture
def environment(broker: RunningBroker, topic_prefix: str) -> dict[str, str]:
    """The environment of the auditor's process."""
    return {
        **service_environment(broker, topic_prefix),
        "PURPOSEWATCH_POLICIES_RELOAD_SECONDS": "0.1",
        "PURPOSEWATCH_KAFKA_MAX_BATCH_RECORDS": "100",
    }


async def test_verdicts_in_order_in_the_partition_of_their_events(
    topics: Topics, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each partition's verdicts are in the order of its events, with the right outcome."""
    sharing = {"operation": "share", "recipient": "third_party.advertising"}
    await topics.publish([event(n, **(sharing if n % 10 == 0 else {})) for n in range(900)])

    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        verdicts = await topics.verdicts(lambda seen: len(seen) >= 900)
        violations = await metric(
            auditor, "purposewatch_verdicts_total", {"kind": "undeclared_third_party_sharing"}
        )
        assert await auditor.terminate() == 0

    for partition in range(PARTITIONS):
        offsets = [v.position.offset for v in verdicts if v.position.partition == partition]
        assert offsets == list(range(300))
    outcomes = {int(verdict.event_id[2:]): verdict.outcome for verdict in verdicts}
    assert outcomes == {n: "violation" if n % 10 == 0 else "permitted" for n in range(900)}
    assert violations == 90


async def test_bad_records_become_dead_letters_and_the_rest_goes_on(
    topics: Topics, environment: dict[str, str], tmp_path: Path
) -> None:
    """What can't be read is kept byte for byte beside the verdicts of its neighbours."""
    bad: list[bytes | None] = [None, b"\xff", b"{}", b"[" * 100_000, event(4, email="x")]
    await topics.publish([event(0), *bad, event(6)])

    async with (
        ServiceProcess("purposewatch_auditor", environment),
        topics.reading(DEAD_LETTERS) as more,
        asyncio.timeout(60),
    ):
        verdicts = await topics.verdicts(lambda seen: len(seen) == 2)
        while len(records := await more()) < 5:
            pass
        letters = [DeadLetter.model_validate_json(record.value) for record in records]

    assert {verdict.event_id for verdict in verdicts} == {"e-0", "e-6"}
    assert {(one.position.partition, one.position.offset): one.value for one in letters} == {
        (1, 0): None,
        (2, 0): b"\xff",
        (0, 1): b"{}",
        (1, 1): b"[" * 100_000,
        (2, 1): event(4, email="x"),
    }
    assert {letter.error_class for letter in letters} == {
        ErrorClass.EMPTY,
        ErrorClass.NOT_JSON,
        ErrorClass.INVALID_EVENT,
    }


async def test_killed_at_any_moment_it_loses_nothing(
    topics: Topics, environment: dict[str, str], tmp_path: Path
) -> None:
    """After several SIGKILLs in the middle of the work every event has a verdict all the same."""
    count = 9_000
    await topics.publish([event(n) for n in range(count)])

    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        for enough in (900, 3_600, 6_300):
            await topics.verdicts(partial(has_judged, enough))
            auditor.kill()
            auditor.start()
        verdicts = await topics.verdicts(partial(has_judged, count))

    assert judged(verdicts) == all_positions(count)
    by_position: dict[tuple[int, int], set[str]] = {}
    for verdict in verdicts:
        position = (verdict.position.partition, verdict.position.offset)
        by_position.setdefault(position, set()).add(f"{verdict.event_id} {verdict.outcome}")
    assert {len(results) for results in by_position.values()} == {1}


async def test_policies_are_reloaded_and_bad_files_are_not(
    topics: Topics, environment: dict[str, str], tmp_path: Path
) -> None:
    """A good change counts for later events; a faulty one is reported and changes nothing."""
    policies = tmp_path / "policies"
    shutil.copytree(POLICIES, policies)
    environment["PURPOSEWATCH_POLICIES_DIR"] = str(policies)
    [path] = (policies / "wework-labs").glob("policy*.yaml")
    text = path.read_text(encoding="utf-8")

    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        await auditor.wait_ready()
        await topics.publish([event(0)])
        before = await topics.verdicts(lambda seen: len(seen) == 1)

        path.write_text(text.replace("statements:", "statments:"), encoding="utf-8")
        async with asyncio.timeout(20):
            while not await metric(auditor, "purposewatch_policy_reload_failed"):
                await asyncio.sleep(0.05)
        await topics.publish([event(1)])
        during = await topics.verdicts(lambda seen: len(seen) == 2)
        assert "statments" in auditor.logs

        changed = text.replace('version: "2018-05-25"', 'version: "changed"')
        path.write_text(changed, encoding="utf-8")
        async with asyncio.timeout(20):
            while await metric(auditor, "purposewatch_policy_reload_failed"):
                await asyncio.sleep(0.05)
        await topics.publish([event(2)])
        after = await topics.verdicts(lambda seen: len(seen) == 3)

    versions = {v.event_id: v.policy.version for v in [*before, *during, *after] if v.policy}
    assert versions == {"e-0": "2018-05-25", "e-1": "2018-05-25", "e-2": "changed"}


async def test_too_many_bad_records_stop_it(
    topics: Topics, environment: dict[str, str], tmp_path: Path
) -> None:
    """Past the limit it stops, turns unready, says why, and keeps its place for later."""
    environment["PURPOSEWATCH_DEAD_LETTER_MAX_CONSECUTIVE"] = "5"
    await topics.publish([b"no event"] * 60)

    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        async with asyncio.timeout(30):
            while "bad records in a row" not in auditor.logs:
                await asyncio.sleep(0.1)
        answer = await get(auditor, "/readyz")
        stopped = await metric(auditor, "purposewatch_consumer_stopped")
        assert await auditor.terminate() == 0

    assert (answer.status_code, stopped) == (503, 1)
    assert "5 bad records in a row" in answer.json()["checks"]["consumer"]["detail"]
    assert await topics.is_empty(DEAD_LETTERS)


async def test_faulty_policies_at_start_end_it_with_the_reason(
    broker: RunningBroker, environment: dict[str, str], tmp_path: Path
) -> None:
    """A process that has no good policy to begin with ends with status 1 and names the fault."""
    policies = tmp_path / "policies"
    shutil.copytree(POLICIES, policies)
    (policies / "wework-labs" / "vocabulary.yaml").write_text("roles: [", encoding="utf-8")
    environment["PURPOSEWATCH_POLICIES_DIR"] = str(policies)

    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        assert await auditor.wait_ended() == 1
        assert "wework-labs/vocabulary.yaml:2: not valid YAML" in auditor.logs


@pytest.mark.apache_kafka
async def test_broker_that_dies_and_returns(
    kafka_to_crash: Any, topic_prefix: str, tmp_path: Path
) -> None:
    """While Kafka is down the auditor is unready; once it is back, all events get verdicts."""
    broker = RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka")
    topics = Topics(kafka_settings(broker, topic_prefix))
    await TopicProvisioner(
        topics.settings, (EVENTS, VERDICTS, DEAD_LETTERS), client_id="test"
    ).start()
    environment = {
        **service_environment(broker, topic_prefix),
        "PURPOSEWATCH_KAFKA_MAX_BATCH_RECORDS": "50",
    }
    await topics.publish([event(n) for n in range(3_000)])

    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        await topics.verdicts(lambda seen: len(seen) >= 300)
        kafka_to_crash.kill(0)
        async with asyncio.timeout(40):
            while (await get(auditor, "/readyz")).status_code == 200:
                await asyncio.sleep(0.2)
        await kafka_to_crash.restart(0)
        verdicts = await topics.verdicts(partial(has_judged, 3_000))
        await auditor.wait_ready()

    assert judged(verdicts) == all_positions(3_000)
