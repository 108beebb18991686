"""States consents and withdraws them, and sends events about the same subjects that race them."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from purposewatch_contract import FACTS, RAW, topic_name
from purposewatch_demo.flows import Transport
from purposewatch_demo.tally import Recorded
from purposewatch_demo.traffic import Batch, Item
from purposewatch_policy import Outcome
from tests.chaos.world import FACTS_PUBLISHER, PARTITIONS

if TYPE_CHECKING:
    import httpx
    from aiokafka import AIOKafkaProducer

    from tests.chaos.senders import Senders
    from tests.chaos.world import World

_SUBJECTS = 24
_WORKERS = 4
_RACES = 0.3
"""Share of events that are sent while the statement is still under way."""
_SETTLE_SECONDS = 20.0
_PAUSE_SECONDS = 0.15
_CONTROLLER = "wework-labs"
_FACT = "consent.marketing"
_FLOW = {
    "controller": _CONTROLLER,
    "role": "visitor",
    "operation": "use",
    "purpose": "marketing.advertising.serving",
    "recipient": "first_party",
    "data_categories": ["user.contact.email"],
    "legal_basis": "consent",
    "facts": {"visit.website": True, _FACT: True},
}
_SENT = Recorded(Outcome.PERMITTED)


class Kind(Enum):
    """What a piece is."""

    EVENT = "/v1/events"
    FACT = "/v1/facts"


@dataclass(slots=True)
class Stated:
    """What is known of the statements and events of a run, by source and id."""

    settled: dict[str, float] = field(default_factory=dict)
    """When a statement was read from the facts topic by anybody: it was certainly there."""
    begun: dict[str, float] = field(default_factory=dict)
    """When an event about a subject with facts was first sent."""


class FactTraffic:
    """Sends through the senders, until they are stopped."""

    def __init__(self, world: World, senders: Senders, *, seed: int) -> None:
        self.stated = Stated()
        self._world = world
        self._senders = senders
        self._chance = random.Random(f"{seed}/facts")  # noqa: S311 - no secret
        self._source = f"/{FACTS_PUBLISHER}/consents"
        self._number = 0
        self._news = asyncio.Event()

    async def run(self, ingest: httpx.AsyncClient, producer: AIOKafkaProducer) -> None:
        """Send until the senders are stopped, and then until every piece has its answer."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._world.kafka.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        topic = topic_name(self._world.prefix, FACTS)
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        await consumer.start()
        following = asyncio.create_task(self._follow(consumer))
        try:
            async with asyncio.TaskGroup() as group:
                for worker in range(_WORKERS):
                    group.create_task(self._work(ingest, producer, worker))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await consumer.stop()

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        """Note what is in the facts topic: it is there for whoever looks from then on."""
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                now = asyncio.get_running_loop().time()
                for record in records:
                    name = json.loads(record.value)["id"]
                    self.stated.settled.setdefault(name, now)
                self._news.set()

    async def _work(
        self, ingest: httpx.AsyncClient, producer: AIOKafkaProducer, worker: int
    ) -> None:
        while not self._senders.stopping:
            subject = f"visitor-{self._chance.randrange(_SUBJECTS) * _WORKERS + worker}"
            name, statement = self._statement(subject)
            if self._chance.random() < _RACES:
                await asyncio.gather(
                    self._send(ingest, producer, statement, Kind.FACT),
                    self._send(ingest, producer, self._event(subject), Kind.EVENT),
                )
            else:
                await self._send(ingest, producer, statement, Kind.FACT)
                await self._settle(name)
                await self._send(ingest, producer, self._event(subject), Kind.EVENT)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _settle(self, name: str) -> None:
        """Wait until a statement is in the facts topic; not for ever, while ingest is down."""
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                while name not in self.stated.settled:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass

    def _statement(self, subject: str) -> tuple[str, bytes]:
        now = self._senders.now().isoformat()
        data: dict[str, Any] = {
            "controller": _CONTROLLER,
            "fact": _FACT,
            "value": self._chance.random() < 0.5,
            "effective_from": now,
            "subject_id": subject,
        }
        return self._message("purposewatch.fact.v1", now, data)

    def _event(self, subject: str) -> bytes:
        now = self._senders.now().isoformat()
        name, body = self._message(
            "purposewatch.data_access.v1", now, {**_FLOW, "subject_id": subject}
        )
        self.stated.begun[name] = asyncio.get_running_loop().time()
        return body

    def _message(self, kind: str, time: str, data: dict[str, Any]) -> tuple[str, bytes]:
        self._number += 1
        name = f"f-{self._number}"
        message = {
            "specversion": "1.0",
            "id": name,
            "source": self._source,
            "type": kind,
            "time": time,
            "datacontenttype": "application/json",
            "data": data,
        }
        return name, json.dumps(message, separators=(",", ":")).encode()

    async def _send(
        self, ingest: httpx.AsyncClient, producer: AIOKafkaProducer, body: bytes, kind: Kind
    ) -> None:
        """Send through either way in, until it is certainly accepted."""
        item = Item(body, _SENT)
        if self._chance.random() < 0.5:
            raw = topic_name(self._world.prefix, RAW)
            await self._senders.produce(producer, raw, [item], self._senders.sent.raw_of(kind))
        else:
            batch = Batch(FACTS_PUBLISHER, Transport.SINGLE, (item,))
            await self._senders.post(ingest, batch, kind)
