"""Sends generated traffic to a running Purposewatch, and says every few seconds how it goes."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from aiokafka import AIOKafkaProducer
from rich.text import Text

from purposewatch_cli.terminal import console, counted, printable
from purposewatch_contract import RAW, topic_name
from purposewatch_demo.deliver import Courier
from purposewatch_demo.feed import Feeder, Pace
from purposewatch_demo.flows import planned_traffic
from purposewatch_demo.interrupts import Interrupts
from purposewatch_demo.live.supply import over_http
from purposewatch_demo.traffic import Consignment, Traffic
from purposewatch_runtime.kafka import build_producer
from purposewatch_runtime.settings import KafkaSettings

_CLIENT_ID = "purposewatch-traffic"
_LARGEST = 40
_TELL_EVERY_SECONDS = 10.0
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
        gate = await stack.enter_async_context(
            httpx.AsyncClient(base_url=options.url, timeout=httpx.Timeout(30.0), trust_env=False)
        )
        producer, topic = None, ""
        if options.kafka is not None:
            producer = build_producer(options.kafka, client_id=_CLIENT_ID)
            stack.push_async_callback(producer.stop)
            await producer.start()
            topic = topic_name(options.kafka.topic_prefix, RAW)
        courier = Courier(gate, producer, raw_topic=topic, keys=options.keys)
        feeder = Feeder(_source(traffic, producer), courier.deliver, Pace(options.rate))
        feeding = asyncio.create_task(feeder.run())
        stack.push_async_callback(_end, feeding)
        begun = time.monotonic()
        while not feeding.done():
            left = _TELL_EVERY_SECONDS
            if options.seconds is not None:
                left = min(left, begun + options.seconds - time.monotonic())
            if left <= 0 or interrupts.ending.is_set():
                break
            ending = asyncio.create_task(interrupts.ending.wait())
            await asyncio.wait({ending, feeding}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            out.print(Text(_progress(courier, time.monotonic() - begun)))
        feeder.stop()
        await asyncio.wait({feeding}, timeout=_DELIVERY_SECONDS)
        if feeding.done():
            feeding.result()
        deliveries = courier.deliveries
        for answer, events in deliveries.unexpected.items():
            out.print(Text(f"unexpected: {printable(answer)} ({counted(events, 'event')})"))
        return 1 if deliveries.unexpected or not feeding.done() else 0


def _source(
    traffic: Traffic, producer: AIOKafkaProducer | None
) -> Callable[[], Consignment | None]:
    if producer is not None:
        return lambda: traffic.next(datetime.now(UTC))

    def supply() -> Consignment:
        while True:
            consignment = over_http(traffic.next(datetime.now(UTC)))
            if consignment is not None:
                return consignment

    return supply


def _progress(courier: Courier, seconds: float) -> str:
    deliveries = courier.deliveries
    unexpected = deliveries.unexpected.total()
    text = f"{counted(deliveries.tally.sent, 'event')} sent in {seconds:.0f} s"
    if deliveries.resent:
        text += f", {deliveries.resent:,} tried again (see the gate's log)"
    return text + (f", {unexpected:,} answered otherwise than expected" if unexpected else "")


async def _end(feeding: asyncio.Task[None]) -> None:
    feeding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await feeding
