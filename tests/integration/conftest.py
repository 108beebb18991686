"""Fixtures of the integration tests: the brokers that each of them runs on."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from purposewatch_demo.embedded_broker import EmbeddedBroker
from tests.harness.apache_kafka import ApacheKafka, require_apache_kafka
from tests.harness.broker import RunningBroker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the fixtures out of a test's time: the first run downloads Apache Kafka."""
    for item in items:
        own = item.get_closest_marker("timeout")
        if item.get_closest_marker("apache_kafka") is not None and own is None:
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=["embedded", pytest.param("apache_kafka", marks=pytest.mark.apache_kafka)],
)
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[RunningBroker]:
    """Run the test on the embedded broker, and again on Apache Kafka where that can run."""
    if request.param == "embedded":
        async with EmbeddedBroker() as embedded:
            yield RunningBroker(embedded.bootstrap_servers, "embedded")
    else:
        require_apache_kafka()
        async with ApacheKafka() as kafka:
            yield RunningBroker(kafka.bootstrap_servers, "apache_kafka")


@pytest_asyncio.fixture
async def kafka_to_crash() -> AsyncIterator[ApacheKafka]:
    """Run an Apache Kafka of the test's own, which it may kill; such a test is `apache_kafka`."""
    require_apache_kafka()
    async with ApacheKafka() as kafka:
        yield kafka


@pytest.fixture
def topic_prefix() -> str:
    """Return a topic prefix that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"
