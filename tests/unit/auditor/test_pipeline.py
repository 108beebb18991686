"""What the auditor's handler hands to the producer, and when it stops."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka import ConsumerRecord
from structlog.testing import capture_logs

from purposewatch_auditor.audit import Decider, decider_for
from purposewatch_auditor.pipeline import AuditPipeline
from purposewatch_auditor.publishers import load_publisher_names
from purposewatch_contract import EXAMPLE_DIR, ErrorClass
from purposewatch_policy import InvalidSourceError, load_policies
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    DeadLetterLimit,
    DeadLetterPolicy,
    OutgoingRecord,
    Record,
    RejectedRecord,
    StopConsumingError,
)
from purposewatch_runtime.service import FileReloader

if TYPE_CHECKING:
    from purposewatch_auditor.facts import FactsLedger

POLICIES = Path(__file__).parents[3] / "policies"
PUBLISHER = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())["publisher"]
NO_FACTS = cast("FactsLedger", object())
"""No event of these tests depends on facts, so nothing asks for them."""


class Published:
    """Stands for the producer: keeps what it is given, or fails."""

    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []
        self.error: Exception | None = None

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Keep the records."""
        if self.error is not None:
            raise self.error
        self.records.extend(records)


@pytest.fixture(scope="module")
def decider() -> Decider:
    """Decides by the policies that ship with the project."""
    return decider_for(load_policies(POLICIES))


@pytest.fixture
def published() -> Published:
    """What has been published so far."""
    return Published()


@pytest.fixture
def metric_set() -> m.MetricSet:
    """The auditor's metrics."""
    return m.MetricSet("auditor", version="0")


@pytest.fixture
def pipeline(decider: Decider, published: Published, metric_set: m.MetricSet) -> AuditPipeline:
    """A handler that accepts three bad records in a row, but not four."""
    return AuditPipeline(
        decider=lambda: decider,
        facts=NO_FACTS,
        producer=cast("AcknowledgedProducer", published),
        limit=DeadLetterLimit(DeadLetterPolicy(max_consecutive=4, max_ratio=1, window=1000)),
        verdicts_topic="verdicts",
        dead_letters_topic="dead-letters",
        metric_set=metric_set,
        clock=lambda: datetime(2026, 3, 2, 9, tzinfo=UTC),
    )


def record(partition: int, offset: int, value: bytes) -> Record:
    """A record of the events topic."""
    return ConsumerRecord(
        topic="events",
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=b"psn",
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )


def event(**data: object) -> bytes:
    """A canonical event with changes in its data."""
    example: dict[str, Any] = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text())
    return json.dumps({**example, "data": {**example["data"], **data}}).encode()


async def test_one_record_out_for_each_in_same_partition_and_order(
    pipeline: AuditPipeline, published: Published
) -> None:
    """Verdicts and dead letters go out in order, to the partition number they came from."""
    await pipeline.handle(
        [record(5, 7, event()), record(5, 8, b"bad"), record(2, 0, event()), record(5, 9, event())]
    )

    assert [(each.topic, each.partition) for each in published.records] == [
        ("verdicts", 5),
        ("dead-letters", 5),
        ("verdicts", 2),
        ("verdicts", 5),
    ]
    offsets = [json.loads(each.value)["position"]["offset"] for each in published.records]
    assert offsets == [7, 8, 0, 9]


async def test_an_event_that_was_refused_is_dead_lettered_unread(
    pipeline: AuditPipeline, published: Published
) -> None:
    """So a forged event gets no verdict, and is accounted for."""
    forged = RejectedRecord.of(
        record(5, 7, event()), ErrorClass.SUSPECT, "the record is not signed"
    )
    await pipeline.handle([forged])
    [sent] = published.records
    letter = json.loads(sent.value)
    assert (sent.topic, letter["error_class"]) == ("dead-letters", "suspect")
    assert letter["reason"] == "the record is not signed"


async def test_dead_letters_are_logged_once_per_batch_and_class(pipeline: AuditPipeline) -> None:
    """A batch has one log line for each error class, with a count."""
    with capture_logs() as logs:
        await pipeline.handle([record(5, 7, b"bad"), record(5, 8, b"bad"), record(2, 0, event())])

    [line] = [each for each in logs if each["event"] == "records dead-lettered"]
    assert (line["records"], line["first_partition"], line["first_offset"]) == (2, 5, 7)


