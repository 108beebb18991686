"""What the run left in Kafka and in the database."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    FACTS,
    RAW,
    VERDICTS,
    TopicName,
    topic_name,
)
from purposewatch_reporter.flows import counted
from purposewatch_reporter.flows.hour_sums import FlowDimension, HourSums
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.tables import flow_counts, flow_decisions, flow_totals, flows
from tests.chaos.world import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord
    from sqlalchemy import FromClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tests.chaos.world import World

Position: TypeAlias = tuple[int, int]
"""Partition and offset."""
Row: TypeAlias = tuple[Any, ...]

FLOW_COLUMNS = (
    *("controller", "role", "operation", "purpose", "recipient", "source", "location"),
    *("retention_days", "legal_basis", "categories", "facts", "ledger_facts"),
)
"""Everything that identifies a flow."""

_TOPICS: tuple[TopicName, ...] = (RAW, EVENTS, VERDICTS, DEAD_LETTERS, FACTS)


@dataclass(slots=True)
class Topics:
    """The values of all records of the topics, each in the order of its partitions."""

    values: dict[TopicName, dict[Position, bytes]] = field(
        default_factory=lambda: {name: {} for name in _TOPICS}
    )

    def __getitem__(self, name: TopicName) -> dict[Position, bytes]:
        return self.values[name]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many records each topic has."""
        return tuple(len(self.values[name]) for name in _TOPICS)


class TopicReader:
    """An asynchronous context manager that reads the topics from their beginnings, in steps."""

    def __init__(self, world: World) -> None:
        self.topics = Topics()
        self._names = {topic_name(world.prefix, name): name for name in _TOPICS}
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=world.kafka.bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._partitions = [
            TopicPartition(name, partition)
            for name in self._names
            for partition in range(PARTITIONS)
        ]

    async def __aenter__(self) -> Self:
        self._consumer.assign(self._partitions)
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def catch_up(self) -> None:
        """Read everything that the topics hold now."""
        ends = await self._consumer.end_offsets(self._partitions)
        while any([await self._consumer.position(at) < end for at, end in ends.items()]):
            for batch in (await self._consumer.getmany(timeout_ms=200)).values():
                self._take(batch)

    def _take(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            position = (record.partition, record.offset)
            self.topics[self._names[record.topic]][position] = record.value or b""


@dataclass(slots=True)
class LedgerFound:
    """What the database holds."""

    ledger: dict[int, Row] = field(default_factory=dict)
    """By partition: verdicts, dead letters, duplicates, conflicts."""
    accounted: dict[int, str] = field(default_factory=dict)
    event_ids: set[Row] = field(default_factory=set)
    violations: list[Row] = field(default_factory=list)
    violation_categories: list[Row] = field(default_factory=list)
    conflicts: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    events: dict[Row, Row] = field(default_factory=dict)
    """Events and accesses, by hour and what they are counted by; likewise the decisions."""
    decisions: dict[Row, Row] = field(default_factory=dict)
    event_sums: dict[Row, Row] = field(default_factory=dict)
    """Events as the pages sum them up; and decisions, by each dimension."""
    decision_sums: dict[Row, Row] = field(default_factory=dict)
    flows: dict[Row, Row] = field(default_factory=dict)
    """The same by flow, policy, outcome and publisher, as the hours have it; as the totals do."""
    flow_totals: dict[Row, Row] = field(default_factory=dict)

    @property
    def accounted_for(self) -> int:
        """Events that the ledger has a verdict or a dead letter for."""
        return sum(verdicts + letters for verdicts, letters, *_ in self.ledger.values())


async def _read_hours(connection: AsyncConnection, found: LedgerFound) -> None:
    """Read what is counted by the hour: as the flows' counts have it, and as it is summed."""

    async def add(counts: dict[Row, Row], table: FromClause, *by: str, of: Row = ()) -> None:
        names = ("hour", "controller", *by, "outcome", "kind", "count", "accesses")
        query = select(*(table.c[name] for name in names))
        for row in await connection.execute(query):
            _add(counts, (*of, *row))

    of_category = ("role", "data_category", "purpose", "recipient")
    await add(found.events, counted.events, "publisher")
    await add(found.decisions, counted.decisions, *of_category)
    sums = await HourSums.read(connection)
    await add(found.event_sums, sums.events, "publisher")
    for each in FlowDimension:
        await add(found.decision_sums, sums.decisions(each), str(each), of=(str(each),))


def _add(counts: dict[Row, Row], row: Sequence[Any]) -> None:
    """Add the row's count and accesses to those of the key before them."""
    *key, count, accesses = row
    events, before = counts.get(tuple(key), (0, 0))
    counts[tuple(key)] = (events + count, before + accesses)


async def read_ledger(url: str) -> LedgerFound:
    """Read the database directly, not through the reporters."""
    engine = create_async_engine(url, poolclass=NullPool)
    found = LedgerFound()
    try:
        async with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ")

            async def rows(table: FromClause, *names: str) -> list[Row]:
                query = select(*(table.c[name] for name in names))
                return [tuple(row) for row in await connection.execute(query)]

            sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
            totals = ("verdicts", "dead_letters", "duplicates", "conflicts")
            for partition, accounted, *numbers in await rows(
                tables.ledger, "partition", "accounted", *totals
            ):
                sums[partition] = [a + b for a, b in zip(sums[partition], numbers, strict=True)]
                found.accounted[partition] = accounted
            found.ledger = {partition: tuple(each) for partition, each in sums.items()}
            found.event_ids = set(
                await rows(
                    tables.event_ids, "id_hash", "content_digest", "partition", "event_offset"
                )
            )
            found.violations = await rows(
                tables.violations,
                *("partition", "event_offset", "event_id", "outcome", "kind", "policy_version"),
                "accesses",
            )
            found.violation_categories = await rows(
                tables.violation_categories, "violation_id", "data_category"
            )
            found.conflicts = await rows(
                tables.id_conflicts, "partition", "event_offset", "event_id"
            )
            found.dead_letters = await rows(
                tables.dead_letters,
                *("origin_topic", "origin_partition", "origin_offset", "consumer", "error_class"),
            )
            await _read_hours(connection, found)
            of_flow = [flows.c[name] for name in FLOW_COLUMNS]
            decided = [flow_decisions.c[name] for name in ("version", "digest", "outcome", "kind")]
            for table, counts in ((flow_counts, found.flows), (flow_totals, found.flow_totals)):
                end_columns = (table.c.publisher, table.c["count"], table.c.accesses)
                query = select(*of_flow, *decided, *end_columns).select_from(
                    table.join(flow_decisions).join(flows)
                )
                for row in await connection.execute(query):
                    _add(counts, row)
    finally:
        await engine.dispose()
    return found
