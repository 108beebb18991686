"""Delivers batches to ingest until it has answered for certain."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from purposewatch_demo.flows import Transport
from purposewatch_demo.tally import Rejected, Tally, Unforeseen
from purposewatch_demo.traffic import Batch, Item
from purposewatch_runtime.retry import Backoff, retry

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"

_ACCEPTED = 202
_SERVER_ERROR = 500
_CLIENT_ERROR = 400
_FOREIGN_KEY = "pwk_nobody_issued_this_key"
_BACKOFF = Backoff(first_seconds=0.1, last_seconds=2.0)


class _UndeliveredError(Exception):
    """Kafka or ingest did not take the events; they are sent again."""


@dataclass(slots=True)
class Deliveries:
    """What became of everything that was handed over."""

    tally: Tally = field(default_factory=Tally)
    resent: int = 0
    """Events sent again because the answer was lost: ingest may have them twice."""
    unexpected: Counter[str] = field(default_factory=Counter)
    """Answers that were not the expected ones, with how many events they were about."""
    in_doubt: int = 0
    """Events given up on without an answer."""


class Sender:
    """Hands batches over: over HTTP, or as records of the raw topic.

    Without a producer it must be given none for the raw topic.
    """

    def __init__(
        self,
        ingest: httpx.AsyncClient,
        producer: AIOKafkaProducer | None,
        *,
        raw_topic: str,
        keys: Mapping[str, str],
    ) -> None:
        self.deliveries = Deliveries()
        self._ingest = ingest
        self._producer = producer
        self._raw_topic = raw_topic
        self._keys = keys

    async def deliver(self, batch: Batch) -> None:
        """Return once ingest or Kafka has answered for all of it.

        Retries with back-off for as long as it takes. When cancelled meanwhile, its
        events are counted as in doubt. What they need to be stated is acknowledged before.
        """
        try:
            for system, facts in batch.facts.items():
                await self._state(system, facts)
            if batch.transport is Transport.RAW:
                await self._produce(batch.items)
            else:
                await self._post(batch, batch.items)
        except asyncio.CancelledError:
            self.deliveries.in_doubt += len(batch.items)
            raise

    async def _state(self, system: str, facts: Sequence[bytes]) -> None:
        request = {
            "headers": {
                "authorization": f"Bearer {self._keys[system]}",
                "content-type": BATCHED,
            },
            "content": b"[" + b",".join(facts) + b"]",
        }
        answer = await self._ask("/v1/facts", request, repeats=0)
        if answer.status_code == _ACCEPTED:
            self.deliveries.tally.facts += len(facts)
        else:
            self.deliveries.unexpected[f"{answer.status_code} {_detail(answer)}"] += len(facts)

    async def _produce(self, items: Sequence[Item]) -> None:
        waiting = list(items)
        headers = [("content-type", STRUCTURED.encode())]

        async def attempt() -> None:
            nonlocal waiting
            answers = await asyncio.gather(
                *[self._produce_one(item.body, headers) for item in waiting],
                return_exceptions=True,
            )
            failed = []
            for item, answer in zip(waiting, answers, strict=True):
                if isinstance(answer, KafkaError):
                    failed.append(item)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    self.deliveries.tally.add([item.expected])
            if failed:
                self.deliveries.resent += len(failed)
                waiting = failed
                raise _UndeliveredError

        await retry(attempt, backoff=_BACKOFF, on=_UndeliveredError)

    async def _produce_one(self, body: bytes, headers: list[tuple[str, bytes]]) -> None:
        assert self._producer is not None  # noqa: S101 - see the class's promise
        await (await self._producer.send(self._raw_topic, body, headers=headers))

    async def _post(self, batch: Batch, items: Sequence[Item]) -> None:
        answer = await self._ask("/v1/events", self._request(batch, items), repeats=len(items))
        await self._take_answer(batch, items, answer)

    async def _ask(self, path: str, request: dict[str, Any], *, repeats: int) -> httpx.Response:
        """Ask until there is an answer; `repeats` is what a lost answer may add to the ledger."""

        async def attempt() -> httpx.Response:
            try:
                answer = await self._ingest.post(path, **request)
            except httpx.ConnectError as error:
                raise _UndeliveredError from error  # nobody was there to take it
            except httpx.TransportError as error:
                self.deliveries.resent += repeats
                raise _UndeliveredError from error
            if answer.status_code >= _SERVER_ERROR:
                self.deliveries.resent += repeats
                raise _UndeliveredError
            return answer

        return await retry(attempt, backoff=_BACKOFF, on=_UndeliveredError)

    async def _take_answer(
        self, batch: Batch, items: Sequence[Item], answer: httpx.Response
    ) -> None:
        tally = self.deliveries.tally
        status = answer.status_code
        foreseen = not isinstance(items[0].expected, Unforeseen)
        if status == (batch.status if foreseen else _ACCEPTED):
            tally.add(item.expected for item in items)
        elif foreseen or status < _CLIENT_ERROR:
            self.deliveries.unexpected[f"{status} {_detail(answer)}"] += len(items)
        elif len(items) == 1:
            tally.add([Rejected(status)])
        else:
            # one bad event refuses its whole batch: find it by halving
            middle = len(items) // 2
            await self._post(batch, items[:middle])
            await self._post(batch, items[middle:])

    def _request(self, batch: Batch, items: Sequence[Item]) -> dict[str, Any]:
        key = _FOREIGN_KEY if batch.foreign_key else self._keys[batch.publisher]
        headers = {"authorization": f"Bearer {key}"}
        match batch.transport:
            case Transport.BATCH:
                headers["content-type"] = BATCHED
                content = b"[" + b",".join(item.body for item in items) + b"]"
            case Transport.BINARY:
                event = json.loads(items[0].body)
                content = json.dumps(event.pop("data")).encode()
                headers["content-type"] = event.pop("datacontenttype")
                headers |= {f"ce-{name}": str(value) for name, value in event.items()}
            case _:
                headers["content-type"] = STRUCTURED
                content = items[0].body
        return {"headers": headers, "content": content}


def _detail(answer: httpx.Response) -> str:
    """The problem's own words; they quote no value."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
    return str(detail)
