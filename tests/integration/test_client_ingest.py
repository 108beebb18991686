"""The client publishes to a real ingest: what it recorded is in Kafka, whoever is killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_client import Client, ClientSettings
from purposewatch_client.spool_sink import SpoolSink
from purposewatch_demo.embedded_broker import EmbeddedBroker
from tests.harness.broker import RunningBroker
from tests.harness.environment import service_environment
from tests.harness.service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "pwk_a-key-for-tests"
PARTITIONS = 3
PROGRAM = Path(__file__).with_name("client_program.py")


async def read_contents(
    broker: RunningBroker, topic: str, events: int
) -> Mapping[str, set[tuple[str, str]]]:
    """The events of a topic, until there are so many ids: source and content by id."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
    )
    consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    await consumer.start()
    contents: dict[str, set[tuple[str, str]]] = defaultdict(set)
    try:
        async with asyncio.timeout(30):
            while len(contents) < events:
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    for record in batch:
                        event = json.loads(record.value)
                        contents[event["id"]].add((event["source"], event["contentdigest"]))
    finally:
        await consumer.stop()
    return contents


def kill_in_the_middle(output: Path, settings: Mapping[str, str], events: int) -> int:
    """Run the program until it has recorded so many events, and kill it; how many it recorded."""
    command = [sys.executable, "-P", str(PROGRAM), "busy"]  # beside it is a module `platform`
    with output.open("wb") as file:
        program = subprocess.Popen(command, env={**os.environ, **settings}, stdout=file)
    until = time.monotonic() + 20
    try:
        while output.read_bytes().count(b"\n") < events:
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        program.kill()
        program.wait()
    return output.read_bytes().count(b"\n")


async def test_events_arrive_once_though_both_ends_are_killed(
    tmp_path: Path, topic_prefix: str
) -> None:
    """Each id with one content, so that the ledger counts it once; and none is missing."""
    register = tmp_path / "publishers.yaml"
    digest = sha256(KEY.encode()).hexdigest()
    register.write_text(
        f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [wework-labs]}}}}\n"
    )
    spool = tmp_path / "spool"
    async with EmbeddedBroker() as embedded:
        broker = RunningBroker(embedded.bootstrap_servers, "embedded")
        environment = service_environment(broker, topic_prefix, publishers_file=register)
        async with ServiceProcess("purposewatch_ingest", environment) as ingest:
            await ingest.wait_ready()
            settings = {
                "PURPOSEWATCH_CLIENT_SOURCE": "/crm/portal",
                "PURPOSEWATCH_CLIENT_INGEST_URL": ingest.base_url,
                "PURPOSEWATCH_CLIENT_KEY": KEY,
                "PURPOSEWATCH_CLIENT_SPOOL": str(spool),
                "PURPOSEWATCH_CLIENT_CONTROLLER": "wework-labs",
                "PURPOSEWATCH_CLIENT_ROLE": "member",
                "PURPOSEWATCH_CLIENT_LINGER_SECONDS": "0.02",
            }
            recorded = await asyncio.to_thread(
                kill_in_the_middle, tmp_path / "output", settings, 2000
            )
            ingest.kill()
            ingest.start()
            await ingest.wait_ready()

            survivor = _survivor(spool, ingest.base_url)
            await asyncio.to_thread(_send_all, survivor, spool)
            contents = await read_contents(broker, f"{topic_prefix}.events", recorded + 1)

    assert recorded + 1 <= len(contents) <= recorded + 4  # the last calls could not say so
    assert {len(each) for each in contents.values()} == {1}
    assert survivor.stats().refused == {}


def _survivor(spool: Path, url: str) -> Client:
    client_settings = ClientSettings(
        source="/crm/portal",
        ingest_url=url,
        key=KEY,
        spool=spool,
        controller="wework-labs",
        role="member",
        backoff_max_seconds=0.2,
    )
    return Client(client_settings, SpoolSink(client_settings))


def _send_all(client: Client, spool: Path) -> None:
    """Record one event, and wait until nothing is left of the process that was killed."""
    client.record(
        subject="last", operation="use", purpose="essential.service", categories="user.name"
    )
    until = time.monotonic() + 20
    while client.stats().spool_bytes:
        assert time.monotonic() < until
        time.sleep(0.02)
    client.close(5)
    assert list(spool.iterdir()) == []
