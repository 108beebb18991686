"""The three services on one broker, with publishers that write to the raw topic."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from aiokafka.admin import AIOKafkaAdminClient

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    EXAMPLE_DIR,
    RAW,
    VERDICTS,
    TopicName,
    topic_name,
)
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, TopicProvisioner
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.scrape import get, until_json
from tests.harness.service import ServiceProcess

PARTITIONS = 3
TOPICS: tuple[TopicName, ...] = (RAW, EVENTS, VERDICTS, DEAD_LETTERS)
_POLICIES = Path(__file__).parents[2] / "policies"
_EXAMPLE = json.loads((EXAMPLE_DIR / "submitted-event.json").read_text())
_FLOW = {
    "operation": "use",
    "purpose": "essential.service.notifications",
    "recipient": "first_party",
}


class Platform:
    """What a test does to the platform, and what the platform says of itself."""

    def __init__(
        self,
        broker: RunningBroker,
        prefix: str,
        directory: Path,
        more: Mapping[str, str] | None = None,
    ) -> None:
        register = directory / "publishers.yaml"
        register.write_text(
            f"publishers: {{crm: {{key_sha256: [{'0' * 64}], controllers: [wework-labs]}}}}\n"
        )
        self.settings = kafka_settings(broker, prefix)
        self.database = directory / "ledger.db"
        self.environment = {
            **service_environment(broker, prefix),
            "PURPOSEWATCH_KAFKA_MAX_BATCH_RECORDS": "40",
            "PURPOSEWATCH_PUBLISHERS_FILE": str(register),
            "PURPOSEWATCH_DATABASE_URL": f"sqlite+aiosqlite:///{self.database}",
            "PURPOSEWATCH_REPORTER_RECONCILE_SECONDS": "0.2",
            **(more or {}),
        }
        self.ingest = self.service("ingest")
        self.auditor = self.service("auditor")
        self.reporter = self.service("reporter")
        self.number = 0

    def service(self, name: str) -> ServiceProcess:
        """A service of the platform."""
        return ServiceProcess(f"purposewatch_{name}", self.environment)

    def name(self, topic: TopicName) -> str:
        """The topic's full name."""
        return topic_name(self.settings.topic_prefix, topic)

    async def write(
        self,
        topic: TopicName,
        values: Iterable[Any],
        *,
        partition: int = 0,
        keys: Iterable[bytes | None] = itertools.repeat(None),
    ) -> None:
        """Write records as they are, as somebody with the right to write to the topic could.

        Bytes are written as they are, anything else as JSON.
        """
        producer = AcknowledgedProducer(self.settings, client_id="somebody")
        await producer.start()
        try:
            records = [
                OutgoingRecord(
                    self.name(topic),
                    value if isinstance(value, bytes) else json.dumps(value).encode(),
                    partition=partition,
                    key=key,
                )
                for value, key in zip(values, keys, strict=False)
            ]
            await producer.publish(records)
        finally:
            await producer.stop()

    async def publish(self, count: int, *, bad_every: int = 10) -> None:
        """Publish so many events; every tenth is refused, every seventh a violation.

        Every fourth stands for several accesses.
        """
        producer = AcknowledgedProducer(self.settings, client_id="crm")
        await producer.start()
        try:
            records = []
            for _ in range(count):
                self.number += 1
                value = self._event(self.number)
                if self.number % bad_every == 0:
                    value = b"not json"
                partition = self.number % PARTITIONS
                records.append(OutgoingRecord(self.name(RAW), value, partition=partition))
            await producer.publish(records)
        finally:
            await producer.stop()

    def _event(self, number: int) -> bytes:
        flow: dict[str, Any] = _FLOW
        if number % 7 == 0:
            flow = {**_FLOW, "operation": "share", "recipient": "third_party.advertising"}
        if number % 4 == 0:
            flow = {**flow, "count": number}
        return json.dumps(
            {
                **_EXAMPLE,
                "id": f"e-{number}",
                "source": "/crm",
                "time": datetime.now(UTC).isoformat(),
                "data": {**_EXAMPLE["data"], **flow, "subject_id": f"subject-{number % 50}"},
            }
        ).encode()

    async def ledger(self) -> dict[str, Any]:
        """The reporter's ledger report; empty while it starts."""
        answer: dict[str, Any] = {}
        with contextlib.suppress(httpx.TransportError):
            answer = (await get(self.reporter, "/api/v1/ledger")).json()
        return answer

    async def wait_ledger(
        self, reached: Callable[[dict[str, Any]], bool], *, seconds: float = 60
    ) -> dict[str, Any]:
        """The ledger report, once it is as wanted."""
        found: dict[str, Any] = await until_json(
            self.reporter,
            "/api/v1/ledger",
            lambda found: "totals" in found and reached(found),
            seconds=seconds,
        )
        return found

    async def recreate(self, topics: Iterable[TopicName]) -> None:
        """Delete topics and make them again."""
        names = [self.name(topic) for topic in topics]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_topics(names)
            async with asyncio.timeout(20):
                while set(names) & set(await admin.list_topics()):
                    await asyncio.sleep(0.1)
        finally:
            await admin.close()
        async with asyncio.timeout(20):
            while True:
                try:
                    await TopicProvisioner(self.settings, TOPICS, client_id="test").start()
                except Exception:  # noqa: BLE001 - a topic is not quite gone yet
                    await asyncio.sleep(0.2)
                else:
                    return


@asynccontextmanager
async def platform_on(
    broker: RunningBroker, prefix: str, directory: Path, **more: str
) -> AsyncIterator[Platform]:
    """All three services, ready, with more variables than usual."""
    platform = Platform(broker, prefix, directory, more)
    await TopicProvisioner(platform.settings, TOPICS, client_id="test").start()
    async with platform.ingest, platform.auditor, platform.reporter:
        for service in (platform.ingest, platform.auditor, platform.reporter):
            await service.wait_ready()
        yield platform
