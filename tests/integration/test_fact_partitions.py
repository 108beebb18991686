"""A subject's facts lie in the partition of its events, on every broker."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_contract import EVENTS, FACTS, topic_name
from purposewatch_ingest.admission import Admitted, AdmittedFact
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.pseudonyms.derived import DerivedPseudonyms, Pseudonymiser
from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, KeyRing
from purposewatch_ingest.publishers import PublisherRegister
from purposewatch_runtime.kafka import AcknowledgedProducer, TopicProvisioner
from purposewatch_runtime.metrics import MetricSet
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings

SUBJECTS = 40
FACTS_EACH = 3


def ingest_of(settings: KafkaSettings) -> Ingest:
    """As much of ingest as publishing takes."""
    return Ingest(
        decisions=lambda: pytest.fail("nothing is decided"),
        register=lambda: PublisherRegister([]),
        pseudonyms=DerivedPseudonyms(lambda: KeyRing({ALL_OTHERS: []})),
        max_future=timedelta(),
        max_fact_future=timedelta(),
        clock=lambda: datetime.now(UTC),
        events_topic=topic_name(settings.topic_prefix, EVENTS),
        facts_topic=topic_name(settings.topic_prefix, FACTS),
        partitions=settings.topic_partitions,
        metric_set=MetricSet("ingest", version="0"),
    )


def admitted(ingest: Ingest, number: int) -> list[Admitted]:
    """An event and some facts of one subject."""
    subject = Pseudonymiser(b"k" * 32, "1")("wework-labs", f"subject-{number}")
    key = subject.encode()
    facts = [
        AdmittedFact("crm", subject, key + b"/wework-labs/consent/%d/x" % each, b"{}", None)
        for each in range(FACTS_EACH)
    ]
    return [Admitted("crm", subject, key, b"{}", None), *facts]


async def partitions_by_subject(settings: KafkaSettings, expected: int) -> dict[Any, set[int]]:
    """In which partitions of the two topics each subject was found."""
    topics = [topic_name(settings.topic_prefix, name) for name in (EVENTS, FACTS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: dict[Any, set[int]] = defaultdict(set)
    try:
        consumer.assign(
            [TopicPartition(t, p) for t in topics for p in range(settings.topic_partitions)]
        )
        async with asyncio.timeout(30):
            for _ in range(expected):
                record = await consumer.getone()
                subject, _, _ = record.key.decode().partition("/")
                found[subject].add(record.partition)
    finally:
        await consumer.stop()
    return found


@pytest.mark.parametrize("partitions", [1, 5, 12])
async def test_facts_are_in_the_partition_of_the_subjects_events(
    broker: RunningBroker, topic_prefix: str, partitions: int
) -> None:
    """Although their keys are longer; alone and in batches, whatever the number of partitions."""
    settings = kafka_settings(broker, topic_prefix).model_copy(
        update={"topic_partitions": partitions}
    )
    await TopicProvisioner(settings, (EVENTS, FACTS), client_id="test").start()
    ingest, producer = ingest_of(settings), AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    try:
        for joins in (True, False):
            await producer.publish(
                [
                    ingest.outgoing(each, joins=joins)
                    for number in range(SUBJECTS)
                    for each in admitted(ingest, number)
                ]
            )
    finally:
        await producer.stop()
    found = await partitions_by_subject(settings, 2 * SUBJECTS * (1 + FACTS_EACH))
    assert len(found) == SUBJECTS
    assert {len(where) for where in found.values()} == {1}
    assert len(set.union(*found.values())) > partitions // 2
