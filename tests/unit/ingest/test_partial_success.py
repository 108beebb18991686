"""Partial success: a batch with `Prefer: handling=lenient`."""

from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import pytest

from purposewatch_contract import CanonicalEvent
from purposewatch_ingest.http.cloudevents.partial_success import MAX_FAULTS_PER_EVENT
from purposewatch_runtime.metrics import MetricSet
from tests.unit.ingest.conftest import BATCHED, STRUCTURED, FakeProducer, post, problem

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]

LENIENT = {"Prefer": "handling=lenient"}


async def test_valid_events_are_published_and_the_others_are_named(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent, metric_set: MetricSet
) -> None:
    """Those without a valid id are named as well: by their index."""
    batch = [
        event(id="e-0"),
        event({"purpose": "nothing"}, id="e-1"),
        event(id="12345678"),
        7,
        event(id="e-4", source="/billing"),
        event(id="e-5"),
    ]
    response = await post(client, batch, BATCHED, **LENIENT)
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "handling=lenient"
    answer = response.json()
    assert (answer["accepted"], answer["refused"]) == (2, 4)
    assert [(each["index"], each["field"], each["error_class"]) for each in answer["errors"]] == [
        (1, "/data/purpose", "unknown_term"),
        (2, "/id", "invalid_event"),
        (3, "", "invalid_event"),
        (4, "/source", "forbidden"),
    ]
    published = [CanonicalEvent.model_validate_json(each.value or b"") for each in producer.records]
    assert [each.id for each in published] == ["e-0", "e-5"]
    value = metric_set.registry.get_sample_value
    labels = {"publisher": "crm", "transport": "http"}
    assert value("purposewatch_ingest_events_accepted_total", labels) == 2
    labels["error_class"] = "invalid_event"
    assert value("purposewatch_ingest_events_refused_total", labels) == 2


async def test_every_refused_event_is_named_and_the_answer_is_bounded(
    client: httpx.AsyncClient, event: MakeEvent
) -> None:
    """More events than a problem names are refused, each with more faults than are told."""
    faulty = event(dict.fromkeys(("role", "purpose", "recipient", "operation", "source"), "x"))
    response = await post(client, [event(), *[faulty] * 999], BATCHED, **LENIENT)
    answer = response.json()
    assert (answer["accepted"], answer["refused"]) == (1, 999)
    indexes = [each["index"] for each in answer["errors"]]
    assert indexes == sorted([*range(1, 1_000)] * MAX_FAULTS_PER_EVENT)


async def test_nothing_accepted_is_a_problem(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent
) -> None:
    """A request of which nothing is accepted must not look like a success."""
    refused = [event({"role": "x"}), event({"role": "y"})]
    problem(await post(client, refused, BATCHED, **LENIENT), 422, "invalid-event")
    problem(await post(client, event({"role": "x"}), STRUCTURED, **LENIENT), 422, "invalid-event")
    problem(await post(client, b"[{]", BATCHED, **LENIENT), 400, "not-json")
    assert producer.records == []


async def test_events_that_kafka_does_not_acknowledge_are_not_accepted(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent
) -> None:
    """Then the whole request is to be sent again."""
    producer.error = TimeoutError()
    response = await post(client, [event(), 7], BATCHED, **LENIENT)
    problem(response, 503, "kafka-unavailable")


@pytest.mark.parametrize(
    ("prefer", "lenient"),
    [
        ("handling=lenient", True),
        ('respond-async, Handling = "lenient" ;x=1', True),
        ("handling=strict, handling=lenient", False),
        ("lenient", False),
        ("", False),
    ],
)
async def test_preference_is_read_as_the_rfc_says(
    *, client: httpx.AsyncClient, event: MakeEvent, prefer: str, lenient: bool
) -> None:
    """Names in any case, values quoted or not, the first one counts; the default is strict."""
    response = await post(client, [event(), 7], BATCHED, Prefer=prefer)
    assert response.status_code == (202 if lenient else 422)
