"""The example publishers that write straight to Kafka: compiled, run, and through ingest."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from purposewatch_contract import EXAMPLE_DIR
from tests.harness import example_publishers
from tests.harness.broker import RunningBroker
from tests.harness.environment import service_environment
from tests.harness.service import ServiceProcess
from tests.integration.test_ingest import KEY, at_least, holds_ids, read, register

pytestmark = [
    pytest.mark.timeout(300, func_only=True),  # Go compiles its standard library once
    pytest.mark.parametrize(  # the embedded broker has no idempotent producers
        "broker", [pytest.param("apache_kafka", marks=pytest.mark.apache_kafka)], indirect=True
    ),
]

CONTENT_TYPES = {
    "java": "application/cloudevents+json",
    "go": "application/cloudevents+json",
    "node": "application/json",
}
EXAMPLE = json.loads((EXAMPLE_DIR / "submitted-event.json").read_text())


def make_event(number: int, **data: Any) -> dict[str, Any]:
    """An event of the publisher `crm`."""
    now = datetime.now(UTC).isoformat()
    changes = {"id": f"e-{number}", "source": "/crm/newsletter", "time": now}
    return {**EXAMPLE, **changes, "data": {**EXAMPLE["data"], **data}}


@pytest.mark.parametrize("language", CONTENT_TYPES)
async def test_example_publishes_to_kafka(
    language: str, broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """What it says is acknowledged becomes events; what Kafka refuses it reports, and fails."""
    command = example_publishers.command(language)
    events = [make_event(number) for number in range(20)]
    too_large = make_event(99, subject_id=os.urandom(1_000_000).hex())
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in [too_large, *events]))
    publishers = tmp_path / "publishers.yaml"
    publishers.write_text(register(KEY))
    environment = {
        **service_environment(broker, topic_prefix),
        "PURPOSEWATCH_PUBLISHERS_FILE": str(publishers),
    }
    async with ServiceProcess("purposewatch_ingest", environment) as ingest:
        await ingest.wait_ready()
        where = {"KAFKA": broker.bootstrap_servers, "TOPIC": f"{topic_prefix}.raw"}
        process = await asyncio.create_subprocess_exec(
            *command,
            str(path),
            env=os.environ | where,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert output.decode() == "20 acknowledged, 1 failed\n", errors.decode()
        assert process.returncode == 1
        assert errors
        ids = {each["id"] for each in events}
        await read(broker, f"{topic_prefix}.events", holds_ids(ids))
        for record in await read(broker, where["TOPIC"], at_least(len(events))):
            headers = dict(record.headers)
            assert headers["content-type"].decode() == CONTENT_TYPES[language]
            assert ("ce_id" in headers) == (language == "node")
            assert record.key is None
