"""The auditor decides by what was stated, on real brokers, whatever is killed, lost or replaced."""

import asyncio
import contextlib
import random
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    FACTS,
    VERDICTS,
    TopicName,
    Verdict,
    topic_name,
)
from purposewatch_contract.codec import FastFactCodec, fact_key
from purposewatch_runtime.kafka import TopicProvisioner, build_producer
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.facts import advertising, policies_with_ledger, pseudonym, statement
from tests.harness.scrape import get, metric
from tests.harness.service import ServiceProcess

PARTITIONS = 3
TOPICS: tuple[TopicName, ...] = (EVENTS, VERDICTS, DEAD_LETTERS, FACTS)
Expected = dict[str, tuple[str, str | None]]


class Traffic:
    """States facts, publishes events, and knows what the verdict about each event must be.

    Its time advances by an hour with each of them.
    """

    def __init__(self, prefix: str, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._prefix = prefix
        self._producer = producer
        self._consumer = consumer
        self._number = 0
        self._consented: dict[int, tuple[bool, str]] = {}
        self.expected: Expected = {}
        """Of each event: the outcome, and the statement that decided."""

    def _topic(self, name: TopicName) -> str:
        return topic_name(self._prefix, name)

    async def state(self, subject: int, *, value: bool) -> None:
        """State whether a subject consents from now on; return once that is acknowledged."""
        self._number += 1
        name = f"s-{self._number}"
        fact = statement(
            subject=subject, value=value, since=self._number, stated=self._number, name=name
        )
        await self._producer.send_and_wait(
            self._topic(FACTS),
            FastFactCodec.encode(fact),
            key=fact_key(fact),
            partition=subject % PARTITIONS,
        )
        self._consented[subject] = (value, name)

    async def access(self, subject: int) -> None:
        """Publish an event of now that claims consent; return once it is acknowledged."""
        self._number += 1
        value, name = self._consented.get(subject, (False, None))
        self.expected[f"e-{self._number}"] = ("permitted" if value else "violation", name)
        await self._producer.send_and_wait(
            self._topic(EVENTS),
            advertising(number=self._number, subject=subject, hour=self._number),
            key=pseudonym(subject).encode(),
            partition=subject % PARTITIONS,
        )

    async def race(self, subjects: Iterable[int], *, times: int = 1) -> None:
        """Change what each subject has said, and at once publish an event about it."""

        async def change(subject: int) -> None:
            for _ in range(times):
                value, _ = self._consented.get(subject, (False, ""))
                await self.state(subject, value=not value)
                await self.access(subject)

        await asyncio.gather(*[change(subject) for subject in subjects])

    async def found(self) -> Expected:
        """What the verdicts say, once there is one about every event; all must agree."""
        found: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
        partitions = [TopicPartition(self._topic(VERDICTS), p) for p in range(PARTITIONS)]
        self._consumer.assign(partitions)
        for each in partitions:
            self._consumer.seek(each, 0)
        async with asyncio.timeout(60):
            while len(found) < len(self.expected):
                for records in (await self._consumer.getmany(timeout_ms=50)).values():
                    for record in records:
                        verdict = Verdict.model_validate_json(record.value)
                        [finding] = verdict.facts
                        found[verdict.event_id].add((verdict.outcome, finding.statement))
        assert {len(each) for each in found.values()} <= {1}, "a repeated verdict is another one"
        return {name: each.pop() for name, each in found.items()}


@asynccontextmanager
async def traffic_on(broker: RunningBroker, prefix: str) -> AsyncIterator[Traffic]:
    """Traffic on topics of its own."""
    settings = kafka_settings(broker, prefix)
    await TopicProvisioner(settings, TOPICS, client_id="test").start()
    producer = build_producer(settings, client_id="test")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers, fetch_max_wait_ms=10, enable_auto_commit=False
    )
    await producer.start()
    await consumer.start()
    try:
        yield Traffic(prefix, producer, consumer)
    finally:
        await consumer.stop()
        await producer.stop()


@pytest.fixture(scope="session")
def ledger_policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Policies in which consent is a fact of the ledger."""
    return policies_with_ledger(tmp_path_factory.mktemp("ledger") / "policies")


@pytest.fixture
def environment(broker: RunningBroker, topic_prefix: str, ledger_policies: Path) -> dict[str, str]:
    """An auditor's, with small batches."""
    return service_environment(
        broker,
        topic_prefix,
        policies_dir=ledger_policies,
        kafka_max_batch_records=20,
        kafka_poison_max_crashes=1_000,
    )


