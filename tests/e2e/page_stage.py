"""A reporter with a page worth looking at: real services, events of two weeks, a browser."""

import asyncio
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import Browser, async_playwright

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENT_TYPE,
    EVENTS,
    FACTS,
    GAPS,
    VERDICTS,
    CanonicalEvent,
    read_example,
    topic_name,
)
from purposewatch_contract.codec import DecodedFact, FastFactCodec, fact_key
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.tally import Recorded
from purposewatch_demo.traffic import Traffic
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, TopicProvisioner
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.required import skip_without
from tests.harness.scrape import until_json
from tests.harness.service import ServiceProcess

ROOT = Path(__file__).parents[2]
PREFIX = "data-access"
PARTITIONS = 3
DAYS = 14
_REQUIRED = "PURPOSEWATCH_REQUIRE_CHROMIUM"
_PATIENCE = 150
_MOST_OF_ONE_CONSIGNMENT = 4


class Happened(NamedTuple):
    """A canonical event, and what systems stated about its subject before."""

    event: bytes
    facts: tuple[DecodedFact, ...] = ()


def desk_events(count: int, *, until: datetime, seed: int = 7) -> Iterator[bytes]:
    """Canonical events of the demonstration's traffic, without what was stated."""
    return (each.event for each in desk_traffic(count, until=until, seed=seed))


