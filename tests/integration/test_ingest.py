"""Ingest as a process, on a real broker: nothing acknowledged is lost, nothing personal shows."""

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from purposewatch_contract import CanonicalEvent, DeadLetter, ErrorClass
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord
from tests.harness.apache_kafka import ApacheKafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.service import ServiceProcess

KEY = "pwk_a-key-for-tests"
SECOND_KEY = "pwk_the-next-key-for-tests"
SUBJECT_ID = "customer-4711-integration"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
PARTITIONS = 3


def make_event(number: int = 0, **data: Any) -> dict[str, Any]:
    """An event of publisher `crm`; each number has its own id and subject."""
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "/crm",
        "type": "purposewatch.data_access.v1",
        "time": datetime.now(UTC).isoformat(),
        "data": {
            "controller": "wework-labs",
            "role": "member",
            "operation": "use",
            "purpose": "service",
            "recipient": "first_party",
            "data_categories": ["user"],
            "subject_id": f"{SUBJECT_ID}-{number}",
            **data,
        },
    }


POLICY = """
controller: wework-labs
version: "1"
in_force_from: 2026-01-01T00:00:00Z
sections: {members: {en: Members}}
statements:
  - id: members.service
    clause: members.1
    effect: permit
    roles: [member]
    data_categories: [user]
    operations: [use]
    purposes: [service]
"""


def register(*keys: str) -> str:
    """A register of publishers with one publisher."""
    digests = ", ".join(sha256(key.encode()).hexdigest() for key in keys)
    return f"publishers: {{crm: {{key_sha256: [{digests}], controllers: [wework-labs]}}}}\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with a register, a small vocabulary and a policy."""
    (tmp_path / "publishers.yaml").write_text(register(KEY))
    home = tmp_path / "policies" / "wework-labs"
    home.mkdir(parents=True)
    (home / "policy.yaml").write_text(POLICY)
    (home / "vocabulary.yaml").write_text(
        "roles: {member: }\noperations: {use: }\npurposes: {service: }\ndata_categories: {user: }\n"
    )
    return tmp_path


@pytest.fixture
def ingest_environment(files: Path) -> Callable[[RunningBroker, str], dict[str, str]]:
    """Make the variables of ingest on a broker."""

    def make(broker: RunningBroker, topic_prefix: str) -> dict[str, str]:
        return {
            **service_environment(broker, topic_prefix),
            "PURPOSEWATCH_PUBLISHERS_FILE": str(files / "publishers.yaml"),
            "PURPOSEWATCH_POLICIES_DIR": str(files / "policies"),
            "PURPOSEWATCH_POLICIES_RELOAD_SECONDS": "0.1",
            "PURPOSEWATCH_KAFKA_MAX_BATCH_RECORDS": "50",
            "PURPOSEWATCH_INGEST_ACKNOWLEDGE_TIMEOUT_SECONDS": "2",
        }

    return make


@pytest.fixture
async def ingest(
    ingest_environment: Callable[[RunningBroker, str], dict[str, str]],
    broker: RunningBroker,
    topic_prefix: str,
) -> AsyncIterator[ServiceProcess]:
    """A running ingest service that is ready."""
    async with ServiceProcess(
        "purposewatch_ingest", ingest_environment(broker, topic_prefix)
    ) as process:
        await process.wait_ready()
        yield process


async def publish(
    ingest: ServiceProcess, *events: dict[str, Any], key: str = KEY
) -> httpx.Response:
    """Publish one event, or several as a batch."""
    content, content_type = (events[0], STRUCTURED) if len(events) == 1 else (events, BATCHED)
    async with httpx.AsyncClient(base_url=ingest.base_url, timeout=30) as client:
        return await client.post(
            "/v1/events",
            content=json.dumps(content),
            headers={"content-type": content_type, "authorization": f"Bearer {key}"},
        )