async def test_every_fact_acknowledged_before_an_event_is_considered(
    broker: RunningBroker, topic_prefix: str, environment: dict[str, str]
) -> None:
    """Hundreds of races between a statement and an event about the same subject."""
    async with (
        traffic_on(broker, topic_prefix) as traffic,
        ServiceProcess("purposewatch_auditor", environment) as auditor,
    ):
        await traffic.access(7)
        await traffic.race(range(30), times=8)

        assert await traffic.found() == traffic.expected
        await auditor.wait_ready()
        assert "facts" in (await get(auditor, "/readyz")).json()["checks"]


@pytest.mark.apache_kafka
@pytest.mark.parametrize("broker", ["apache_kafka"], indirect=True)
async def test_killed_around_its_writes_it_decides_the_same(
    broker: RunningBroker, topic_prefix: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """A crash before or after the state's transaction loses no statement, and revives none."""
    enough = tmp_path / "enough"
    own = environment | {"DYING_UNTIL": str(enough)}
    async with (
        traffic_on(broker, topic_prefix) as traffic,
        ServiceProcess("tests.integration.dying_facts", own, service="auditor") as auditor,
    ):
        for _ in range(3):
            async with asyncio.timeout(30):
                while auditor.runs:
                    await traffic.race(range(6))
                    await asyncio.sleep(0.1)
            auditor.start()
        enough.touch()

        assert await traffic.found() == traffic.expected


@pytest.mark.apache_kafka
@pytest.mark.parametrize("broker", ["apache_kafka"], indirect=True)
async def test_auditors_that_swap_partitions_decide_the_same(
    broker: RunningBroker, topic_prefix: str, environment: dict[str, str]
) -> None:
    """One of two is killed, again and again, and once its volume is lost."""
    chance = random.Random(5)  # noqa: S311 - no secret
    async with (
        traffic_on(broker, topic_prefix) as traffic,
        ServiceProcess("purposewatch_auditor", environment) as first,
        ServiceProcess("purposewatch_auditor", environment) as second,
    ):
        await asyncio.gather(first.wait_ready(), second.wait_ready())
        for victim in (second, first):
            await traffic.race(range(20), times=2)
            victim.kill()
            if victim is second:
                shutil.rmtree(victim.facts_dir)
            await traffic.race(chance.sample(range(20), 10))
            victim.start()
            await victim.wait_ready()
            await traffic.race(range(20))

        assert await traffic.found() == traffic.expected


@pytest.mark.apache_kafka
async def test_a_recreated_topic_is_read_anew(
    kafka_to_crash: ApacheKafka, topic_prefix: str, ledger_policies: Path
) -> None:
    """What was stated in the topic before counts no more, whether the new one is longer or not."""
    broker = RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka")
    environment = service_environment(broker, topic_prefix, policies_dir=ledger_policies)
    async with (
        traffic_on(broker, topic_prefix) as traffic,
        ServiceProcess("purposewatch_auditor", environment) as auditor,
    ):
        await traffic.race(range(9), times=3)
        assert await traffic.found() == traffic.expected

        # shorter, while the auditor runs
        await _recreate(broker, topic_prefix)
        traffic._consented.clear()
        await traffic.access(0)
        await traffic.race([1, 2])
        assert await traffic.found() == traffic.expected

        # longer, while it does not
        await auditor.terminate()
        await _recreate(broker, topic_prefix)
        traffic._consented.clear()
        await traffic.race([3, 4, 5], times=11)
        await traffic.access(1)
        auditor.start()
        assert await traffic.found() == traffic.expected
        assert await metric(
            auditor, "purposewatch_facts_state_restarts_total", {"reason": "replaced"}
        )


async def _recreate(broker: RunningBroker, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([topic_name(prefix, FACTS)])
        while topic_name(prefix, FACTS) in await admin.list_topics():
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Exception):
                settings = kafka_settings(broker, prefix)
                return await TopicProvisioner(settings, (FACTS,), client_id="test").start()
            await asyncio.sleep(0.2)
