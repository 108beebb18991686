"""The raw topic's handler."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from aiokafka import ConsumerRecord
from structlog.testing import capture_logs

from purposewatch_contract import CanonicalEvent, DeadLetter, ErrorClass
from purposewatch_ingest import raw
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.raw import RawTopicHandler
from purposewatch_runtime.kafka import (
    DeadLetterLimit,
    DeadLetterPolicy,
    Record,
    RejectedRecord,
    StopConsumingError,
)
from tests.unit.conftest import SUBJECT_ID
from tests.unit.ingest.conftest import FakeProducer

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]
TOPIC = "data-access.raw"


def record(
    value: bytes | None,
    offset: int = 0,
    *,
    headers: tuple[tuple[str, bytes | None], ...] = (),
    partition: int = 2,
    timestamp: int = 1_772_000_000_000,
    key: bytes | None = b"key",
) -> Record:
    """A record of the raw topic."""
    made: Record = ConsumerRecord(
        topic=TOPIC,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=headers,
    )
    return made


@pytest.fixture
def handler(ingest: Ingest, producer: FakeProducer) -> RawTopicHandler:
    """A handler that stops after three bad records in a row."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_consecutive=3, max_ratio=1.0, window=100))
    return RawTopicHandler(
        ingest,
        producer,  # type: ignore[arg-type]
        limit,
        dead_letters_topic="data-access.dead-letters",
    )


async def dead_letter(handler: RawTopicHandler, producer: FakeProducer, bad: Record) -> DeadLetter:
    """The one dead letter that a record becomes."""
    await handler.handle([bad])
    [outgoing] = producer.records
    assert (outgoing.topic, outgoing.partition) == ("data-access.dead-letters", bad.partition)
    return DeadLetter.model_validate_json(outgoing.value)


async def test_record_becomes_a_canonical_event(
    handler: RawTopicHandler, producer: FakeProducer, event: MakeEvent
) -> None:
    """A good record is published under its pseudonym, with its origin and trace."""
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    headers = (("content-type", b"application/cloudevents+json"), ("traceparent", trace.encode()))
    await handler.handle([record(json.dumps(event()).encode(), 7, headers=headers)])
    [outgoing] = producer.records
    canonical = CanonicalEvent.model_validate_json(outgoing.value)
    assert outgoing.topic == "data-access.events"
    assert outgoing.key == canonical.data.subject.encode()
    assert canonical.origin == f"{TOPIC}/2/7"
    assert trace == canonical.traceparent
    assert outgoing.headers == (
        ("content-type", b"application/cloudevents+json"),
        ("traceparent", trace.encode()),
    )


async def test_count_is_admitted_or_dead_lettered(
    handler: RawTopicHandler, producer: FakeProducer, event: MakeEvent
) -> None:
    """As over HTTP."""
    values = [json.dumps(event({"count": count})).encode() for count in (250, 0)]
    await handler.handle([record(value, offset) for offset, value in enumerate(values)])
    counted, refused = producer.records
    assert CanonicalEvent.model_validate_json(counted.value).data.count == 250
    letter = DeadLetter.model_validate_json(refused.value)
    assert letter.error_class is ErrorClass.INVALID_EVENT
    assert "`/data/count`" in letter.reason


async def test_binary_mode_gives_the_same_event(
    handler: RawTopicHandler, producer: FakeProducer, event: MakeEvent
) -> None:
    """Binary and structured mode lead to the same canonical event."""
    document = event()
    headers = (
        ("content-type", b"application/json"),
        *((f"ce_{name}", value.encode()) for name, value in event().items() if name != "data"),
    )
    await handler.handle(
        [
            record(json.dumps(document).encode()),
            record(json.dumps(document["data"]).encode(), headers=headers),
            record(json.dumps(document).encode(), headers=(("Content-Type", b"application/json"),)),
        ]
    )
    assert len({outgoing.value for outgoing in producer.records}) == 1


