"""Publishers over their limits, and paused ones, over HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import httpx
import pytest

from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.publishers import Publisher, RateLimits
from purposewatch_runtime.metrics import MetricSet
from tests.unit.ingest.conftest import BATCHED, FakeProducer, post, problem

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]


class Clock:
    """A clock that the test sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now


@pytest.fixture
def clock(now: datetime) -> Clock:
    """The clock of ingest."""
    return Clock(now)


@pytest.fixture
def publisher(request: pytest.FixtureRequest) -> Publisher:
    """The publisher with what the test says of it."""
    return Publisher("crm", frozenset({"wework-labs"}), **request.param)


@pytest.fixture
def ingest(ingest: Ingest, clock: Clock) -> Ingest:
    """Ingest with that clock."""
    object.__setattr__(ingest, "clock", clock)
    return ingest


RATE = {"limits": RateLimits(events_per_second=10, burst=20)}


def refused(metric_set: MetricSet, reason: str) -> float | None:
    """How many of the publisher's requests were refused for that."""
    labels = {"publisher": "crm", "reason": reason}
    return metric_set.registry.get_sample_value(
        "purposewatch_ingest_requests_refused_total", labels
    )


@pytest.mark.parametrize("publisher", [RATE], indirect=True)
async def test_publisher_over_its_rate_waits(
    *,
    client: httpx.AsyncClient,
    producer: FakeProducer,
    event: MakeEvent,
    clock: Clock,
    metric_set: MetricSet,
) -> None:
    """Answers say what is left; when nothing is, requests are refused until time has passed."""
    batch = [event(id=f"e-{number}") for number in range(25)]
    first = await post(client, batch, BATCHED)
    assert first.status_code == 202
    assert first.headers["ratelimit-policy"] == '"rate";q=20;qu="events";w=2'
    assert first.headers["ratelimit"] == '"rate";r=0;t=3'
    second = await post(client, event())
    problem(second, 429, "rate-limited")
    assert second.headers["retry-after"] == "1"
    assert second.headers["ratelimit"] == '"rate";r=0;t=3'
    assert len(producer.records) == 25
    assert refused(metric_set, "rate") == 1
    clock.now += timedelta(seconds=1)
    assert (await post(client, event())).status_code == 202


@pytest.mark.parametrize("publisher", [{"limits": RateLimits(events_per_day=2)}], indirect=True)
async def test_quota_counts_refused_events_and_not_those_to_be_sent_again(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent, metric_set: MetricSet
) -> None:
    """A refused event was handled; one that Kafka did not acknowledge has to come again."""
    producer.error = TimeoutError()
    for _ in range(3):
        problem(await post(client, event()), 503, "kafka-unavailable")
    producer.error = None
    assert (await post(client, event())).status_code == 202
    problem(await post(client, event({"role": "x"})), 422, "invalid-event")
    response = await post(client, event())
    problem(response, 429, "quota-exceeded")
    assert response.headers["retry-after"] == "3600"
    assert refused(metric_set, "quota") == 1


@pytest.mark.parametrize("publisher", [{"paused": "it sends test data"}], indirect=True)
async def test_paused_publisher_keeps_its_events(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent, metric_set: MetricSet
) -> None:
    """It is told why, and to come again; it can still look terms up."""
    response = await post(client, event())
    found = problem(response, 429, "paused")
    assert found["detail"].startswith(
        "the publisher is paused: it sends test data; keep the events"
    )
    assert response.headers["retry-after"] == "60"
    assert producer.records == []
    assert refused(metric_set, "paused") == 1
    assert (await client.get("/v1/vocabulary/wework-labs")).status_code == 200
