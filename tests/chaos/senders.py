"""Sends what the supply gives, until each piece has a definite response."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from aiokafka.errors import KafkaError

from purposewatch_contract import EVENTS, RAW, topic_name
from purposewatch_demo.flows import Transport
from purposewatch_runtime.kafka import build_producer
from tests.chaos.fact_traffic import FactTraffic, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aiokafka import AIOKafkaProducer

    from purposewatch_demo.traffic import Batch, Item
    from tests.chaos.supply import Supply
    from tests.chaos.world import World

_WORKERS = 6
_STRAY_EVERY = 5.0
_FIRST_PAUSE = 0.1
_LAST_PAUSE = 1.0
_ANSWER_SECONDS = 15.0
_ACCEPTED = 202
_SERVER_ERROR = 500
_FOREIGN_KEY = "pwk_nobody_issued_this_key"
_STRUCTURED = "application/cloudevents+json"
_BATCHED = "application/cloudevents-batch+json"


@dataclass(slots=True)
class Fate:
    """What is known of one piece: how often it was sent, and how often certainly accepted."""

    item: Item
    sure: int = 0
    at_most: int = 0
    """Attempts that may have succeeded: the answer was lost, or was a server error."""


@dataclass(slots=True)
class Sent:
    """Everything that was sent, by its bytes."""

    http: dict[bytes, Fate] = field(default_factory=dict)
    raw: dict[bytes, Fate] = field(default_factory=dict)
    strays: dict[bytes, Fate] = field(default_factory=dict)
    http_facts: dict[bytes, Fate] = field(default_factory=dict)
    raw_facts: dict[bytes, Fate] = field(default_factory=dict)
    refused: int = 0
    wrong_answers: list[str] = field(default_factory=list)
    in_doubt: int = 0
    """Pieces that were given up without a definite response."""

    def http_of(self, kind: Kind) -> dict[bytes, Fate]:
        """What was sent over HTTP of this kind."""
        return self.http if kind is Kind.EVENT else self.http_facts

    def raw_of(self, kind: Kind) -> dict[bytes, Fate]:
        """What was sent through the raw topic of this kind."""
        return self.raw if kind is Kind.EVENT else self.raw_facts

    @property
    def _all(self) -> list[Fate]:
        kinds = (self.http, self.raw, self.strays, self.http_facts, self.raw_facts)
        return [fate for kind in kinds for fate in kind.values()]

    @property
    def pieces(self) -> int:
        """Pieces that were certainly accepted."""
        return sum(fate.sure for fate in self._all)

    @property
    def unknowable(self) -> int:
        """Attempts with unknown outcome."""
        return sum(fate.at_most - fate.sure for fate in self._all)


class Senders:
    """Sends at a steady rate until stopped; then finishes what was started."""

    def __init__(self, world: World, supply: Supply, *, rate: float, seed: int) -> None:
        self.sent = Sent()
        self.facts = FactTraffic(world, self, seed=seed)
        self._world = world
        self._supply = supply
        self._rate = rate
        self._stopping = asyncio.Event()
        self._due = 0.0

    def stop(self) -> None:
        """Start nothing new."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether nothing new is to be started."""
        return self._stopping.is_set()

    def now(self) -> datetime:
        """When events happen."""
        return self._supply.now()

    async def run(self) -> None:
        """Send until stopped, and then until every piece has its answer."""
        producer = build_producer(self._world.kafka_settings, client_id="chaos")
        await producer.start()
        url = self._world.services["ingest"].base_url
        self._due = asyncio.get_running_loop().time()
        try:
            async with (
                httpx.AsyncClient(base_url=url, timeout=_ANSWER_SECONDS) as ingest,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(_WORKERS):
                    group.create_task(self._work(ingest, producer))
                group.create_task(self._stray(producer))
                group.create_task(self.facts.run(ingest, producer))
        finally:
            await producer.stop()

    async def _work(self, ingest: httpx.AsyncClient, producer: AIOKafkaProducer) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            batch = self._supply.next()
            # what couldn't be sent in time is not made up for: the load stays steady
            self._due = max(self._due, loop.time() - 1.0) + len(batch.items) / self._rate
            await asyncio.sleep(max(0.0, self._due - loop.time()))
            try:
                if batch.transport is Transport.RAW:
                    topic = topic_name(self._world.prefix, RAW)
                    await self.produce(producer, topic, batch.items, self.sent.raw)
                else:
                    accepted = await self.post(ingest, batch, Kind.EVENT)
                    if accepted:
                        self._supply.accepted(batch.publisher, batch.items)
            except asyncio.CancelledError:
                self.sent.in_doubt += len(batch.items)
                raise

    async def _stray(self, producer: AIOKafkaProducer) -> None:
        topic = topic_name(self._world.prefix, EVENTS)
        while not self._stopping.is_set():
            await self.produce(producer, topic, [self._supply.stray()], self.sent.strays)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=_STRAY_EVERY)

    async def produce(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        items: Sequence[Item],
        fates: dict[bytes, Fate],
    ) -> None:
        """Produce until each piece is acknowledged."""
        waiting = list(items)
        pause = _FIRST_PAUSE
        while waiting:
            answers = await asyncio.gather(
                *(self._produce_one(producer, topic, item, fates) for item in waiting)
            )
            waiting = [item for item, taken in zip(waiting, answers, strict=True) if not taken]
            if waiting:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_PAUSE)

    async def _produce_one(
        self, producer: AIOKafkaProducer, topic: str, item: Item, fates: dict[bytes, Fate]
    ) -> bool:
        fate = fates.setdefault(item.body, Fate(item))
        fate.at_most += 1
        try:
            await (await producer.send(topic, item.body))
        except KafkaError:
            return False
        fate.sure += 1
        return True

    async def post(self, ingest: httpx.AsyncClient, batch: Batch, kind: Kind) -> bool:
        """Post until there is an answer that is certain; whether the batch was accepted."""
        known = self.sent.http_of(kind)
        fates = [known.setdefault(item.body, Fate(item)) for item in batch.items]
        status = await self._ask(ingest, batch, fates, kind)
        if status != batch.status:
            self.sent.wrong_answers.append(f"{status} instead of {batch.status}")
        if status == _ACCEPTED:
            for fate in fates:
                fate.sure += 1
            return True
        self.sent.refused += 1
        for fate in fates:
            fate.at_most -= 1
        return False

    async def _ask(
        self, ingest: httpx.AsyncClient, batch: Batch, fates: Sequence[Fate], kind: Kind
    ) -> int:
        """Send the same again until there is an answer that is certain; its status."""
        content, headers = self._request(batch)
        pause = _FIRST_PAUSE
        while True:
            for fate in fates:
                fate.at_most += 1
            try:
                answer = await ingest.post(kind.value, content=content, headers=headers)
            except httpx.ConnectError:
                for fate in fates:
                    fate.at_most -= 1  # nobody was there to take it
            except httpx.TransportError:
                pass  # it may have been taken, and the answer lost
            else:
                if answer.status_code < _SERVER_ERROR:
                    return answer.status_code
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE)

    def _request(self, batch: Batch) -> tuple[bytes, dict[str, str]]:
        key = _FOREIGN_KEY if batch.foreign_key else self._world.keys[batch.publisher]
        headers: dict[str, str] = {"authorization": f"Bearer {key}", "content-type": _STRUCTURED}
        content = batch.items[0].body
        if batch.transport is Transport.BATCH:
            headers["content-type"] = _BATCHED
            content = b"[" + b",".join(item.body for item in batch.items) + b"]"
        elif batch.transport is Transport.BINARY:
            event: dict[str, Any] = json.loads(content)
            content = json.dumps(event.pop("data")).encode()
            headers["content-type"] = event.pop("datacontenttype")
            headers |= {f"ce-{name}": str(value) for name, value in event.items()}
        return content, headers
