"""Contestants that record verdicts: the reporter, into either database."""

import contextlib
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec
from aiokafka import ConsumerRecord

from bench.pipeline.contestant import Contestant, Figure
from bench.pipeline.events import Keyed, believing_policies, canonical
from bench.pipeline.processes import Measured, running
from bench.pipeline.stage import Stage, partition_of
from purposewatch_auditor.audit import AuditedEvent, Auditor, decider_for
from purposewatch_contract import EVENTS, VERDICTS, topic_name
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord
from tests.harness.postgresql import PostgreSQL, binaries

_AT_ONCE = 5_000
_SEARCHED = 5_000
_STORM_SHARE = 0.25


def contestants(stage: Stage) -> list[Contestant]:
    """The reporter into SQLite and, where it is installed, into PostgreSQL."""
    found: list[Contestant] = [
        Reporter(stage, name="reporter_sqlite", title="reporter, into SQLite")
    ]
    programs = binaries()
    if programs is not None:
        for name, title, counted in (
            ("reporter_postgresql", "reporter, into PostgreSQL", "reporter"),
            ("postgresql", "PostgreSQL's own processes under the reporter", "server"),
            ("reporter_storm", "reporter into PostgreSQL, violations only", "reporter"),
        ):
            storm = name == "reporter_storm"
            found.append(
                Reporter(
                    stage, name=name, title=title, programs=programs, counted=counted, storm=storm
                )
            )
    return found


class Server(Measured):
    """A PostgreSQL server with all its processes."""

    def __init__(self, server: PostgreSQL) -> None:
        self._server = server

    @property
    def pids(self) -> Sequence[int]:
        """Those that there are now; the reporter's connections have one each."""
        return self._server.pids

    def check(self) -> None:
        """Nothing: the reporter would fail without it."""


class Reporter:
    """The reporter on a full verdicts topic, with an empty database."""

    def __init__(  # noqa: PLR0913 - what tells contestants apart
        self,
        stage: Stage,
        *,
        name: str,
        title: str,
        programs: Path | None = None,
        counted: str = "reporter",
        storm: bool = False,
    ) -> None:
        self.name = name
        self.title = title
        self._stage = stage
        self._programs = programs
        self._counted = counted
        self._storm = storm

    async def run(self, events: int) -> Figure:
        """Fill a topic with the verdicts about the events, then start the reporter on it."""
        async with self._stage.topics() as prefix, self._database() as (url, server):
            count = await self._fill(prefix, events)
            environment = {
                **self._stage.environment(prefix),
                "PURPOSEWATCH_DATABASE_URL": url,
                "PURPOSEWATCH_REPORTER_HTTP_PORT": "0",
            }
            async with running([("-m", "purposewatch_reporter")], [environment]) as processes:
                measured = processes
                if self._counted == "server":
                    assert server is not None  # noqa: S101 - only PostgreSQL's is counted
                    measured = [Server(server)]
                return await self._stage.watch(
                    prefix, f"{prefix}.reporter", count, measured, name=VERDICTS
                )

    @contextlib.asynccontextmanager
    async def _database(self) -> AsyncIterator[tuple[str, PostgreSQL | None]]:
        if self._programs is None:
            with tempfile.TemporaryDirectory(prefix="purposewatch-bench-") as directory:
                yield f"sqlite+aiosqlite:///{directory}/ledger.db", None
        else:
            with PostgreSQL(self._programs) as server:
                await server.start()
                yield server.url(await server.create_database()), server

    async def _fill(self, prefix: str, events: int) -> int:
        """Publish the events, and their verdicts to the same partitions; how many there are."""
        published = _violations(int(events * _STORM_SHARE)) if self._storm else canonical(events)
        await self._stage.fill(prefix, EVENTS, published)
        producer = AcknowledgedProducer(self._stage.settings(prefix), client_id="bench")
        await producer.start()
        try:
            records = [
                OutgoingRecord(topic_name(prefix, VERDICTS), value, partition=partition)
                for partition, value in verdicts_about(topic_name(prefix, EVENTS), published)
            ]
            for start in range(0, len(records), _AT_ONCE):
                await producer.publish(records[start : start + _AT_ONCE])
        finally:
            await producer.stop()
        return len(published)


def verdicts_about(topic: str, events: Sequence[Keyed]) -> Iterator[tuple[int, bytes]]:
    """The auditor's verdicts about events that were put into this topic, by partition."""
    auditor, decider = Auditor(), decider_for(believing_policies())
    now = datetime.now(UTC)
    offsets: Counter[int] = Counter()
    for event in events:
        partition = partition_of(event.key)
        record: ConsumerRecord[bytes | None, bytes | None] = ConsumerRecord(
            topic, partition, offsets[partition], 0, 0, event.key, event.value, None, 0, 0, ()
        )
        offsets[partition] += 1
        found = auditor.audit(record, decider, now)
        assert isinstance(found, AuditedEvent)  # noqa: S101 - only good events are generated
        yield partition, found.value


@cache
def _violations(count: int) -> tuple[Keyed, ...]:
    """So many events that all violate a policy, each with an id of its own."""
    found = [
        json.loads(event.value)
        for event, (_, verdict) in zip(
            canonical(_SEARCHED), verdicts_about("t", canonical(_SEARCHED)), strict=True
        )
        if b'"outcome":"violation","kind"' in verdict and json.loads(verdict)["kind"]
    ]
    made = []
    for number, event in zip(range(count), itertools.cycle(found), strict=False):
        event["id"] = f"storm-{number}"
        made.append(Keyed(event["data"]["subject"].encode(), msgspec.json.encode(event)))
    return tuple(made)
