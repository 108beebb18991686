"""The AsyncAPI document and page of a service."""

import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from purposewatch_contract import CanonicalEvent, DeadLetter, Verdict, read_example
from purposewatch_runtime.kafka import BatchConsumer, Record, asyncapi_routes
from purposewatch_runtime.metrics import MetricSet
from purposewatch_runtime.settings import KafkaSettings


async def handle(_: Sequence[Record]) -> None:
    """Handle nothing."""


@pytest.fixture
def app() -> Starlette:
    """The routes of a service that consumes events as the auditor does, under another prefix."""
    settings = KafkaSettings(topic_prefix="acme", kafka_bootstrap_servers="internal-host:9092")
    consumer = BatchConsumer(
        settings,
        topic="acme.events",
        group_id="acme.auditor",
        client_id="test",
        handle=handle,
        metric_set=MetricSet("auditor", version="0"),
    )
    return Starlette(routes=asyncapi_routes("auditor", prefix="acme", consumers=[consumer]))


async def get(app: Starlette, path: str) -> httpx.Response:
    """The response to a request."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://auditor") as client:
        return await client.get(path)


async def test_document_names_real_channels_with_their_messages(app: Starlette) -> None:
    """Each topic has its direction, its message's schema and an example; no broker's address."""
    response = await get(app, "/asyncapi.json")
    document: dict[str, Any] = response.json()
    found = {
        name: (operation["action"], document["components"]["messages"][message]["payload"]["$ref"])
        for name, operation in document["operations"].items()
        for message in document["components"]["messages"]
        if message.startswith(f"{name}:")
    }
    assert found == {
        "acme.events": ("receive", "#/components/schemas/CanonicalEvent"),
        "acme.verdicts": ("send", "#/components/schemas/Verdict"),
        "acme.dead-letters": ("send", "#/components/schemas/DeadLetter"),
        "acme.facts": ("send", "#/components/schemas/CanonicalFact"),
    }
    schemas = document["components"]["schemas"]
    for name, model in (
        ("canonical-event", CanonicalEvent),
        ("verdict", Verdict),
        ("dead-letter", DeadLetter),
    ):
        assert schemas[model.__name__]["examples"] == [read_example(name)]
        assert set(model.model_fields) == set(schemas[model.__name__]["properties"])
    assert "internal-host" not in response.text


async def test_page_shows_everything_and_loads_nothing(app: Starlette) -> None:
    """Topics, fields and examples are on the page; there is no address of another host."""
    document = (await get(app, "/asyncapi.json")).json()
    page = (await get(app, "/asyncapi")).text
    for name, schema in document["components"]["schemas"].items():
        assert f'id="{name}"' in page
        for field in schema.get("properties", ()):
            assert f"<code>{field}</code>" in page
    for channel in document["channels"].values():
        assert f"<td>{channel['address']}</td>" in page
    assert read_example("verdict")["event_id"] in page
    links = set(re.findall(r'(?:href|src)="([^"]*)"', page))
    assert {link for link in links if not link.startswith("#")} == {"asyncapi.json"}
