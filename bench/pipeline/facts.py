"""What the ledger of facts costs the auditor, and how long its state takes to restore.

One topic holds a million statements about as many subjects for the whole run. Contestants get new
events each time, of which one in five is about such a subject; a state is restored once, then kept.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from aiokafka.errors import UnknownTopicOrPartitionError
from prometheus_client.parser import text_string_to_metric_families

from bench.pipeline.batches import send_in_batches
from bench.pipeline.contestant import Contestant, Figure
from bench.pipeline.events import Keyed, canonical
from bench.pipeline.processes import Measured, rss_bytes, running
from bench.pipeline.stage import PARTITIONS, Stage, partition_of
from purposewatch_contract import DEAD_LETTERS, EVENTS, FACTS, VERDICTS, TopicName, topic_name
from purposewatch_contract.codec import FastFactCodec, fact_key
from purposewatch_runtime.kafka import TopicProvisioner
from tests.harness.facts import (
    advertising,
    policies_with_ledger,
    policies_without_ledger,
    pseudonym,
    statement,
)
from tests.harness.ports import take_port

STATEMENTS = 1_000_000
_PREFIX = "bench-facts"
_TIMES = 5
"""Events without facts are published so often: little is to be told apart."""
_EVERY = 5
"""One event of so many depends on a fact."""
_TOPICS: tuple[TopicName, ...] = (EVENTS, VERDICTS, DEAD_LETTERS)
_AT_ONCE = 50_000
_READY_SECONDS = 300.0
_AUDITOR = ("-m", "purposewatch_auditor")
_STRIPPED = ("-m", "bench.pipeline.clients.auditor_without_ledger")


@dataclass(frozen=True, slots=True)
class Restored:
    """A start of an auditor with a million statements in the topic."""

    seconds: float
    """From the assignment of its partitions until the state was current."""
    from_start_seconds: float
    """From the start of the process until it was ready."""
    state_bytes: float
    rss_bytes: int
    """Of the process, with what it has mapped of the state."""


class Facts:
    """The topic with a million statements, and the directories of policies and states."""

    def __init__(self, stage: Stage, directory: Path) -> None:
        self._stage = stage
        self._directory = directory
        self._filled = False
        self.policies = {
            True: policies_with_ledger(directory / "with"),
            False: policies_without_ledger(directory / "without"),
        }

    async def fill(self) -> None:
        """Put the statements into the topic, once."""
        if self._filled:
            return
        await self._provision()
        topic = topic_name(_PREFIX, FACTS)
        async with self._stage.producer(_PREFIX) as producer:
            waiting: dict[int, list[Keyed]] = defaultdict(list)
            for number, (partition, keyed) in enumerate(_statements(), start=1):
                waiting[partition].append(keyed)
                if number % _AT_ONCE == 0:
                    await send_in_batches(producer, topic, waiting)
                    waiting.clear()
            await send_in_batches(producer, topic, waiting)
        self._filled = True

    @contextlib.asynccontextmanager
    async def events(self, events: Sequence[tuple[int, Keyed]]) -> AsyncIterator[None]:
        """New topics with these events, beside the facts."""
        await self._provision()
        try:
            waiting: dict[int, list[Keyed]] = defaultdict(list)
            for partition, keyed in events:
                waiting[partition].append(keyed)
            async with self._stage.producer(_PREFIX) as producer:
                await send_in_batches(producer, topic_name(_PREFIX, EVENTS), waiting)
            yield
        finally:
            async with self._stage.admin(_PREFIX) as admin:
                await admin.delete_topics([topic_name(_PREFIX, name) for name in _TOPICS])

    async def _provision(self) -> None:
        topics = (*_TOPICS, FACTS)
        settings = self._stage.settings(_PREFIX)
        for _ in range(50):
            try:
                return await TopicProvisioner(settings, topics, client_id="bench").start()
            except UnknownTopicOrPartitionError:
                await asyncio.sleep(0.2)  # the last run's topics are not quite gone
        message = "the topics can't be made again"
        raise RuntimeError(message)

    def environment(self, *, ledger: bool) -> dict[str, str]:
        """The variables of an auditor; all continue the same state, one after the other."""
        return {
            **self._stage.environment(_PREFIX),
            "PURPOSEWATCH_POLICIES_DIR": str(self.policies[ledger]),
            "PURPOSEWATCH_FACTS_DIR": str(self._directory / "state"),
            "PURPOSEWATCH_FACTS_WAIT_SECONDS": "120",
            "PURPOSEWATCH_AUDITOR_HTTP_PORT": str(take_port()),
        }

    async def restore(self) -> Restored:
        """Start an auditor, until its state is current; the state is empty at first."""
        await self.fill()
        environment = self.environment(ledger=True)
        begun = time.perf_counter()
        async with running([_AUDITOR], [environment]) as [process]:
            metrics = await _ready(process, environment["PURPOSEWATCH_AUDITOR_HTTP_PORT"])
            return Restored(
                metrics["purposewatch_facts_restore_seconds"],
                time.perf_counter() - begun,
                metrics["purposewatch_facts_state_bytes"],
                rss_bytes([process]),
            )

    async def measure(
        self, arguments: Sequence[str], count: int, *, facts: bool, ledger: bool
    ) -> Figure:
        """Let an auditor decide so many events, of which one in five depends on a fact or none."""
        await self.fill()
        # what starts beside the first events must not count against few of them
        events = _mixed(count) if facts else _plain(count) * _TIMES
        count = len(events)
        async with self.events(events):
            environment = self.environment(ledger=ledger)
            async with running([arguments], [environment]) as processes:
                group = f"{_PREFIX}.auditor"
                return await self._stage.watch(_PREFIX, group, count, processes)


async def _ready(process: Measured, port: str) -> Mapping[str, float]:
    """The metrics of a process once it is ready."""
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        asyncio.timeout(_READY_SECONDS),
    ):
        while True:
            process.check()
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == httpx.codes.OK:
                    text = (await client.get("/metrics")).text
                    families = text_string_to_metric_families(text)
                    return {s.name: s.value for family in families for s in family.samples}
            await asyncio.sleep(0.05)


def _statements() -> Iterator[tuple[int, Keyed]]:
    encode = FastFactCodec.encode
    for number in range(STATEMENTS):
        subject = pseudonym(_subject(number))
        fact = statement(
            subject=_subject(number),
            value=number % 4 > 0,
            name=f"consent-2026-{number:07d}",
            evidence=f"consent-receipt/{number:07d}",
        )
        yield _partition(subject), Keyed(fact_key(fact), encode(fact))


def _subject(number: int) -> int:
    """The pseudonym's bits of a subject: spread as those of a keyed hash are."""
    return random.Random(number).getrandbits(128)  # noqa: S311 - no secret


