"""Ingest as a process on the embedded broker: every record of the raw topic becomes one message.

`python -m tests.fuzz` runs it with other records each time; each is an event or a fact under its
own origin, or a dead letter about its own position, and none is missing or there twice.
"""

import asyncio
import itertools
import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from purposewatch_contract import DeadLetter, ErrorClass
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_runtime.kafka import Record
from tests.fuzz.target import assert_silent
from tests.fuzz.targets.records import RAW, records_in
from tests.fuzz.targets.records import TARGETS as RECORDS
from tests.harness.broker import RunningBroker
from tests.harness.environment import service_environment
from tests.harness.service import ServiceProcess

PREFIX = "data-access"
PARTITIONS = 3
_PATIENCE_SECONDS = 300.0


def changed_records(count: int, seed: str) -> list[Record]:
    """So many records of the raw topic, valid ones among them."""
    [target] = [each for each in RECORDS if each.name == "records-raw"]
    inputs = itertools.chain(target.corpus(), target.inputs(seed))
    records = (record for data in inputs for record in records_in(data, RAW))
    return list(itertools.islice(records, count))


async def run(count: int, *, seed: str) -> Counter[str]:
    """Publish, and count what became of it. Raises what is wrong."""
    with TemporaryDirectory() as directory:
        path = _register(Path(directory))
        async with EmbeddedBroker() as embedded:
            broker = RunningBroker(embedded.bootstrap_servers, "embedded")
            environment = service_environment(
                broker,
                PREFIX,
                publishers_file=path,
                dead_letter_max_consecutive=10**9,
                dead_letter_max_ratio=1.0,
            )
            async with ServiceProcess("purposewatch_ingest", environment) as ingest:
                await ingest.wait_ready()
                await _publish(broker, changed_records(count, seed))
                became = await _became(broker, count)
                assert_silent(ingest.logs)
    return became


def _register(directory: Path) -> Path:
    """One publisher, the one that the records name."""
    path = directory / "publishers.yaml"
    crm = {"controllers": ["wework-labs"], "states_facts": ["*"]}
    digest = sha256(b"a key").hexdigest()
    path.write_text(json.dumps({"publishers": {"crm": {**crm, "key_sha256": [digest]}}}))
    return path


async def _publish(broker: RunningBroker, records: list[Record]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    await producer.start()
    try:
        for number, record in enumerate(records):
            await producer.send(
                RAW,
                record.value,
                # the client sends no record that has neither
                key=b"" if record.value is None and record.key is None else record.key,
                partition=number % PARTITIONS,
                headers=[(name, value or b"") for name, value in record.headers],
            )
        await producer.flush()
    finally:
        await producer.stop()


async def _became(broker: RunningBroker, count: int) -> Counter[str]:
    """Read until there are as many messages as records, and a little longer."""
    topics = [f"{PREFIX}.{name}" for name in ("events", "facts", "dead-letters")]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
    )
    consumer.assign([TopicPartition(topic, each) for topic in topics for each in range(PARTITIONS)])
    origins: Counter[str] = Counter()
    became: Counter[str] = Counter()
    await consumer.start()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            quiet = 0
            while origins.total() < count or quiet < 5:
                batches = await consumer.getmany(timeout_ms=100)
                quiet = 0 if batches else quiet + 1
                for partition, records in batches.items():
                    for record in records:
                        became[partition.topic.rpartition(".")[2]] += 1
                        origins[_origin(record)] += 1
    finally:
        await consumer.stop()
    assert len(origins) == count
    assert set(origins.values()) == {1}
    return became


def _origin(record: Record) -> str:
    if not record.topic.endswith("dead-letters"):
        assert_silent(record.value or b"")
        return str(json.loads(record.value or b"")["origin"])
    letter = DeadLetter.model_validate_json(record.value or b"")
    assert letter.error_class is not ErrorClass.INTERNAL
    assert_silent(letter.reason)
    return f"{letter.position.topic}/{letter.position.partition}/{letter.position.offset}"
