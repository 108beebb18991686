"""Records that end the process: found and dead-lettered, and no other record with them."""

import asyncio
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from purposewatch_contract import DEAD_LETTERS, EVENTS, RAW, VERDICTS, DeadLetter, ErrorClass
from purposewatch_runtime.kafka import TopicProvisioner, build_admin
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.service import ServiceProcess
from tests.integration.dying_service import MARKER, STATUS
from tests.integration.test_auditor import (
    Topics,
    all_positions,
    event,
    has_judged,
    judged,
)

# The embedded broker does not keep what is committed beside an offset.
pytestmark = pytest.mark.parametrize(
    "broker", [pytest.param("apache_kafka", marks=pytest.mark.apache_kafka)], indirect=True
)

MAX_CRASHES = 2
MOST_CRASHES = MAX_CRASHES + 2


@pytest.fixture
async def topics(broker: RunningBroker, topic_prefix: str) -> Topics:
    """Provisioned topics under the test's own prefix."""
    settings = kafka_settings(broker, topic_prefix)
    names = (RAW, EVENTS, VERDICTS, DEAD_LETTERS)
    await TopicProvisioner(settings, names, client_id="test").start()
    return Topics(settings)


@pytest.fixture
def environment(broker: RunningBroker, topic_prefix: str, tmp_path: Path) -> dict[str, str]:
    """What the services are told."""
    register = tmp_path / "publishers.yaml"
    register.write_text("publishers: {}\n", encoding="utf-8")
    return {
        **service_environment(broker, topic_prefix),
        "PURPOSEWATCH_PUBLISHERS_FILE": str(register),
        "PURPOSEWATCH_KAFKA_MAX_BATCH_RECORDS": "100",
        "PURPOSEWATCH_KAFKA_POISON_MAX_CRASHES": str(MAX_CRASHES),
    }


async def letters_of(topics: Topics, count: int) -> list[DeadLetter]:
    """The dead letters, once there are so many."""
    async with topics.reading(DEAD_LETTERS) as more, asyncio.timeout(60):
        while len(records := await more()) < count:
            pass
        return [DeadLetter.model_validate_json(record.value) for record in records]


async def restart_until_it_lives(service: ServiceProcess, finished: asyncio.Task[Any]) -> int:
    """Start the process again whenever it dies, as an orchestrator does; how often it died."""
    deaths = 0
    ended = asyncio.create_task(service.wait_ended())
    while True:
        await asyncio.wait((ended, finished), return_when=asyncio.FIRST_COMPLETED)
        if finished.done():
            ended.cancel()
            return deaths
        assert await ended == STATUS, service.logs
        deaths += 1
        service.start()
        ended = asyncio.create_task(service.wait_ended())


async def test_poison_among_events_is_dead_lettered(
    topics: Topics, environment: dict[str, str]
) -> None:
    """After a few deaths the one bad event is a dead letter, whole, and all others are judged."""
    values: list[bytes | None] = [event(n) for n in range(600)]
    values[333] = b"x" + MARKER
    await topics.publish(values)
    bad = (333 % 3, 333 // 3)

    environment["DYING_SERVICE"] = "auditor"
    dying = "tests.integration.dying_service"
    async with ServiceProcess(dying, environment, service="auditor") as auditor:
        finished = asyncio.create_task(topics.verdicts(partial(has_judged, 599)))
        deaths = await restart_until_it_lives(auditor, finished)
        verdicts = await finished
        [letter] = await letters_of(topics, 1)

    assert judged(verdicts) == all_positions(600) - {bad}
    assert (letter.position.partition, letter.position.offset) == bad
    assert (letter.error_class, letter.value) == (ErrorClass.POISON, values[333])
    assert letter.reason.startswith(f"{MAX_CRASHES} processes in a row crashed")
    assert 1 <= deaths <= MOST_CRASHES


async def test_poison_in_the_raw_topic_is_dead_lettered(
    topics: Topics, environment: dict[str, str]
) -> None:
    """Ingest goes on behind a raw record that ends it; the neighbours are looked at as usual."""
    settings = topics.settings
    raw = Topics(settings)
    raw.name = lambda short: topics.name(RAW if short == EVENTS else short)  # type: ignore[method-assign]
    await raw.publish([*[b"no json"] * 30, MARKER, *[b"no json"] * 29])

    environment["DYING_SERVICE"] = "ingest"
    dying = "tests.integration.dying_service"
    async with ServiceProcess(dying, environment, service="ingest") as ingest:
        finished = asyncio.create_task(letters_of(topics, 60))
        await restart_until_it_lives(ingest, finished)
        letters = await finished

    classes = {(one.position.partition, one.position.offset): one.error_class for one in letters}
    assert set(classes) == all_positions(60)
    assert {place for place, found in classes.items() if found is ErrorClass.POISON} == {(0, 10)}


async def test_ten_kills_under_load_dead_letter_nothing(
    topics: Topics, environment: dict[str, str]
) -> None:
    """Good records outlive any number of processes killed at any moment of their work.

    The last one, stopped in good order, leaves nothing for its successor to be careful of.
    """
    dice = random.Random(11)  # noqa: S311 - the same kills every time
    published = 0
    killed = asyncio.Event()

    async def publish() -> None:
        nonlocal published
        while not killed.is_set():
            await topics.publish([event(published + n) for n in range(90)])
            published += 90
            await asyncio.sleep(0.2)

    async with ServiceProcess("purposewatch_auditor", environment) as auditor:
        publishing = asyncio.create_task(publish())
        for number in range(10):
            async with asyncio.timeout(30):
                while auditor.logs.count("partitions assigned") <= number:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(dice.uniform(0.0, 0.7))
            auditor.kill()
            auditor.start()
        killed.set()
        await publishing
        # more than the length of a batch in each partition, for so long the last one is careful
        await topics.publish([event(published + n) for n in range(900)])
        published += 900
        verdicts = await topics.verdicts(partial(has_judged, published))
        await auditor.wait_ready()
        assert await auditor.terminate() == 0
        assert await topics.is_empty(DEAD_LETTERS)

    assert judged(verdicts) == all_positions(published)
    assert await marks_of(topics) == {""}


async def marks_of(topics: Topics) -> set[str]:
    """What stands beside the auditors' offsets."""
    admin = build_admin(topics.settings, client_id="test")
    await admin.start()
    group = f"{topics.settings.topic_prefix}.auditor"
    kept = await admin.list_consumer_group_offsets(group)
    await admin.close()
    assert len(kept) == 3
    return {each.metadata for each in kept.values()}
