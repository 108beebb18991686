"""`purposewatch replay` on real brokers: it reads two topics whole, and writes nothing."""

from pathlib import Path

from purposewatch_contract import FACTS, VERDICTS
from purposewatch_policy import load_policies
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, TopicProvisioner
from tests.harness.broker import RunningBroker
from tests.harness.command import run_command
from tests.harness.environment import kafka_settings, service_environment
from tests.integration.test_auditor import Topics
from tests.unit.cli.policy.trees import copy_with_ledger
from tests.unit.cli.replay_records import CONSENT, at, fact_record, verdict_record

EVENTS = 300


async def test_a_late_withdrawal_is_found_in_the_topics(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> None:
    """Over all partitions, more than one fetch; the exit status says that there are differences."""
    policies = copy_with_ledger(tmp_path / "policies")
    topics = Topics(kafka_settings(broker, topic_prefix))
    await TopicProvisioner(topics.settings, (FACTS, VERDICTS), client_id="test").start()
    producer = AcknowledgedProducer(topics.settings, client_id="test")
    await producer.start()
    loaded = load_policies(policies)
    verdicts = [
        OutgoingRecord(
            topics.name(VERDICTS),
            verdict_record(loaded, number, at(8 + number % 10), used=True),
            partition=number % 2,
        )
        for number in range(EVENTS)
    ]
    stated = [fact_record("s-1"), fact_record("s-2", value=False, effective_from=at(13))]
    facts = [
        OutgoingRecord(topics.name(FACTS), value, key=key, partition=1) for key, value in stated
    ]
    await producer.publish([*verdicts, *facts])
    await producer.stop()

    ended = await run_command(
        *("replay", "--affected-by", CONSENT, "--policies", str(policies), "--json"),
        env={"PATH": "", **service_environment(broker, topic_prefix)},
    )
    *differences, summary = ended.lines

    assert ended.status == 1
    assert (summary["dependent"], summary["different"]) == (EVENTS, EVENTS // 2)
    assert {line["statement"]["id"] for line in differences} == {"s-2"}
    assert len(differences) == EVENTS // 2
