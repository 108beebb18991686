"""A consumer that stopped itself goes on, without loss, once its cause is mended."""

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from purposewatch_contract import DEAD_LETTERS, EVENTS, RAW, VERDICTS, DeadLetter
from purposewatch_runtime.kafka import TopicProvisioner
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.scrape import metric
from tests.harness.service import ServiceProcess
from tests.integration.test_auditor import (
    EXAMPLE,
    PERMITTED,
    Topics,
    event,
    has_judged,
    judged,
)

LAG = "purposewatch_consumer_lag_records"


@pytest.fixture
async def topics(broker: RunningBroker, topic_prefix: str) -> Topics:
    """Provisioned topics under the test's own prefix."""
    settings = kafka_settings(broker, topic_prefix)
    names = (RAW, EVENTS, VERDICTS, DEAD_LETTERS)
    await TopicProvisioner(settings, names, client_id="test").start()
    return Topics(settings)


@pytest.fixture
def environment(broker: RunningBroker, topic_prefix: str, tmp_path: Path) -> dict[str, str]:
    """What the services are told: to stop at the fifth bad record in a row."""
    register = tmp_path / "publishers.yaml"
    register.write_text("publishers: {}\n", encoding="utf-8")
    return {
        **service_environment(broker, topic_prefix),
        "PURPOSEWATCH_PUBLISHERS_FILE": str(register),
        "PURPOSEWATCH_DEAD_LETTER_MAX_CONSECUTIVE": "5",
    }


def register_crm(register: Path) -> None:
    """Put the publisher of the examples into the register."""
    digest = "ab" * 32
    register.write_text(
        f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [wework-labs]}}}}\n",
        encoding="utf-8",
    )


async def until_stopped(service: ServiceProcess) -> None:
    """Wait until the consumer has stopped itself."""
    async with asyncio.timeout(40):
        while "consumer stopped itself" not in service.logs:
            await asyncio.sleep(0.1)


async def records_of(topics: Topics, short: str, count: int) -> list[bytes]:
    """The values of a topic, once there are so many."""
    async with topics.reading(short) as more, asyncio.timeout(60):
        while len(records := await more()) < count:
            pass
        return [record.value for record in records]


async def test_bad_records_are_dead_lettered_with_a_higher_limit(
    topics: Topics, environment: dict[str, str]
) -> None:
    """With a higher limit for one run, bad ones are dead-lettered and good ones decided."""
    await topics.publish([event(n) for n in range(30)])
    await topics.publish([b"no event"] * 30)
    await topics.publish([event(n) for n in range(30, 60)])
    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        await until_stopped(auditor)
        async with asyncio.timeout(20):
            while await metric(auditor, LAG) < 60:  # it is also known while nothing moves
                await asyncio.sleep(0.1)
        assert await metric(auditor, "purposewatch_consumer_stopped") == 1
        assert await auditor.terminate() == 0
    raised = {**environment, "PURPOSEWATCH_DEAD_LETTER_MAX_CONSECUTIVE": "1000"}
    async with ServiceProcess("purposewatch_auditor", raised) as auditor:
        verdicts = await topics.verdicts(partial(has_judged, 60))
        letters = await records_of(topics, DEAD_LETTERS, 30)
        await auditor.wait_ready()

    bad = [DeadLetter.model_validate_json(letter).position for letter in letters]
    places = [(position.partition, position.offset) for position in bad]
    assert sorted(places) == [(p, o) for p in range(3) for o in range(10, 20)]
    assert judged(verdicts) == {(p, o) for p in range(3) for o in range(30) if not 10 <= o < 20}


async def test_good_records_that_only_looked_bad(
    topics: Topics, environment: dict[str, str]
) -> None:
    """With the publisher registered, a restart takes every record in; none was dead-lettered."""
    data = {key: value for key, value in EXAMPLE["data"].items() if key != "subject"}
    submitted = [
        json.dumps(
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": "/crm",
                "type": "purposewatch.data_access.v1",
                "time": datetime.now(UTC).isoformat(),
                "data": {**data, **PERMITTED, "subject_id": f"m-{number}"},
            }
        ).encode()
        for number in range(30)
    ]
    raw = Topics(topics.settings)
    raw.name = lambda short: topics.name(RAW if short == EVENTS else short)  # type: ignore[method-assign]
    await raw.publish(list(submitted))
    async with ServiceProcess("purposewatch_ingest", environment) as ingest:
        await until_stopped(ingest)
        assert await ingest.terminate() == 0
        register_crm(Path(environment["PURPOSEWATCH_PUBLISHERS_FILE"]))
        ingest.start()
        events = await records_of(topics, EVENTS, 30)
        await ingest.wait_ready()
        assert await ingest.terminate() == 0

    assert {json.loads(one)["id"] for one in events} == {f"e-{n}" for n in range(30)}
    assert await topics.is_empty(DEAD_LETTERS)
