"""Sends generated traffic to a running Purposewatch, and says every few seconds how it goes."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx
from aiokafka import AIOKafkaProducer
from rich.text import Text

from purposewatch_cli.terminal import console, counted, printable
from purposewatch_contract import RAW, topic_name
from purposewatch_demo.deliver import Sender
from purposewatch_demo.feed import Feeder, Pace
from purposewatch_demo.flows import Transport, planned_traffic
from purposewatch_demo.interrupts import Interrupts
from purposewatch_demo.tally import DeadLettered
from purposewatch_demo.traffic import Batch, Traffic
from purposewatch_runtime.kafka import build_producer
from purposewatch_runtime.settings import KafkaSettings

_CLIENT_ID = "purposewatch-traffic"
_LARGEST = 40
_REPORT_EVERY_SECONDS = 10.0
_DELIVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    url: str
    keys: dict[str, str]
    kafka: KafkaSettings | None
    """Where the raw topic is; without it everything goes over HTTP."""
    rate: float
    seconds: float | None
    seed: int


async def send_traffic(options: Options) -> int:
    """Send until the time is over or a signal comes; 0 when every answer was the expected one."""
    interrupts = Interrupts()
    interrupts.take()
    interrupts.begin_gently()
    traffic = Traffic(planned_traffic(), seed=options.seed, largest=_LARGEST)
    out = console()
    async with AsyncExitStack() as stack:
        ingest = await stack.enter_async_context(
            httpx.AsyncClient(base_url=options.url, timeout=httpx.Timeout(30.0), trust_env=False)
        )
        producer, topic = None, ""
        if options.kafka is not None:
            producer = build_producer(options.kafka, client_id=_CLIENT_ID)
            stack.push_async_callback(producer.stop)
            await producer.start()
            topic = topic_name(options.kafka.topic_prefix, RAW)
        sender = Sender(ingest, producer, raw_topic=topic, keys=options.keys)
        feeder = Feeder(_source(traffic, producer), sender.deliver, Pace(options.rate))
        feeding = asyncio.create_task(feeder.run())
        stack.push_async_callback(_end, feeding)
        begun = time.monotonic()
        while not feeding.done():
            left = _REPORT_EVERY_SECONDS
            if options.seconds is not None:
                left = min(left, begun + options.seconds - time.monotonic())
            if left <= 0 or interrupts.ending.is_set():
                break
            ending = asyncio.create_task(interrupts.ending.wait())
            await asyncio.wait({ending, feeding}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            out.print(Text(_progress(sender, time.monotonic() - begun)))
        feeder.stop()
        await asyncio.wait({feeding}, timeout=_DELIVERY_SECONDS)
        if feeding.done():
            feeding.result()
        deliveries = sender.deliveries
        for answer, events in deliveries.unexpected.items():
            out.print(Text(f"unexpected: {printable(answer)} ({counted(events, 'event')})"))
        return 1 if deliveries.unexpected or not feeding.done() else 0


def _source(traffic: Traffic, producer: AIOKafkaProducer | None) -> Callable[[], Batch | None]:
    if producer is not None:
        return lambda: traffic.next(datetime.now(UTC))

    def supply() -> Batch:
        while True:
            batch = over_http(traffic.next(datetime.now(UTC)))
            if batch is not None:
                return batch

    return supply


def _progress(sender: Sender, seconds: float) -> str:
    deliveries = sender.deliveries
    unexpected = deliveries.unexpected.total()
    text = f"{counted(deliveries.tally.sent, 'event')} sent in {seconds:.0f} s"
    if deliveries.resent:
        text += f", {deliveries.resent:,} tried again (see ingest's log)"
    return text + (f", {unexpected:,} answered otherwise than expected" if unexpected else "")


async def _end(feeding: asyncio.Task[None]) -> None:
    feeding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await feeding


def over_http(batch: Batch) -> Batch | None:
    """The batch as ingest takes it over HTTP; None where nothing of it is left.

    Malformed records only exist in the raw topic: over HTTP they would refuse their whole batch.
    """
    if batch.transport is not Transport.RAW:
        return batch
    items = tuple(item for item in batch.items if not isinstance(item.expected, DeadLettered))
    return replace(batch, transport=Transport.BATCH, items=items) if items else None


VARIABLE = "PURPOSEWATCH_TRAFFIC_API_KEYS"


class UnusableKeysError(Exception):
    """The keys can't be used; the message says why, and quotes none."""


def read_keys(text: str, publishers: Collection[str]) -> dict[str, str]:
    """Read `publisher:key` pairs with commas between them; raises `UnusableKeysError`."""
    if not text:
        message = f"{VARIABLE} is not set; `python3 deploy/generate_secrets.py --traffic` makes "
        message += "the keys and writes them into `deploy/secrets/traffic.env`"
        raise UnusableKeysError(message)
    pairs = [pair.partition(":") for pair in text.split(",")]
    if not all(publisher and key for publisher, _, key in pairs):
        message = f"{VARIABLE} is faulty; write `publisher:key` pairs with commas between them"
        raise UnusableKeysError(message)
    keys = {publisher.strip(): key.strip() for publisher, _, key in pairs}
    if missing := sorted(set(publishers).difference(keys)):
        message = f"{VARIABLE} has no key of `{'`, `'.join(missing)}`; add what is missing"
        raise UnusableKeysError(message)
    return keys