class TestPaused:
    """Records of a paused publisher."""

    @pytest.fixture
    def publisher(self) -> Publisher:
        """A paused publisher."""
        return Publisher("crm", frozenset({"wework-labs"}), paused="it sends test data")

    async def test_become_dead_letters_and_stop_nothing(
        self,
        handler: RawTopicHandler,
        producer: FakeProducer,
        event: MakeEvent,
        ingest: Ingest,
    ) -> None:
        """However many there are, other publishers' records are handled; all can be replayed."""
        paused = json.dumps(event()).encode()
        other = json.dumps(event(source="/quiet")).encode()
        await handler.handle([*[record(paused, n) for n in range(20)], record(other, 20)])
        *letters, accepted = producer.records
        assert accepted.topic == "data-access.events"
        for outgoing in letters:
            letter = DeadLetter.model_validate_json(outgoing.value)
            assert (letter.error_class, letter.value) == (ErrorClass.PAUSED, paused)
            assert letter.reason.endswith("it sends test data")
        labels = {"publisher": "crm", "transport": "kafka", "error_class": "paused"}
        name = "purposewatch_ingest_events_refused_total"
        assert ingest.metric_set.registry.get_sample_value(name, labels) == 20


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (None, ErrorClass.EMPTY),
        (b"", ErrorClass.EMPTY),
        (b"not json", ErrorClass.NOT_JSON),
        (b"\xff\xfe", ErrorClass.NOT_JSON),
        (b"[" * 100_000, ErrorClass.NOT_JSON),
        (b"{}", ErrorClass.INVALID_EVENT),
        (b"[]", ErrorClass.INVALID_EVENT),
    ],
)
async def test_bad_record_is_kept_whole(
    handler: RawTopicHandler, producer: FakeProducer, value: bytes | None, error_class: ErrorClass
) -> None:
    """A dead letter keeps bytes, key, headers, position and timestamp of its record."""
    headers = (("x", b"\xff\x00"), ("x", None), ("\u540d", b"1"))
    letter = await dead_letter(handler, producer, record(value, 9, headers=headers))
    assert error_class is letter.error_class
    assert value == letter.value
    assert letter.key == b"key"
    assert headers == tuple((header.name, header.value) for header in letter.headers)
    assert (
        letter.position.topic,
        letter.position.partition,
        letter.position.offset,
    ) == (TOPIC, 2, 9)
    assert letter.timestamp.timestamp() * 1000 == 1_772_000_000_000
    assert letter.consumer == "ingest"


@pytest.mark.parametrize(
    ("change", "error_class"),
    [
        ({"source": "/billing/x"}, ErrorClass.UNKNOWN_PUBLISHER),
        ({"data": {"controller": "linggan-house"}}, ErrorClass.FORBIDDEN),
        ({"data": {"controller": "nobody"}}, ErrorClass.UNKNOWN_CONTROLLER),
        ({"data": {"purpose": "marketin"}}, ErrorClass.UNKNOWN_TERM),
        ({"data": {"role": None}}, ErrorClass.INVALID_EVENT),
        ({"data": {"email": "ann@example.org"}}, ErrorClass.INVALID_EVENT),
        ({"time": "2036-03-02T08:15:00Z"}, ErrorClass.IMPLAUSIBLE_TIME),
    ],
)
async def test_refused_event_says_why_and_nothing_personal(
    handler: RawTopicHandler,
    producer: FakeProducer,
    event: MakeEvent,
    change: dict[str, Any],
    error_class: ErrorClass,
) -> None:
    """The reason and the logs name the fault, never the subject or a value."""
    with capture_logs() as logs:
        letter = await dead_letter(handler, producer, record(json.dumps(event(**change)).encode()))
    assert error_class is letter.error_class
    for text in (letter.reason, json.dumps(logs)):
        assert SUBJECT_ID not in text
        assert "ann@example.org" not in text
        assert base64.b64encode(SUBJECT_ID.encode()).decode() not in text