def desk_traffic(count: int, *, until: datetime, seed: int = 7) -> Iterator[Happened]:
    """The demonstration's traffic over two weeks, more of it by day."""
    traffic = Traffic(planned_traffic(), seed=seed, largest=_MOST_OF_ONE_CONSIGNMENT)
    chance = random.Random(seed)  # noqa: S311 - the same every time
    made = 0
    while made < count:
        days_ago = chance.random() * DAYS
        at = until - timedelta(days=days_ago)
        working = at.weekday() < 5 and 7 <= at.hour < 19
        if chance.random() > (1.0 if working else 0.25):
            continue
        batch = traffic.next(at)
        for item in batch.items:
            if isinstance(item.expected, Recorded):
                made += 1
                facts = tuple(stated(json.loads(each.body), each.system) for each in item.facts)
                yield Happened(canonical(json.loads(item.body), batch.publisher), facts)
    for number in range(max(1, count // 600)):
        yield Happened(unjudgeable(until - timedelta(hours=5 * number + 1), number))


def pseudonym(subject_id: object) -> str:
    """What stands for a subject."""
    return f"psn:1:{hashlib.blake2b(str(subject_id).encode(), digest_size=16).hexdigest()}"


def stated(submitted: dict[str, Any], system: str) -> DecodedFact:
    """The statement of a fact as ingest would pass it on."""
    data, at = submitted["data"], datetime.fromisoformat(submitted["time"])
    return DecodedFact(
        subject=pseudonym(data["subject_id"]),
        controller=data["controller"],
        fact=data["fact"],
        value=data["value"],
        effective_from=at,
        until=None,
        evidence=data["evidence"],
        id=submitted["id"],
        source=submitted["source"],
        publisher=system,
        content_digest="0" * 32,
        origin="http",
        traceparent=None,
        time=at,
        accepted_time=at,
    )


def canonical(submitted: dict[str, Any], publisher: str) -> bytes:
    """The event as ingest would pass it on."""
    data = dict(submitted["data"])
    subject = pseudonym(data.pop("subject_id"))
    digest = hashlib.blake2b(json.dumps(submitted).encode(), digest_size=16).hexdigest()
    event = CanonicalEvent.model_validate_json(
        json.dumps(
            {
                **{name: submitted[name] for name in ("specversion", "id", "source", "type")},
                "time": submitted["time"],
                "publisher": publisher,
                "acceptedtime": submitted["time"],
                "contentdigest": digest,
                "origin": "http",
                "data": {**data, "subject": subject},
            }
        )
    )
    return event.model_dump_json(exclude_none=True).encode()


def unjudgeable(at: datetime, number: int) -> bytes:
    """An event with a purpose that the vocabulary does not have."""
    submitted = {
        "specversion": "1.0",
        "id": f"unjudgeable-{number}",
        "source": "/marketing/campaigns",
        "type": EVENT_TYPE,
        "time": at.isoformat(),
        "data": {
            "controller": "wework-labs",
            "role": "member",
            "operation": "use",
            "purpose": "marketing.lookalikes",
            "recipient": "first_party",
            "data_categories": ["user.contact.email"],
            "subject_id": "member-1",
        },
    }
    return canonical(submitted, "marketing")


@dataclass(frozen=True, slots=True)
class RunningPage:
    """Where the page is, and who may sign in."""

    base_url: str
    environment: dict[str, str]
    password: str
    viewer_password: str
    producer: AcknowledgedProducer

    async def happen(self, traffic: list[Happened]) -> None:
        """State facts, each in the partition of the events about its subject, then publish."""
        topic = topic_name(PREFIX, FACTS)
        await self.producer.publish(
            [
                OutgoingRecord(
                    topic,
                    FastFactCodec.encode(fact),
                    key=fact_key(fact),
                    partition=number % PARTITIONS,
                )
                for number, each in enumerate(traffic)
                for fact in each.facts
            ]
        )
        await self.publish([each.event for each in traffic])

    async def publish(self, events: list[bytes]) -> None:
        """Publish canonical events, dealt out to the partitions."""
        topic = topic_name(PREFIX, EVENTS)
        await self.producer.publish(
            [
                OutgoingRecord(topic, value, partition=number % PARTITIONS)
                for number, value in enumerate(events)
            ]
        )


def users_command(environment: dict[str, str], *arguments: str) -> str:
    """Run the command `users`; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "purposewatch_reporter", "users", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def first_password(logs: str) -> str:
    """The password of `officer`, from the reporter's log."""
    for line in logs.splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("username") == "officer" and "password" in entry:
            return str(entry["password"])
    message = f"no password in the log:\n{logs}"
    raise AssertionError(message)


@asynccontextmanager
async def running_page(directory: Path, *, events: int, **more: Any) -> AsyncIterator[RunningPage]:
    """Broker, auditor and reporter, with that many events audited and recorded."""
    async with EmbeddedBroker() as embedded:
        broker = RunningBroker(embedded.bootstrap_servers, "embedded")
        environment = service_environment(
            broker,
            PREFIX,
            database_url=f"sqlite+aiosqlite:///{directory / 'ledger.db'}",
            reporter_reconcile_seconds=0.3,
            reporter_totp_key="e2e0" * 16,
            **more,
        )
        settings = kafka_settings(broker, PREFIX)
        await TopicProvisioner(
            settings, (EVENTS, VERDICTS, DEAD_LETTERS, GAPS, FACTS), client_id="test"
        ).start()
        producer = AcknowledgedProducer(settings, client_id="test")
        await producer.start()
        try:
            async with (
                ServiceProcess("purposewatch_auditor", environment) as auditor,
                ServiceProcess("purposewatch_reporter", environment) as reporter,
            ):
                for service in (auditor, reporter):
                    await service.wait_ready(patience=_PATIENCE)
                line = await asyncio.to_thread(
                    users_command, environment, "add", "victor", "--role", "viewer"
                )
                desk = RunningPage(
                    reporter.base_url,
                    environment,
                    first_password(reporter.logs),
                    line.rpartition(" ")[2],
                    producer,
                )
                made = list(desk_traffic(events, until=datetime.now(UTC)))
                await desk.happen(made)
                gap = json.dumps(read_example("gap")).encode()
                await producer.publish([OutgoingRecord(topic_name(PREFIX, GAPS), gap)])
                await until_json(
                    reporter,
                    "/api/v1/ledger",
                    lambda found: found["reconciled"] and found["totals"]["events"] >= len(made),
                    seconds=_PATIENCE,
                )
                yield desk
        finally:
            await producer.stop()


def chromium() -> str:
    """The browser's program; without one skip the test, or fail it where it is required."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        skip_without("chromium is not installed", _REQUIRED)
    return found


@asynccontextmanager
async def browser_of(program: str) -> AsyncIterator[Browser]:
    """The machine's own browser, driven from outside."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()
