"""The real services on the embedded broker, under traffic, watched by a real Prometheus."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
from aiokafka import AIOKafkaProducer

from purposewatch_contract import FACTS, RAW, topic_name
from purposewatch_contract.codec import FastFactCodec, fact_key
from purposewatch_demo.deliver import Sender
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_demo.feed import Feeder, Pace
from purposewatch_demo.fleet import running, wait_until_ready
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.stage import Stage, prepare
from purposewatch_demo.traffic import Traffic
from purposewatch_runtime.kafka import build_producer
from tests.deploy.tools import ALERTMANAGER_CONFIGURATION, ROOT
from tests.harness.alertmanager import Alertmanager
from tests.harness.prometheus import Prometheus
from tests.unit.reporter.facts.records import fact

_RATE = 40.0
_LARGEST = 10
_SEED = 7


@dataclass(frozen=True, slots=True)
class Scene:
    """What a test can look at and speak to."""

    prometheus: Prometheus
    alertmanager: Alertmanager
    stage: Stage
    producer: AIOKafkaProducer
    ingest: httpx.AsyncClient

    @property
    def raw_topic(self) -> str:
        """Where publishers write who speak Kafka."""
        return topic_name(self.stage.kafka.topic_prefix, RAW)

    async def metrics(self, service: str) -> str:
        """What a service exports."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.stage.services[service].url}/metrics")).text


@asynccontextmanager
async def playing(directory: Path) -> AsyncIterator[Scene]:
    """Start everything, with traffic going on until the end."""
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(EmbeddedBroker())
        plan = planned_traffic()
        home = directory / "stage"
        home.mkdir()
        stage = prepare(
            home,
            _with_something_tried(directory / "policies"),
            plan.controllers_by_publisher,
            embedded=broker.bootstrap_servers,
            facts=plan.facts_by_system,
        )
        stage = _with_more_alerts(stage, directory, stack.enter_context(receiver_of_alerts()))
        services = await stack.enter_async_context(running(stage))
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=20))
        await wait_until_ready(client, services, lambda _: None)
        ingest = await stack.enter_async_context(
            httpx.AsyncClient(base_url=stage.services["ingest"].url, trust_env=False, timeout=30)
        )
        await _report_gap(ingest, stage)
        producer = build_producer(stage.kafka, client_id="test")
        await producer.start()
        stack.push_async_callback(producer.stop)
        await _state_fact(producer, stage)
        raw = topic_name(stage.kafka.topic_prefix, RAW)
        sender = Sender(ingest, producer, raw_topic=raw, keys=stage.keys)
        traffic = Traffic(plan, seed=_SEED, largest=_LARGEST)
        feeder = Feeder(lambda: traffic.next(datetime.now(UTC)), sender.deliver, Pace(_RATE))
        feeding = asyncio.create_task(feeder.run())
        stack.push_async_callback(_end, feeder, feeding)
        watching = directory / "watching"
        watching.mkdir()
        alertmanager = await stack.enter_async_context(Alertmanager(ALERTMANAGER_CONFIGURATION))
        await alertmanager.start_ready()
        ports = {name: spec.port for name, spec in stage.services.items()}
        ports["alertmanager"] = alertmanager.port
        prometheus = await stack.enter_async_context(Prometheus(watching, ports))
        yield Scene(prometheus, alertmanager, stage, producer, ingest)


def _with_something_tried(policies: Path) -> Path:
    """The project's policies, one of them with a statement in shadow mode."""
    shutil.copytree(ROOT / "policies", policies)
    [path] = policies.glob("wework-labs/policy.*.yaml")
    with path.open("a", encoding="utf-8") as file:
        file.write(
            "  - id: members.no_sharing\n    clause: members.1\n    effect: prohibit\n"
            "    shadow: true\n    data_categories: [user]\n    operations: [share]\n"
            "    recipients: [third_party]\n"
        )
    return policies


async def _report_gap(ingest: httpx.AsyncClient, stage: Stage) -> None:
    publisher, key = next(iter(stage.keys.items()))
    gap = {"id": f"{publisher}-1", "kind": "unmapped_dataset", "name": "crm.public.cards"}
    answer = await ingest.post(
        "/v1/gaps",
        json=[{**gap, "time": datetime.now(UTC).isoformat()}],
        headers={"Authorization": f"Bearer {key}"},
    )
    answer.raise_for_status()


async def _state_fact(producer: AIOKafkaProducer, stage: Stage) -> None:
    facts, stated = topic_name(stage.kafka.topic_prefix, FACTS), fact()
    await producer.send_and_wait(
        facts, FastFactCodec.encode(stated), key=fact_key(stated), partition=0
    )


async def _end(feeder: Feeder, feeding: "asyncio.Task[None]") -> None:
    feeder.stop()
    await feeding


def _with_more_alerts(stage: Stage, directory: Path, url: str) -> Stage:
    """Alerts go to a webhook, too, and a rule counts what is shared."""
    rules = directory / "counting.yaml"
    rules.write_text(
        "rules:\n  sharing:\n    flow: {operations: [share]}\n    count: events\n"
        "    more_than: 1000000\n    within_minutes: 10\n",
        encoding="utf-8",
    )
    reporter = stage.services["reporter"]
    more = {
        "PURPOSEWATCH_WEBHOOK_URL": url,
        "PURPOSEWATCH_REPORTER_COUNTING_FILE": str(rules),
    }
    changed = replace(reporter, environment={**reporter.environment, **more})
    return replace(stage, services={**stage.services, "reporter": changed})


@contextmanager
def receiver_of_alerts() -> Iterator[str]:
    """A receiver that takes every alert; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/alerts"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