async def test_dead_letters_are_logged_once_per_batch_and_class(
    ingest: Ingest, producer: FakeProducer, event: MakeEvent
) -> None:
    """A batch has one log line for each error class: how many, and the first of them."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_consecutive=100, max_ratio=1.0, window=100))
    handler = RawTopicHandler(ingest, producer, limit, dead_letters_topic="dead-letters")  # type: ignore[arg-type]
    good = json.dumps(event()).encode()
    values = [good, b"x", b"", b"y", good, b"z"]
    with capture_logs() as logs:
        await handler.handle([record(value, offset) for offset, value in enumerate(values)])
    assert [
        (each["error_class"], each["records"], each["first_offset"])
        for each in logs
        if each["event"] == "records dead-lettered"
    ] == [("not_json", 3, 1), ("empty", 1, 2)]


@pytest.mark.parametrize(
    "headers",
    [
        (("content-type", b"application/cloudevents-batch+json"),),
        (("content-type", b"text/plain; \xff"),),
        (("content-type", b"application/json"), ("ce_id", b"\xff")),
        (("content-type", b"application/json"), ("ce_id", b"1"), ("ce_id", b"1")),
    ],
)
async def test_faulty_headers_are_dead_lettered(
    handler: RawTopicHandler,
    producer: FakeProducer,
    event: MakeEvent,
    headers: tuple[tuple[str, bytes | None], ...],
) -> None:
    """An unsupported content type or unreadable attributes lose nothing."""
    letter = await dead_letter(
        handler, producer, record(json.dumps(event()).encode(), headers=headers)
    )
    assert letter.error_class is ErrorClass.INVALID_EVENT


async def test_defect_dead_letters_the_record(
    handler: RawTopicHandler,
    producer: FakeProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A defect of ingest neither blocks the partition nor loses the record, nor quotes it."""

    def fail(_: object) -> object:
        message = "Ann Smith"
        raise RuntimeError(message)

    monkeypatch.setattr(raw, "traceparent_of", fail)
    with capture_logs() as logs:
        letter = await dead_letter(handler, producer, record(b"{}"))
    assert letter.error_class is ErrorClass.INTERNAL
    assert "RuntimeError" in letter.reason
    assert "Ann" not in letter.reason + str(logs)


@pytest.mark.parametrize("timestamp", [-1, 0, 2**62])
async def test_absurd_timestamps_are_kept(
    handler: RawTopicHandler, producer: FakeProducer, timestamp: int
) -> None:
    """Kafka's timestamp is the producer's claim; any value of it can be kept."""
    letter = await dead_letter(handler, producer, record(b"x", timestamp=timestamp))
    assert letter.timestamp.tzinfo is not None


async def test_records_keep_their_order(
    handler: RawTopicHandler, producer: FakeProducer, event: MakeEvent
) -> None:
    """Events and dead letters are published in the order of their records."""
    good = json.dumps(event()).encode()
    await handler.handle([record(good, 0), record(b"x", 1), record(good, 2), record(b"y", 3)])
    order = [json.loads(outgoing.value) for outgoing in producer.records]
    assert [f"{TOPIC}/2/0", 1, f"{TOPIC}/2/2", 3] == [
        each["origin"] if "origin" in each else each["position"]["offset"] for each in order
    ]


async def test_too_many_bad_records_stop_before_publishing(
    handler: RawTopicHandler, producer: FakeProducer
) -> None:
    """Passing the limit stops the consumer with nothing of the batch published."""
    await handler.handle([record(b"x", 0), record(b"x", 1)])
    with pytest.raises(StopConsumingError, match="3 bad records in a row in partition 2"):
        await handler.handle([record(b"x", 2), record(b"x", 3)])
    assert len(producer.records) == 2


