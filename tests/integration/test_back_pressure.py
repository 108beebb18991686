"""What is slow or silent makes the others wait, never drop: everything sent is there afterwards."""

import asyncio
import json
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.apache_kafka import ApacheKafka
from tests.harness.broker import RunningBroker
from tests.harness.environment import service_environment
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.harness.scrape import get, metric
from tests.harness.service import ServiceProcess
from tests.integration.test_auditor import EXAMPLE, PERMITTED

pytestmark = [pytest.mark.apache_kafka, pytest.mark.timeout(420, func_only=True)]

KEY = "pwk_0123456789abcdef0123456789abcdef"
MAX_IN_FLIGHT = 4
NOW = datetime.now(UTC).isoformat()


@dataclass
class Stage:
    """The three services on Apache Kafka and PostgreSQL."""

    kafka: ApacheKafka
    postgresql: PostgreSQL
    ingest: ServiceProcess
    reporter: ServiceProcess

    async def publish(self, client: httpx.AsyncClient, number: int) -> httpx.Response:
        """Publish one event over HTTP."""
        data = {key: value for key, value in EXAMPLE["data"].items() if key != "subject"}
        return await client.post(
            "/v1/events",
            content=json.dumps(
                {
                    "specversion": "1.0",
                    "id": f"e-{number}",
                    "source": "/crm",
                    "type": "purposewatch.data_access.v1",
                    "time": NOW,  # what is sent again is the same event
                    "data": {**data, **PERMITTED, "subject_id": f"m-{number}"},
                }
            ),
            headers={
                "content-type": "application/cloudevents+json",
                "authorization": f"Bearer {KEY}",
            },
        )

    async def publish_at_last(self, client: httpx.AsyncClient, number: int) -> None:
        """Publish one event as a well-behaved publisher does: again after a 503."""
        async with asyncio.timeout(60):
            while (await self.publish(client, number)).status_code != 202:
                await asyncio.sleep(0.5)

    async def recorded(self, count: int) -> dict[str, Any]:
        """The ledger's totals once so many different events are recorded and none is open."""
        async with asyncio.timeout(90):
            while True:
                answer = await get(self.reporter, "/api/v1/ledger")
                totals = answer.json().get("totals", {}) if answer.status_code == 200 else {}
                if totals and totals["verdicts"] - totals["duplicates"] >= count:
                    return dict(totals)
                await asyncio.sleep(0.3)


@pytest.fixture
async def stage(kafka_to_crash: ApacheKafka, tmp_path: Path) -> AsyncIterator[Stage]:
    """Everything running and ready."""
    broker = RunningBroker(kafka_to_crash.bootstrap_servers, "apache_kafka")
    register = tmp_path / "publishers.yaml"
    digest = sha256(KEY.encode()).hexdigest()
    register.write_text(
        f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [wework-labs]}}}}\n"
    )
    async with AsyncExitStack() as stack:
        postgresql = stack.enter_context(PostgreSQL(require_postgresql()))
        await postgresql.start()
        environment = {
            **service_environment(broker, f"test-{uuid.uuid4().hex[:12]}"),
            "PURPOSEWATCH_DATABASE_URL": postgresql.url(await postgresql.create_database()),
            "PURPOSEWATCH_PUBLISHERS_FILE": str(register),
            "PURPOSEWATCH_INGEST_ACKNOWLEDGE_TIMEOUT_SECONDS": "2",
            "PURPOSEWATCH_INGEST_WAIT_TIMEOUT_SECONDS": "1",
            "PURPOSEWATCH_INGEST_MAX_IN_FLIGHT": str(MAX_IN_FLIGHT),
        }
        ingest, _, reporter = [
            await stack.enter_async_context(ServiceProcess(f"purposewatch_{name}", environment))
            for name in ("ingest", "auditor", "reporter")
        ]
        await ingest.wait_ready()
        await reporter.wait_ready()
        yield Stage(kafka_to_crash, postgresql, ingest, reporter)


async def test_silent_database_delays_the_ledger_only(stage: Stage) -> None:
    """While PostgreSQL hangs, ingest accepts, the lag is seen to grow, and nothing is lost."""
    async with httpx.AsyncClient(base_url=stage.ingest.base_url, timeout=30) as client:
        for number in range(20):
            await stage.publish_at_last(client, number)
        await stage.recorded(20)
        stage.postgresql.signal(signal.SIGSTOP)
        try:
            for number in range(20, 60):
                assert (await stage.publish(client, number)).status_code == 202
            async with asyncio.timeout(30):
                while await metric(stage.reporter, "purposewatch_consumer_lag_records") < 20:
                    await asyncio.sleep(0.2)
                stalled = "purposewatch_consumer_stalled_seconds"
                while await metric(stage.reporter, stalled) < 4:
                    await asyncio.sleep(0.2)
            unready = await get(stage.reporter, "/readyz")
        finally:
            stage.postgresql.signal(signal.SIGCONT)
        totals = await stage.recorded(60)
        async with asyncio.timeout(30):
            while await metric(stage.reporter, "purposewatch_consumer_lag_records"):
                await asyncio.sleep(0.2)

    assert unready.status_code == 503
    assert (totals["verdicts"], totals["duplicates"], totals["unaccounted"]) == (60, 0, 0)


async def test_silent_broker_is_a_503_and_costs_no_event(stage: Stage) -> None:
    """While Kafka hangs, requests are refused with a time to come back; all arrive in the end."""
    async with httpx.AsyncClient(base_url=stage.ingest.base_url, timeout=30) as client:
        for number in range(10):
            await stage.publish_at_last(client, number)
        stage.kafka.signal(signal.SIGSTOP)
        try:
            refused = await asyncio.gather(
                *(stage.publish(client, number) for number in range(10, 10 + 3 * MAX_IN_FLIGHT))
            )
        finally:
            stage.kafka.signal(signal.SIGCONT)
        for number in range(10, 40):
            await stage.publish_at_last(client, number)
        totals = await stage.recorded(40)

    assert {response.status_code for response in refused} == {503}
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
    reasons = {response.json()["title"] for response in refused}
    assert len(reasons) == 2, reasons  # too many at once, and not confirmed in time
    assert totals["verdicts"] - totals["duplicates"] == 40
    assert (totals["conflicts"], totals["unaccounted"]) == (0, 0)