async def published_at_last(ingest: ServiceProcess, *events: dict[str, Any]) -> None:
    """Publish as a well-behaved publisher does: again after a 503."""
    for _ in range(40):
        response = await publish(ingest, *events)
        if response.status_code == 202:
            return
        assert response.status_code == 503
        await asyncio.sleep(0.5)
    message = f"never accepted: {response.text}\n{ingest.logs}"
    raise AssertionError(message)


async def read(
    broker: RunningBroker,
    topic: str,
    enough: Callable[[Sequence[ConsumerRecord[bytes, bytes]]], bool],
) -> list[ConsumerRecord[bytes, bytes]]:
    """The records of a topic from its beginning, until there are enough."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
    )
    consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    await consumer.start()
    records: list[ConsumerRecord[bytes, bytes]] = []
    try:
        async with asyncio.timeout(30):
            while not enough(records):
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    records.extend(batch)
    finally:
        await consumer.stop()
    return records


def at_least(count: int) -> Callable[[Sequence[Any]], bool]:
    """Enough is this many."""
    return lambda records: len(records) >= count


def holds_ids(ids: set[str]) -> Callable[[Sequence[Any]], bool]:
    """Enough is when every id is there."""
    return lambda records: ids <= {json.loads(record.value)["id"] for record in records}


@asynccontextmanager
async def raw_publisher(
    broker: RunningBroker, topic_prefix: str
) -> AsyncIterator[AcknowledgedProducer]:
    """A platform service that publishes straight to Kafka."""
    producer = AcknowledgedProducer(kafka_settings(broker, topic_prefix), client_id="crm")
    await producer.start()
    yield producer
    await producer.stop()


def assert_nothing_personal(*texts: str | bytes) -> None:
    """No text holds the subject's identifier, in clear or in base64 of any alignment."""
    for text in texts:
        content = text.encode() if isinstance(text, str) else text
        assert SUBJECT_ID.encode() not in content
        for shift in range(3):
            hidden = base64.b64encode(b" " * shift + SUBJECT_ID.encode())[4:-4]
            assert hidden not in content


async def test_accepted_events_are_in_kafka(
    ingest: ServiceProcess, broker: RunningBroker, topic_prefix: str
) -> None:
    """What was answered with 202 is there, canonical and pseudonymous, with its key."""
    events = [make_event(number) for number in range(500)]
    response = await publish(ingest, *events)
    assert (response.status_code, response.json()) == (202, {"accepted": 500})
    records = await read(broker, f"{topic_prefix}.events", at_least(500))
    assert len(records) == 500
    for record in records:
        canonical = CanonicalEvent.model_validate_json(record.value)
        assert canonical.data.subject.encode() == record.key
        assert ("content-type", STRUCTURED.encode()) in record.headers
        assert_nothing_personal(record.value, record.key)
    assert len({record.partition for record in records}) == PARTITIONS
    async with httpx.AsyncClient(base_url=ingest.base_url) as client:
        metrics = (await client.get("/metrics")).text
    accepted = 'purposewatch_ingest_events_accepted_total{publisher="crm",transport="http"} 500.0'
    assert accepted in metrics
    assert_nothing_personal(metrics, ingest.logs)
    assert await ingest.terminate() == 0
    assert KEY not in ingest.logs


