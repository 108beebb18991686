"""`purposewatch replay NEW_POLICY --verify`: what the reporter says, and the events themselves."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from purposewatch_contract import EVENTS, VERDICTS, topic_name
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, TopicProvisioner
from tests.harness.broker import RunningBroker
from tests.harness.command import run_command
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.scrape import until_json
from tests.harness.service import ServiceProcess
from tests.unit.reporter.what_if.borrowers import (
    POLICIES,
    WITHOUT_PUBLIC,
    decided_verdict,
    published,
)

COUNT = 600
PARTITIONS = 3
OVERDUE = "loan.overdue"


def values(prefix: str) -> list[dict[str, Any]]:
    """Verdicts about borrowers, many of the same flows, dealt out to the partitions."""
    recipients = ("public", "third_party.lender", "third_party.debt_collector", "processor.maps")
    made = []
    for number in range(COUNT):
        flow = published(
            recipient=recipients[number % 4],
            location=("eu", None)[number % 2],
            retention_days=number % 11,
            facts={OVERDUE: number % 5 > 0},
        )
        looked_up = {OVERDUE: (True, False, None)[number % 3]} if number % 4 < 2 else {}
        made.append(
            decided_verdict(
                number // PARTITIONS,
                flow,
                looked_up,
                prefix=prefix,
                partition=number % PARTITIONS,
                event_id=f"e-{number}",
                decided_time=f"2026-03-02T12:{number // 60:02}:{number % 60:02}Z",
            )
        )
    return made


async def replay(environment: dict[str, str], draft: Path, reporter: str) -> Any:
    """Run the command; its status and the lines that it prints."""
    ended = await run_command(
        *("replay", str(draft), "--verify", "500"),
        *("--policies", str(POLICIES), "--reporter", reporter, "--json"),
        env={"PATH": "", **environment},
        seconds=90,
    )
    return ended.status, ended.lines


async def test_events_read_again_are_decided_as_the_answer_says(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """No difference in hundreds of events; one that is planted in the ledger is found."""
    settings = kafka_settings(broker, topic_prefix)
    await TopicProvisioner(settings, (EVENTS, VERDICTS), client_id="test").start()
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    verdicts = values(topic_prefix)
    topics = {name: topic_name(topic_prefix, name) for name in (EVENTS, VERDICTS)}
    for topic, bodies in (
        (topics[EVENTS], [b"{}"] * COUNT),  # the events themselves do not matter
        (topics[VERDICTS], [json.dumps(value).encode() for value in verdicts]),
    ):
        await producer.publish(
            [
                OutgoingRecord(topic, body, partition=number % PARTITIONS)
                for number, body in enumerate(bodies)
            ]
        )
    await producer.stop()
    draft = tmp_path / "draft.yaml"
    draft.write_text(WITHOUT_PUBLIC)
    ledger = tmp_path / "ledger.db"
    environment = service_environment(broker, topic_prefix)
    database = {"PURPOSEWATCH_DATABASE_URL": f"sqlite+aiosqlite:///{ledger}"}
    async with ServiceProcess("purposewatch_reporter", {**environment, **database}) as reporter:
        await until_json(
            reporter,
            "/api/v1/ledger",
            lambda found: found.get("totals", {}).get("verdicts") == COUNT,
            seconds=90,
        )
        status, lines = await replay(environment, draft, reporter.base_url)
        verified = lines[-1]
        assert verified["differences"][:3] == []
        assert (status, verified["type"]) == (0, "verification")
        assert verified["events"] == 500
        assert verified["flows"] > 40
        effects = [line for line in lines if line["type"] == "effect"]
        assert {each["change"] for each in effects} >= {"becomes_violation", "changes_kind"}

        changed = next(each for each in effects if each["change"] == "becomes_violation")
        with sqlite3.connect(ledger) as connection:
            connection.execute(
                "UPDATE flow_decision_categories SET statement = 'sharing.overdue.lenders' WHERE "
                "decision_id IN (SELECT id FROM flow_decisions WHERE flow_id = ?)",
                (bytes.fromhex(changed["flow"]["id"]),),
            )
        connection.close()
        status, lines = await replay(environment, draft, reporter.base_url)
    assert status == 1
    differences = lines[-1]["differences"]
    assert {each["flow"] for each in differences} == {changed["flow"]["id"]}
