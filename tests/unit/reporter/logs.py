"""Kafka's logs as lists that a test writes, recreates, compacts and cuts off."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from purposewatch_reporter.alerts.notices import raise_conflict_notices, raise_suspect_notices
from purposewatch_reporter.epochs.detector import EpochDetector, LedgerTopics
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.severity import severity_table
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.raw_ledgers import start_raw_ledgers
from purposewatch_runtime.kafka import Record
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import PREFIX, record, verdict

TOPICS = LedgerTopics(
    *(f"{PREFIX}.{name}" for name in ("raw", "events", "verdicts", "dead-letters", "gaps", "facts"))
)


class Logs:
    """Every partition's records; stands in for `LogObserver`."""

    def __init__(self) -> None:
        self._records: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        self.starting: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._compacted: set[tuple[str, int, int]] = set()
        self.looks = 0
        self.reached_late = 0
        """How much too low the broker's answer is when it is asked for an end."""

    def append(self, topic: str, partition: int, value: Any, key: bytes | None = None) -> Record:
        """Publish a record."""
        log = self._records[topic, partition]
        new = record(topic, partition, self.starting[topic, partition] + len(log), value, key)
        log.append(new)
        return new

    def recreate(self, topic: str, partition: int = 0) -> None:
        """Delete the partition's log and begin a new one."""
        self._records.pop((topic, partition), None)
        self.starting.pop((topic, partition), None)

    def cut(self, topic: str, partition: int, end: int) -> None:
        """Lose the last records, as an unclean election does."""
        del self._records[topic, partition][end - self.starting[topic, partition] :]

    def compact(self, topic: str, partition: int, offsets: Iterable[int]) -> None:
        """Remove records in the midst of the log, which later ones have replaced."""
        self._compacted.update((topic, partition, offset) for offset in offsets)

    def of(self, topic: str, partition: int = 0, *, start: int = 0) -> list[Record]:
        """The records of a partition, from an offset on."""
        return [
            one
            for one in self._records[topic, partition]
            if one.offset >= start and (topic, partition, one.offset) not in self._compacted
        ]

    async def starts(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        """Stand in for `LogObserver.starts`."""
        return {partition: self.starting[topic, partition] for partition in partitions}

    async def ends(
        self, topics: Iterable[str], partitions: Collection[int]
    ) -> Mapping[str, Mapping[int, int]]:
        """Stand in for `LogObserver.ends`."""
        found = {topic: await self.spans(topic, partitions) for topic in topics}
        return {
            topic: {partition: end for partition, (_, end) in spans.items()}
            for topic, spans in found.items()
        }

    async def reached(
        self, partitions: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], int]:
        """Stand in for `LogObserver.reached`."""
        return {
            (topic, n): self.starting[topic, n] + len(self._records[topic, n]) - self.reached_late
            for topic, n in partitions
        }

    async def spans(self, topic: str, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """Stand in for `LogObserver.spans`."""
        self.looks += 1
        return {
            n: (self.starting[topic, n], self.starting[topic, n] + len(self._records[topic, n]))
            for n in partitions
        }

    async def written_at(self, _: str, __: int, ___: int) -> datetime:
        """Stand in for `LogObserver.written_at`: when the pipeline began."""
        return NOW

    async def first_from(self, topic: str, partition: int, offset: int) -> int:
        """Stand in for `LogObserver.first_from`."""
        return int(self.of(topic, partition, start=offset)[0].offset)

    async def read(
        self, topic: str, partition: int, offsets: Collection[int]
    ) -> Mapping[int, Record]:
        """Stand in for `LogObserver.read`; what is not there fails, as Kafka would."""
        found = {one.offset: one for one in self._records[topic, partition]}
        left = [each for each in offsets if (topic, partition, each) not in self._compacted]
        return {offset: found[offset] for offset in left}


class Pipeline:
    """Ingest, an auditor and a reporter, as far as the ledger sees them."""

    def __init__(
        self, database: Database, *, logs: Logs | None = None, rebuilds: bool = False
    ) -> None:
        self.logs = logs or Logs()
        self.now: datetime = NOW
        self.database = database
        self.detector = EpochDetector(database, self.logs, TOPICS, clock=lambda: self.now)
        self.ledger_writer = LedgerWriter(
            database,
            events_topic=TOPICS.events,
            raw_topic=TOPICS.raw,
            findings=Findings(severity_table({})),
            report_conflicts=raise_conflict_notices,
            report_suspects=raise_suspect_notices,
            partitions=3,
            rebuilds=rebuilds,
            clock=lambda: self.now,
            logs=self.detector,
        )
        self._accepted = NOW - timedelta(hours=1)
        self._number = 0

    async def open_raw(self, *, partitions: int = 2) -> None:
        """Begin the ledger of the raw topic at 0."""
        async with self.database.writing() as connection:
            await start_raw_ledgers(connection, TOPICS.raw, dict.fromkeys(range(partitions), 0))

    def raw(self, partition: int = 0, **more: Any) -> Record:
        """A publisher writes to the raw topic."""
        self._number += 1
        return self.logs.append(TOPICS.raw, partition, {"id": f"e-{self._number}", **more})

    def accept(
        self, partition: int = 0, origin: Record | None = None, outcome: str = "permitted"
    ) -> dict[str, Any]:
        """Ingest writes an event; return the verdict about it."""
        self._number += 1
        self._accepted += timedelta(milliseconds=1)
        event_id = f"e-{self._number}"
        position = "http"
        if origin is not None:
            position = f"{origin.topic}/{origin.partition}/{origin.offset}"
            event_id = raw_id(origin)
        accepted = self._accepted.isoformat()
        event = self.logs.append(
            TOPICS.events,
            partition,
            {"id": event_id, "source": "/crm", "acceptedtime": accepted, "origin": position},
        )
        said = verdict(partition, event.offset, event_id=event_id, outcome=outcome)
        return {**said, "accepted_time": accepted, "origin": position}

    def judge(self, said: Mapping[str, Any], partition: int = 0) -> Record:
        """The auditor writes a verdict."""
        return self.logs.append(TOPICS.verdicts, partition, said)

    async def record(self, partition: int = 0) -> None:
        """The reporter reads on, as after a restart: from the ledger's position."""
        for topic, record_all in (
            (TOPICS.verdicts, self.ledger_writer.record_verdicts),
            (TOPICS.dead_letters, self.ledger_writer.record_dead_letters),
        ):
            at = (await self.ledger_writer.positions(topic, [partition]))[partition]
            if records := self.logs.of(topic, partition, start=at):
                await record_all(records)

    async def run(self, count: int = 1, partition: int = 0) -> list[dict[str, Any]]:
        """Pass so many events from ingest into the ledger; return their verdicts."""
        said = [self.accept(partition) for _ in range(count)]
        for one in said:
            self.judge(one, partition)
        await self.record(partition)
        return said

    def later(self, time: timedelta) -> None:
        """Let time pass."""
        self.now += time


def raw_id(origin: Record) -> str:
    """The event id in a raw record."""
    return str(json.loads(origin.value or b"")["id"])