async def test_raw_records_become_events_or_dead_letters(
    ingest: ServiceProcess, broker: RunningBroker, topic_prefix: str
) -> None:
    """Every record of the raw topic is accounted for, once, whatever is in it."""
    raw = f"{topic_prefix}.raw"
    bad: list[tuple[bytes | None, ErrorClass]] = [
        (None, ErrorClass.EMPTY),
        (b"\xff\xfe", ErrorClass.NOT_JSON),
        (b"[" * 100_000, ErrorClass.NOT_JSON),
        (json.dumps(make_event(email="ann@example.org")).encode(), ErrorClass.INVALID_EVENT),
        (json.dumps(make_event(purpose="servce")).encode(), ErrorClass.UNKNOWN_TERM),
        (
            json.dumps({**make_event(), "source": "/nobody"}).encode(),
            ErrorClass.UNKNOWN_PUBLISHER,
        ),
    ]
    good = [
        OutgoingRecord(raw, json.dumps(make_event(number)).encode(), partition=number % PARTITIONS)
        for number in range(200)
    ]
    poisoned = OutgoingRecord(
        raw, good[0].value, partition=0, headers=(("x", b"\xff"), ("reply_to", b"elsewhere"))
    )
    async with raw_publisher(broker, topic_prefix) as producer:
        await producer.publish(good[:100])
        for number, (value, _) in enumerate(bad):
            # the null value goes around OutgoingRecord, which is for what services publish
            await producer.publish(
                [OutgoingRecord(raw, value, key=b"k", partition=number % PARTITIONS)]  # type: ignore[arg-type]
            )
        await producer.publish([poisoned, *good[100:]])
    events = await read(broker, f"{topic_prefix}.events", at_least(201))
    letters = await read(broker, f"{topic_prefix}.dead-letters", at_least(len(bad)))
    assert (201, len(bad)) == (len(events), len(letters))
    origins = {json.loads(record.value)["origin"] for record in events}
    assert len(origins) == 201
    for record in letters:
        letter = DeadLetter.model_validate_json(record.value)
        assert letter.position.partition == record.partition
        assert (letter.value, letter.error_class) in bad
        assert_nothing_personal(letter.reason)
    assert_nothing_personal(ingest.logs, *(record.value for record in events))
    assert "ann@example.org" not in ingest.logs


async def test_crash_loses_nothing(
    ingest: ServiceProcess, broker: RunningBroker, topic_prefix: str
) -> None:
    """After SIGKILL in the middle of the raw topic every record has become its event."""
    total = 5_000
    ids = {f"e-{number}" for number in range(total)}
    records = [
        OutgoingRecord(
            f"{topic_prefix}.raw",
            json.dumps(make_event(number)).encode(),
            partition=number % PARTITIONS,
        )
        for number in range(total)
    ]
    async with raw_publisher(broker, topic_prefix) as producer:
        publishing = asyncio.create_task(producer.publish(records))
        before = await read(broker, f"{topic_prefix}.events", at_least(200))
        ingest.kill()
        await publishing
    assert len(before) < total, "it was killed too late to tell anything"
    ingest.start()
    events = await read(broker, f"{topic_prefix}.events", holds_ids(ids))
    contents: dict[str, set[str]] = {}
    for record in events:
        event = json.loads(record.value)
        contents.setdefault(event["id"], set()).add(event["contentdigest"])
    assert ids == set(contents)
    assert {1} == {len(digests) for digests in contents.values()}
    await ingest.wait_ready()


async def test_sigterm_finishes_requests_in_flight(
    ingest: ServiceProcess, broker: RunningBroker, topic_prefix: str
) -> None:
    """A request that is under way at SIGTERM is answered, and what it brought is in Kafka."""
    body = json.dumps(make_event(1)).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: ingest\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: {STRUCTURED}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(head + body[:10])
    await writer.drain()
    await asyncio.sleep(0.3)
    ingest.signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    writer.write(body[10:])
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 202")
    assert await ingest.wait_ended() == 0
    [record] = await read(broker, f"{topic_prefix}.events", at_least(1))
    assert json.loads(record.value)["id"] == "e-1"


async def test_10_mb_are_refused_over_a_real_connection(ingest: ServiceProcess) -> None:
    """A large body is answered, and ingest goes on."""
    async with httpx.AsyncClient(base_url=ingest.base_url) as client:
        headers = {"content-type": STRUCTURED, "authorization": f"Bearer {KEY}"}

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(160):
                yield b" " * 65_536

        for content in (b" " * 10_485_760, chunks()):
            response = await client.post("/v1/events", content=content, headers=headers)
            assert response.status_code == 413
    assert (await publish(ingest, make_event())).status_code == 202