async def test_limit_stops_before_anything_of_the_batch_is_published(
    pipeline: AuditPipeline, published: Published
) -> None:
    """Nothing of the batch that exceeds the limit is published."""
    with pytest.raises(StopConsumingError, match="4 bad records in a row in partition 0"):
        await pipeline.handle([record(0, number, b"bad") for number in range(4)])

    assert published.records == []


async def test_attempts_at_one_batch_count_once(
    pipeline: AuditPipeline, published: Published
) -> None:
    """A batch that is retried because Kafka was not available does not use up the limit."""
    batch = [record(0, number, b"bad") for number in range(3)]
    published.error = ConnectionError()
    for _ in range(5):
        with pytest.raises(ConnectionError):
            await pipeline.handle(batch)
    published.error = None

    await pipeline.handle(batch)

    assert len(published.records) == 3


async def test_labels_stay_bounded(
    pipeline: AuditPipeline, published: Published, metric_set: m.MetricSet
) -> None:
    """Thousands of invented controllers and purposes add one label value, not thousands."""
    await pipeline.handle(
        [
            record(0, number, event(controller=f"invented-{number}", purpose=f"p{number}"))
            for number in range(2_000)
        ]
    )

    [family] = [
        each for each in metric_set.registry.collect() if each.name == "purposewatch_verdicts"
    ]
    labels = {sample.labels["controller"] for sample in family.samples}
    assert labels == {"_unjudged"}
    assert len(published.records) == 2_000


def unregistered(metric_set: m.MetricSet) -> float | None:
    """How many events of unregistered publishers were counted."""
    return metric_set.registry.get_sample_value(m.UNREGISTERED_EVENTS.exported_name)


async def test_events_of_unregistered_publishers_are_judged_and_counted(
    decider: Decider, published: Published, metric_set: m.MetricSet, tmp_path: Path
) -> None:
    """Of a publisher that was registered a moment ago, none is counted."""
    register = tmp_path / "publishers.yaml"
    register.write_text("publishers: {shop: {controllers: [wework-labs]}}")
    pipeline = AuditPipeline(
        decider=lambda: decider,
        facts=NO_FACTS,
        producer=cast("AcknowledgedProducer", published),
        limit=DeadLetterLimit(DeadLetterPolicy(max_consecutive=4, max_ratio=1, window=1000)),
        verdicts_topic="verdicts",
        dead_letters_topic="dead-letters",
        metric_set=metric_set,
        clock=lambda: datetime(2026, 3, 2, 9, tzinfo=UTC),
        publishers=FileReloader(
            register, load_publisher_names, interval=3600, on_result=lambda _: None
        ),
    )
    batch = [record(0, offset, event()) for offset in range(3)]
    assert unregistered(metric_set) == 0

    with capture_logs() as logs:
        await pipeline.handle([*batch, record(0, 3, b"bad")])

    assert unregistered(metric_set) == 3
    [line] = [line for line in logs if "not registered" in line["event"]]
    assert (line["events"], line["publishers"]) == (3, [PUBLISHER])
    assert [each.topic for each in published.records].count("verdicts") == 3

    register.write_text(f"publishers: {{shop: {{}}, {PUBLISHER}: {{}}}}")
    await pipeline.handle(batch)
    assert unregistered(metric_set) == 3


async def test_without_a_register_publishers_are_not_checked(
    pipeline: AuditPipeline, metric_set: m.MetricSet
) -> None:
    """The setting is optional."""
    await pipeline.handle([record(0, 0, event())])
    assert unregistered(metric_set) == 0


def test_a_faulty_register_is_refused(tmp_path: Path) -> None:
    """Only its names are read: ingest says what is wrong with the rest."""
    register = tmp_path / "publishers.yaml"
    register.write_text("publishers: {crm: {key_sha256: [not-a-digest]}}")
    assert load_publisher_names(register) == {"crm"}
    for text in ("publishers: [crm]", "names: {}", "{"):
        register.write_text(text)
        with pytest.raises(InvalidSourceError):
            load_publisher_names(register)
