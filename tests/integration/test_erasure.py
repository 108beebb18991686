"""A subject's facts on their whole way, and what is left of it once it is erased."""

import asyncio
import json
import sqlite3
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from purposewatch_contract import FACTS, RAW, topic_name
from purposewatch_contract.codec import parse_fact_key
from purposewatch_ingest.pseudonyms.derived import Pseudonymiser
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment, variables
from tests.harness.scrape import until_json
from tests.harness.service import ServiceProcess

KEY = "pwk_a-key-for-tests"
ERASED, OTHER = "customer-4711", "customer-4712"
CONTROLLER = "wework-labs"
RIGHTS = "states_facts: ['consent.*'], reads_facts: ['*'], erases_subjects: true"


def fact(number: int, subject: str) -> dict[str, Any]:
    """A statement that the subject consents."""
    return {
        "specversion": "1.0",
        "id": f"s-{number}",
        "source": "/crm",
        "type": "purposewatch.fact.v1",
        "time": datetime.now(UTC).isoformat(),
        "data": {
            "controller": CONTROLLER,
            "fact": "consent.marketing",
            "value": True,
            "subject_id": subject,
        },
    }


async def log_of_facts(broker: RunningBroker, topic: str, records: int) -> dict[bytes, bytes]:
    """What compaction leaves of the topic once it has so many records."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    left: dict[bytes, bytes] = {}
    try:
        async with asyncio.timeout(20):
            for _ in range(records):
                record = await consumer.getone()
                left[record.key] = record.value
    finally:
        await consumer.stop()
    return {key: value for key, value in left.items() if value}


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_nothing_that_is_left_leads_to_an_erased_subject(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """In the topic of facts, the table of pseudonyms and the reporter; the raw ledger balances."""
    publishers = tmp_path / "publishers.yaml"
    digest = sha256(KEY.encode()).hexdigest()
    publishers.write_text(
        f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [{CONTROLLER}], {RIGHTS}}}}}\n"
    )
    own = variables(
        publishers_file=publishers,
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}",
        subject_pseudonyms_url=f"sqlite+aiosqlite:///{tmp_path / 'subjects.db'}",
        reporter_reconcile_seconds=0.2,
    )
    environment = {**service_environment(broker, topic_prefix), **own}
    producer = AcknowledgedProducer(kafka_settings(broker, topic_prefix), client_id="crm")
    async with ServiceProcess("purposewatch_reporter", environment) as reporter:
        await reporter.wait_ready()
        asks = variables(ingest_reporter_url=reporter.base_url)
        async with (
            ServiceProcess("purposewatch_ingest", {**environment, **asks}) as ingest,
            httpx.AsyncClient(
                base_url=ingest.base_url, headers={"Authorization": f"Bearer {KEY}"}, timeout=20
            ) as client,
        ):
            await ingest.wait_ready()
            headers = {"content-type": "application/cloudevents-batch+json"}
            batch = json.dumps([fact(1, ERASED), fact(2, OTHER)])
            answer = await client.post("/v1/facts", content=batch, headers=headers)
            assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
            await producer.start()
            raw = OutgoingRecord(
                topic_name(topic_prefix, RAW), json.dumps(fact(3, ERASED)).encode(), partition=0
            )
            await producer.publish([raw])
            await producer.stop()
            asked = f"/v1/facts?controller={CONTROLLER}&subject_id="

            async def stated(subject: str, number: int) -> list[dict[str, Any]]:
                async with asyncio.timeout(20):
                    while True:
                        found = (await client.get(asked + subject)).json()["statements"]
                        if len(found) == number:
                            return list(found)
                        await asyncio.sleep(0.1)

            assert {each["statement"] for each in await stated(ERASED, 2)} == {"s-1", "s-3"}
            assert [each["in_force"] for each in await stated(OTHER, 1)] == [True]
            await until_json(
                reporter,
                "/api/v1/ledger",
                lambda ledger: ledger["raw"]["totals"]["accepted"] == 1 and ledger["reconciled"],
                seconds=20,
            )
            erasure = {"controller": CONTROLLER, "subject_id": ERASED}
            erased = (await client.post("/v1/erasures", json=erasure)).json()
            assert (erased["facts_deleted"], erased["pseudonym_forgotten"]) == (2, True)
            with sqlite3.connect(tmp_path / "ledger.db") as ledger:
                async with asyncio.timeout(20):
                    while ledger.execute("SELECT count(*) FROM facts").fetchone() != (1,):
                        await asyncio.sleep(0.1)
                [[left]] = ledger.execute("SELECT subject FROM facts").fetchall()
            kept = await log_of_facts(broker, topic_name(topic_prefix, FACTS), 5)
            assert [parse_fact_key(key).subject for key in kept] == [left]
            with sqlite3.connect(tmp_path / "subjects.db") as subjects:
                rows = subjects.execute("SELECT pseudonym FROM subject_pseudonyms").fetchall()
            assert [f"psn:s:{row[0].hex()}" for row in rows] == [left]
            derived = Pseudonymiser(bytes.fromhex("ab" * 32), "1")(CONTROLLER, ERASED)
            assert derived not in str(kept)
            assert await stated(ERASED, 0) == []
            assert await stated(OTHER, 1) != []
