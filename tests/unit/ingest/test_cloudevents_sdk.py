"""Ingest takes what the official CloudEvents SDK writes, and writes what it reads."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import httpx
import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from purposewatch_contract import CanonicalEvent
from purposewatch_ingest.admission import AdmittedEvent
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.raw import admit_record
from tests.unit.ingest.conftest import BATCHED, FakeProducer
from tests.unit.ingest.test_raw import record

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
FORMAT = JSONFormat()
CONTENT_TYPES: list[dict[str, str]] = [{}, {"datacontenttype": "application/json"}]
"""An event may state the type of its data, which is JSON otherwise as well."""


@pytest.fixture(params=CONTENT_TYPES, ids=["untyped", "typed"])
def sdk_event(request: pytest.FixtureRequest, event: MakeEvent) -> CloudEvent:
    """The event, as the SDK holds it; its subject's identifier is not ASCII."""
    attributes = event(traceparent=TRACE) | request.param
    data = attributes.pop("data") | {"subject_id": "客户-4711 \N{ZERO WIDTH SPACE}ü"}
    attributes["time"] = datetime.fromisoformat(attributes["time"])
    return CloudEvent(attributes, data)


@pytest.fixture
def canonical(ingest: Ingest, sdk_event: CloudEvent) -> CanonicalEvent:
    """What becomes of the event in the plain notation of a structured record."""
    return _of_record(ingest, FORMAT.write(sdk_event), ())


def _of_record(
    ingest: Ingest, value: bytes, headers: tuple[tuple[str, bytes], ...]
) -> CanonicalEvent:
    admitted = admit_record(record(value, headers=headers), ingest.begin_batch())
    assert isinstance(admitted, AdmittedEvent)
    return CanonicalEvent.model_validate_json(admitted.value)


@pytest.mark.parametrize("write", [http.to_structured_event, http.to_binary_event])
async def test_a_request_of_the_sdk_is_accepted(
    client: httpx.AsyncClient,
    producer: FakeProducer,
    sdk_event: CloudEvent,
    canonical: CanonicalEvent,
    write: Callable[[CloudEvent], http.HTTPMessage],
) -> None:
    """In structured and in binary mode; both give the same event."""
    message = write(sdk_event)
    response = await client.post("/v1/events", content=message.body, headers=message.headers)
    assert response.json() == {"accepted": 1}
    [published] = producer.records
    found = CanonicalEvent.model_validate_json(published.value)
    assert found == canonical.model_copy(update={"origin": "http"})


async def test_a_batch_of_the_sdk_is_accepted(
    client: httpx.AsyncClient,
    producer: FakeProducer,
    sdk_event: CloudEvent,
    canonical: CanonicalEvent,
) -> None:
    """A JSON array of what its format writes; the SDK has no batches of its own."""
    text = FORMAT.write(sdk_event)
    response = await client.post(
        "/v1/events", content=b"[%b,%b]" % (text, text), headers={"content-type": BATCHED}
    )
    assert response.json() == {"accepted": 2}
    digests = [
        CanonicalEvent.model_validate_json(each.value).contentdigest for each in producer.records
    ]
    assert digests == [canonical.contentdigest] * 2


@pytest.mark.parametrize("write", [kafka.to_structured_event, kafka.to_binary_event])
def test_a_record_of_the_sdk_is_admitted(
    ingest: Ingest,
    sdk_event: CloudEvent,
    canonical: CanonicalEvent,
    write: Callable[[CloudEvent], kafka.KafkaMessage],
) -> None:
    """In structured and in binary mode; both give the same event."""
    message = write(sdk_event)
    assert _of_record(ingest, message.value, tuple(message.headers.items())) == canonical


async def test_the_sdk_reads_what_ingest_publishes(
    client: httpx.AsyncClient, producer: FakeProducer, sdk_event: CloudEvent
) -> None:
    """A canonical event is a CloudEvent in structured mode, with its extensions."""
    message = http.to_structured_event(sdk_event)
    await client.post("/v1/events", content=message.body, headers=message.headers)
    [published] = producer.records
    read = kafka.from_kafka_event(
        kafka.KafkaMessage(
            headers=dict(published.headers),
            key=published.key,
            value=published.value,
        )
    )
    assert (read.get_id(), read.get_source()) == (sdk_event.get_id(), sdk_event.get_source())
    assert read.get_time() == sdk_event.get_time()
    assert read.get_extension("publisher") == "crm"
    data = read.get_data()
    assert isinstance(data, dict)
    assert data["role"] == "member"