async def test_batch_that_is_tried_again_counts_once(
    handler: RawTopicHandler, producer: FakeProducer
) -> None:
    """While Kafka is not available, the same bad record does not use up the limit."""
    producer.error = ConnectionError("away")
    for _ in range(10):
        with pytest.raises(ConnectionError):
            await handler.handle([record(b"x")])
    producer.error = None
    await handler.handle([record(b"x")])
    assert len(producer.records) == 1


async def test_labels_stay_bounded(
    ingest: Ingest, producer: FakeProducer, handler: RawTopicHandler, event: MakeEvent
) -> None:
    """Thousands of publishers, purposes and controllers make no new label values."""
    bad = [
        record(json.dumps(event(source=f"/p{n}")).encode() if n % 2 else made.encode(), n)
        for n in range(3_000)
        for made in [json.dumps(event({"purpose": f"p{n}", "controller": f"c{n}"}))]
    ]
    handler._limit = DeadLetterLimit(DeadLetterPolicy(10_000, 1.0, 10_000))
    good = [record(json.dumps(event(id=f"e-{n}")).encode(), n) for n in range(10)]
    await handler.handle([*bad, *good])
    labels = {
        frozenset(sample.labels.items())
        for metric in ingest.metric_set.registry.collect()
        if metric.name.startswith(("purposewatch_ingest_events", "purposewatch_dead"))
        for sample in metric.samples
    }
    kafka = ("transport", "kafka")
    unknown = ("error_class", "unknown_publisher")
    expected = {
        frozenset({("publisher", "_unregistered"), kafka, unknown}),
        frozenset({("publisher", "crm"), kafka, ("error_class", "unknown_controller")}),
        frozenset({("publisher", "crm"), kafka}),
        frozenset({("topic", TOPIC), unknown}),
        frozenset({("topic", TOPIC), ("error_class", "unknown_controller")}),
    }
    assert expected == labels


async def test_rejected_record_is_dead_lettered_unread(
    handler: RawTopicHandler, producer: FakeProducer, event: MakeEvent
) -> None:
    """A record that crashed other processes becomes a dead letter, though it could be admitted."""
    good = record(json.dumps(event()).encode())
    unfit = RejectedRecord.of(good, ErrorClass.POISON, "three processes ended")
    unfit.raw = b"in the log"

    letter = await dead_letter(handler, producer, unfit)

    assert (letter.error_class, letter.reason) == (ErrorClass.POISON, "three processes ended")
    assert (letter.key, letter.value, letter.raw) == (good.key, good.value, b"in the log")


async def test_events_of_one_subject_go_to_one_partition(
    handler: RawTopicHandler, producer: FakeProducer, event: MakeEvent
) -> None:
    """Whatever they say; and those of many subjects to all partitions alike."""
    texts = [
        json.dumps(event({"subject_id": f"s-{number % 300}"}, id=f"e-{number}")).encode()
        for number in range(600)
    ]
    await handler.handle([record(text, offset) for offset, text in enumerate(texts)])
    places: dict[bytes | None, set[int | None]] = {}
    for outgoing in producer.records:
        places.setdefault(outgoing.key, set()).add(outgoing.partition)
    assert len(places) == 300
    assert {1} == {len(found) for found in places.values()}
    sizes = Counter(place for [place] in places.values())
    assert set(range(6)) == sizes.keys()
    assert min(sizes.values()) > 20


async def test_event_of_a_cached_flow_is_published_like_the_first(
    handler: RawTopicHandler, producer: FakeProducer, event: MakeEvent
) -> None:
    """With the record's own origin and trace, and counted."""
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    headers = (("traceparent", trace.encode()),)
    text = json.dumps(event()).encode()
    await handler.handle([record(text, 7), record(text, 8, headers=headers)])
    first, second = (CanonicalEvent.model_validate_json(each.value) for each in producer.records)
    assert (f"{TOPIC}/2/8", trace) == (second.origin, second.traceparent)
    assert first.contentdigest == second.contentdigest
    assert first.data == second.data