async def test_register_is_reloaded(ingest: ServiceProcess, files: Path) -> None:
    """A key can be replaced without a restart; a faulty register keeps the last good one."""
    path = files / "publishers.yaml"
    assert (await publish(ingest, make_event(), key=SECOND_KEY)).status_code == 401

    async def until(key: str, status: int) -> None:
        async with asyncio.timeout(5):
            while (await publish(ingest, make_event(), key=key)).status_code != status:
                await asyncio.sleep(0.05)

    path.write_text(register(KEY, SECOND_KEY))
    await until(SECOND_KEY, 202)
    path.write_text("publishers: nonsense")
    async with asyncio.timeout(5):
        while "reload failed" not in ingest.logs:
            await asyncio.sleep(0.05)
    assert (await publish(ingest, make_event(), key=KEY)).status_code == 202
    path.write_text(register(SECOND_KEY))
    await until(KEY, 401)


async def test_silent_kafka_is_a_503_until_it_answers_again(
    ingest_environment: Callable[[RunningBroker, str], dict[str, str]], topic_prefix: str
) -> None:
    """While the broker hangs, publishers are asked to retry; then ingest goes on."""
    async with EmbeddedBroker() as embedded:
        broker = RunningBroker(embedded.bootstrap_servers, "embedded")
        process = ServiceProcess("purposewatch_ingest", ingest_environment(broker, topic_prefix))
        async with process as ingest:
            await ingest.wait_ready()
            await published_at_last(ingest, make_event(0))
            embedded_process = embedded._process
            assert embedded_process is not None
            embedded_process.send_signal(signal.SIGSTOP)
            response = await publish(ingest, make_event(1))
            embedded_process.send_signal(signal.SIGCONT)
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            await published_at_last(ingest, make_event(1))
            await read(broker, f"{topic_prefix}.events", holds_ids({"e-0", "e-1"}))
            await ingest.wait_ready()
            assert_nothing_personal(ingest.logs)


@pytest.mark.apache_kafka
async def test_kafka_crashes_are_survived(
    ingest_environment: Callable[[RunningBroker, str], dict[str, str]],
    kafka_to_crash: ApacheKafka,
    topic_prefix: str,
) -> None:
    """Ingest starts without Kafka and survives its crashes; what it accepted is there."""
    broker = RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka")
    kafka_to_crash.kill()
    process = ServiceProcess("purposewatch_ingest", ingest_environment(broker, topic_prefix))
    async with process as ingest:
        await ingest.wait_ready("/livez")
        await ingest.wait_ready("/readyz", 503)
        for number in range(0, 20, 10):
            response = await publish(ingest, make_event(number))
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            await kafka_to_crash.restart()
            await published_at_last(ingest, *(make_event(number + n) for n in range(10)))
            await ingest.wait_ready()
            kafka_to_crash.kill()
        await kafka_to_crash.restart()
        ids = {f"e-{number}" for number in range(20)}
        await read(broker, f"{topic_prefix}.events", holds_ids(ids))
        assert_nothing_personal(ingest.logs)


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"PURPOSEWATCH_PSEUDONYM_KEY": "short"}, 2, "openssl rand -hex 32"),
        ({"PURPOSEWATCH_PUBLISHERS_FILE": "/nowhere.yaml"}, 1, "/nowhere.yaml"),
        ({"PURPOSEWATCH_POLICIES_DIR": "/nowhere"}, 1, "/nowhere"),
    ],
)
async def test_faulty_settings_are_said_at_start(
    ingest_environment: Callable[[RunningBroker, str], dict[str, str]],
    topic_prefix: str,
    change: dict[str, str],
    status: int,
    message: str,
) -> None:
    """Ingest that can't run says why and exits, before it connects to anything."""
    broker = RunningBroker("127.0.0.1:1", "embedded")
    env = {**ingest_environment(broker, topic_prefix), **change}
    async with ServiceProcess("purposewatch_ingest", env) as ingest:
        assert await ingest.wait_ended() == status
        assert message in ingest.logs
