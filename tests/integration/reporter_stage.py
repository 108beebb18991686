"""A load of verdicts for a real reporter, and the stage on which it ledger them."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from purposewatch_contract import DEAD_LETTERS, EVENTS, RAW, VERDICTS, topic_name
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.ledgers import load_ledgers
from purposewatch_reporter.store.positions import load_next_offsets
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, TopicProvisioner
from tests.harness.broker import RunningBroker
from tests.harness.environment import kafka_settings, service_environment
from tests.harness.scrape import until_json
from tests.harness.service import ServiceProcess
from tests.unit.reporter.records import dead_letter, verdict
from tests.unit.reporter.reference_ledger import PlainLedger, comparable, stored_ledger

PARTITIONS = 3


class Load:
    """Verdicts and dead letters about all events but a few, in the worst order there may be."""

    def __init__(self, topic_prefix: str, *, events: int, seed: int) -> None:
        self._prefix = topic_prefix
        self._random = random.Random(seed)  # noqa: S311 - a load that can be repeated
        self.events = events
        self.verdicts: dict[int, list[Any]] = {}
        self.dead_letters: dict[int, list[dict[str, Any]]] = {}
        self.unaccounted: Counter[int] = Counter()
        for partition in range(PARTITIONS):
            self._fill(partition)

    def _fill(self, partition: int) -> None:
        chance = self._random
        order: list[Any] = []
        held_back: list[dict[str, Any]] = []
        letters: list[dict[str, Any]] = []
        for offset in range(self.events):
            what = chance.random()
            if what < 0.01:
                self.unaccounted[partition] += 1
                order += [b"nonsense"] if what < 0.005 else []
                continue
            if what < 0.04:
                letters += [self._letter(partition, offset)] * chance.choice([1, 1, 2])
                continue
            value = self._verdict(partition, offset)
            (held_back if what < 0.06 else order).append(value)
            if what > 0.95:  # resent, a while later
                held_back.append(value)
        for start in range(0, len(order), 7):  # a later batch overtakes an earlier one
            if chance.random() < 0.2:
                window = order[start : start + 7]
                chance.shuffle(window)
                order[start : start + 7] = window
        chance.shuffle(held_back)
        letters += [
            dead_letter(partition, offset, topic="raw", prefix=self._prefix) for offset in (1, 2, 1)
        ]
        self.verdicts[partition] = order + held_back
        self.dead_letters[partition] = letters

    def _verdict(self, partition: int, offset: int) -> dict[str, Any]:
        chance = self._random
        outcome = chance.choice(["permitted"] * 8 + ["violation", "unknown"])
        # one in some twenty ids was used before, by an event near or far
        number = chance.randrange(offset + 1) if chance.random() < 0.05 else offset
        return verdict(
            partition,
            offset,
            event_id=f"event-{partition}-{number}",
            content=chance.choice(["first", "first", "other"]),
            outcome=outcome,
            categories={"user.name": outcome, "user.contact": "permitted"},
            event_time=f"2026-03-02T{chance.randrange(24):02}:15:00Z",
            publisher="crm",
            role=chance.choice(["member", "visitor"]),
            prefix=self._prefix,
        )

    def _letter(self, partition: int, offset: int) -> dict[str, Any]:
        return dead_letter(partition, offset, prefix=self._prefix)

    def expected(self) -> PlainLedger:
        """The ledger that follow, whatever happens on the way."""
        ledger = PlainLedger()
        for partition in range(PARTITIONS):
            for position, value in enumerate(self.verdicts[partition]):
                if isinstance(value, bytes):
                    ledger.dead_lettered.add((f"{self._prefix}.verdicts", partition, position))
                else:
                    ledger.verdict(value)
            for letter in self.dead_letters[partition]:
                ledger.dead_letter(letter)
        return ledger

    def accounted(self) -> int:
        """How many events have a verdict or a dead letter."""
        return PARTITIONS * self.events - self.unaccounted.total()


class Stage:
    """A broker with topics and a load, a database, and reporters that work on them."""

    def __init__(
        self, broker: RunningBroker, prefix: str, url: str, producer: AcknowledgedProducer
    ) -> None:
        self.prefix = prefix
        self.producer = producer
        self.database = Database(SecretStr(url))
        self.environment = {
            **service_environment(broker, prefix),
            "PURPOSEWATCH_KAFKA_MAX_BATCH_RECORDS": "40",
            "PURPOSEWATCH_DATABASE_URL": url,
            "PURPOSEWATCH_REPORTER_RECONCILE_SECONDS": "0.2",
            # the load has a date of its own, and is compared by the hour whenever that is
            "PURPOSEWATCH_REPORTER_FLOW_HOURS_DAYS": "36500",
        }

    def reporter(self, **more: str) -> ServiceProcess:
        """A reporter, not yet started."""
        return ServiceProcess("purposewatch_reporter", {**self.environment, **more})

    async def publish(self, load: Load, *, pause: float = 0.0) -> None:
        """Publish the load bit by bit, so that there is something to interrupt."""
        await self._publish(RAW, dict.fromkeys(range(PARTITIONS), [b"{}"] * 3), 3, 0)
        await self._publish(EVENTS, dict.fromkeys(range(PARTITIONS), [b"{}"] * load.events), 500, 0)
        await asyncio.gather(
            self._publish(VERDICTS, load.verdicts, 25, pause),
            self._publish(DEAD_LETTERS, load.dead_letters, 5, pause),
        )

    async def _publish(
        self, name: Any, values: dict[int, list[Any]], size: int, pause: float
    ) -> None:
        topic = topic_name(self.prefix, name)
        for start in range(0, max(map(len, values.values())), size):
            await self.producer.publish(
                [
                    OutgoingRecord(
                        topic,
                        value
                        if isinstance(value, bytes)
                        else json.dumps(value, separators=(",", ":")).encode(),
                        partition=partition,
                    )
                    for partition, all_values in values.items()
                    for value in all_values[start : start + size]
                ]
            )
            await asyncio.sleep(pause)

    async def recorded(self) -> int:
        """How many events are accounted for in the database, as far as it can be read."""
        try:
            async with self.database.reading() as connection:
                ledgers = await load_ledgers(connection, topic_name(self.prefix, EVENTS))
        except Exception:  # noqa: BLE001 - no tables yet, or the server is away
            return 0
        return sum(len(ledger.accounted) for ledger in ledgers.values())

    async def wait_recorded(self, count: int, *, seconds: float = 60) -> None:
        """Wait until that many events are accounted for."""
        async with asyncio.timeout(seconds):
            while await self.recorded() < count:
                await asyncio.sleep(0.02)

    async def assert_ledger(self, load: Load, reporter: ServiceProcess) -> None:
        """The database and the API say what plain dictionaries say."""
        await self.wait_recorded(load.accounted())
        expected = load.expected()
        await self._wait_read(load)
        stored = await stored_ledger(self.database, topic_name(self.prefix, EVENTS))
        assert comparable(stored) == comparable(expected)
        ledger = await until_json(
            reporter,
            "/api/v1/ledger",
            lambda found: all(
                (partition["events"], partition["unaccounted"] + partition["pending"])
                == (load.events, load.unaccounted[partition["partition"]])
                for partition in found["partitions"]
            ),
        )
        assert ledger["reconciled"] is False
        assert len(ledger["partitions"]) == PARTITIONS
        for partition in ledger["partitions"]:
            number = partition["partition"]
            assert partition["verdicts"] == expected.verdicts[number]
            assert partition["dead_letters"] == expected.dead_letters[number]
            assert partition["duplicates"] == expected.duplicates[number]
            assert partition["conflicts"] == expected.conflicts[number]

    async def _wait_read(self, load: Load) -> None:
        """Wait until the last record of every partition has been read, repeats included."""
        async with asyncio.timeout(60):
            for name, values in ((VERDICTS, load.verdicts), (DEAD_LETTERS, load.dead_letters)):
                topic = topic_name(self.prefix, name)
                while True:
                    async with self.database.reading() as connection:
                        found = await load_next_offsets(connection, topic, range(PARTITIONS))
                    if found == {partition: len(all_) for partition, all_ in values.items()}:
                        break
                    await asyncio.sleep(0.05)


def _in_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()  # as the services write


@asynccontextmanager
async def stage_on(broker: RunningBroker, prefix: str, url: str) -> AsyncIterator[Stage]:
    """Topics and a producer, and a way to look into the database."""
    settings = kafka_settings(broker, prefix)
    await TopicProvisioner(
        settings, (RAW, EVENTS, VERDICTS, DEAD_LETTERS), client_id="test"
    ).start()
    producer = AcknowledgedProducer(settings, client_id="test")
    await producer.start()
    stage = Stage(broker, prefix, url, producer)
    try:
        yield stage
    finally:
        await producer.stop()
        await stage.database.stop()