def _partition(subject: str) -> int:
    """As ingest chooses it."""
    return int(subject[-8:], 16) % PARTITIONS


@cache
def _plain(count: int) -> tuple[tuple[int, Keyed], ...]:
    """The events of the other measurements, none of which is about consent to marketing."""
    kept = [each for each in canonical(count * 2) if b'"consent.marketing"' not in each.value]
    return tuple([(partition_of(each.key), each) for each in kept[:count]])


@cache
def _mixed(count: int) -> tuple[tuple[int, Keyed], ...]:
    """The same, but one in five depends on what one of a million subjects has consented to."""
    chance = random.Random(7)  # noqa: S311 - no secret
    found = list(_plain(count))
    for number in range(0, count, _EVERY):
        subject = _subject(chance.randrange(STATEMENTS))
        name = pseudonym(subject)
        value = advertising(number=number, subject=subject, hour=1 + number % 5)
        found[number] = (_partition(name), Keyed(name.encode(), value))
    return tuple(found)


class _FactsContestant:
    """One auditor on events beside the million statements."""

    def __init__(  # noqa: PLR0913 - what tells contestants apart
        self,
        shared: Facts,
        *,
        name: str,
        title: str,
        arguments: Sequence[str] = _AUDITOR,
        facts: bool,
        ledger: bool,
    ) -> None:
        self.name = name
        self.title = title
        self._shared = shared
        self._arguments = arguments
        self._facts = facts
        self._ledger = ledger

    async def run(self, events: int) -> Figure:
        """See `Contestant`."""
        return await self._shared.measure(
            self._arguments, events, facts=self._facts, ledger=self._ledger
        )


def contestants(shared: Facts) -> list[Contestant]:
    """The auditor without and with facts, each beside one that has or asks for none."""
    return [
        _FactsContestant(
            shared,
            name="auditor_stripped",
            title="auditor without the ledger's code",
            arguments=_STRIPPED,
            facts=False,
            ledger=False,
        ),
        _FactsContestant(
            shared,
            name="auditor_without_facts",
            title="auditor, no event depends on the ledger",
            facts=False,
            ledger=False,
        ),
        _FactsContestant(
            shared,
            name="auditor_believing",
            title="auditor, one event in five claims a fact and is believed",
            facts=True,
            ledger=False,
        ),
        _FactsContestant(
            shared,
            name="auditor_with_facts",
            title="auditor, the same looked up among a million",
            facts=True,
            ledger=True,
        ),
    ]


@contextlib.contextmanager
def facts_on(stage: Stage) -> Iterator[Facts]:
    """Facts in a directory of their own."""
    with tempfile.TemporaryDirectory(prefix="purposewatch-bench-facts-") as directory:
        yield Facts(stage, Path(directory))
