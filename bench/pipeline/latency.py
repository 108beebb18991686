"""How long an event waits for its verdict, at a steady rate.

From the moment of acceptance that the event itself names to the moment in which a consumer of the
verdicts topic has received the verdict. Both clocks are this machine's.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.pipeline.events import Keyed
from bench.pipeline.processes import Measured, running
from bench.pipeline.stage import PARTITIONS, Stage, send
from purposewatch_contract import EVENTS, VERDICTS, topic_name

WARM_SECONDS = 5.0

_TICK_SECONDS = 0.005
_DRAIN_SECONDS = 5.0
_READY_SECONDS = 60.0
_SAMPLE_EVERY = 7
_MARK = b'"acceptedtime":"'
_FOUND = b'"accepted_time":"'


@dataclass(frozen=True, slots=True)
class Latency:
    """What was found at one rate."""

    asked_per_second: float
    sent_per_second: float
    """What the feeder managed; less than asked for when the machine is full."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    samples: int


class Feed:
    """An endless supply of events that are accepted just as they are taken."""

    def __init__(self, events: Sequence[Keyed]) -> None:
        self._parts = itertools.cycle([_cut(each) for each in events])

    def take(self, count: int) -> list[Keyed]:
        """Take the next events, accepted now."""
        now = datetime.now(UTC).isoformat(timespec="microseconds")[:-6].encode()
        return [
            Keyed(key, b"%b%bZ%b" % (before, now, after))
            for key, before, after in itertools.islice(self._parts, count)
        ]


def _cut(event: Keyed) -> tuple[bytes, bytes, bytes]:
    before, mark, rest = event.value.partition(_MARK)
    return event.key, before + mark, rest[rest.index(b'"') :]


@contextlib.asynccontextmanager
async def auditing(stage: Stage) -> AsyncIterator[tuple[str, Measured]]:
    """An auditor on empty topics: their prefix, and the process."""
    async with stage.topics() as prefix:
        environment = {**stage.environment(prefix), "PURPOSEWATCH_AUDITOR_HTTP_PORT": "0"}
        async with running([["-m", "purposewatch_auditor"]], [environment]) as [process]:
            yield prefix, process


async def feed(stage: Stage, prefix: str, feed: Feed, rate: float, seconds: float) -> int:
    """Publish events at a steady rate; returns how many."""
    topic = topic_name(prefix, EVENTS)
    sent = 0
    async with stage.producer(prefix) as producer:
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < seconds:
            due = int(passed * rate) - sent
            if due > 0:
                # a feeder that is behind does not make up for it in one burst
                due = min(due, max(1, int(rate * 4 * _TICK_SECONDS)))
                await send(producer, topic, feed.take(due))
                sent += due
            await asyncio.sleep(_TICK_SECONDS)
    return sent


class Verdicts:
    """Reads verdicts and notes how old their events' acceptance is."""

    def __init__(self, stage: Stage, prefix: str) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=stage.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        topic = topic_name(prefix, VERDICTS)
        self._places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self.seen = asyncio.Event()
        self.counting = False
        self.ages: list[float] = []

    async def run(self) -> None:
        """Read until cancelled."""
        self._consumer.assign(self._places)
        await self._consumer.start()
        try:
            while True:
                taken = await self._consumer.getmany(timeout_ms=100)
                now = time.time()
                for records in taken.values():
                    self.seen.set()
                    if self.counting:
                        self.ages.extend(now - at for at in _acceptances(records))
        finally:
            await self._consumer.stop()


def _acceptances(records: Sequence[object]) -> Iterator[float]:
    for record in records[::_SAMPLE_EVERY] or records[:1]:
        value: bytes = record.value  # type: ignore[attr-defined]
        start = value.index(_FOUND) + len(_FOUND)
        text = value[start : value.index(b'"', start)].decode()
        yield datetime.fromisoformat(text).timestamp()


async def latency(stage: Stage, events: Sequence[Keyed], *, rate: float, seconds: float) -> Latency:
    """Measure at one rate, from a warm auditor on."""
    source = Feed(events)
    async with auditing(stage) as (prefix, _):
        verdicts = Verdicts(stage, prefix)
        reading = asyncio.create_task(verdicts.run())
        try:
            await feed(stage, prefix, source, rate=100, seconds=0.5)
            async with asyncio.timeout(_READY_SECONDS):
                await verdicts.seen.wait()
            await feed(stage, prefix, source, rate=rate, seconds=WARM_SECONDS)
            verdicts.counting = True
            sent = await feed(stage, prefix, source, rate=rate, seconds=seconds)
            await asyncio.sleep(_DRAIN_SECONDS)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    ages = sorted(verdicts.ages)
    p50, p95, p99 = (1000 * ages[int(len(ages) * share)] for share in (0.5, 0.95, 0.99))
    return Latency(rate, sent / seconds, p50, p95, p99, len(ages))
