"""Watching publishers: from the ledger's counts to notices."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from purposewatch_reporter.discovery import publisher_watch as module
from purposewatch_reporter.discovery.publisher_watch import PublisherWatch, is_caught_up
from purposewatch_reporter.discovery.rhythm import RhythmPolicy
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.reconciliation.reconciler import ReconciliationReport
from purposewatch_reporter.reconciliation.topic import TopicReconciliation, reconcile
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime import metrics as m
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.records import in_topic, verdict

NOW = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
CAUGHT_UP = TopicReconciliation((reconcile(0, PartitionLedger(), 0),))


class Bench:
    """A watch on a clock that the test moves, and what the ledger counted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.events = CAUGHT_UP
        self.metrics = m.MetricSet("reporter", version="0")
        self.watch = PublisherWatch(
            database, RhythmPolicy(), self.report, self.metrics, clock=lambda: self.now
        )

    def report(self) -> ReconciliationReport:
        """What reconciliation says."""
        return ReconciliationReport(self.now, self.events, TopicReconciliation(), ())

    async def count(self, publisher: str, until: datetime, *, count: int = 50) -> None:
        """So many events in every hour of four weeks, until that time."""
        first = (until - timedelta(weeks=4)).replace(minute=0)
        hours = [first + number * HOUR for number in range(int((until - first) / HOUR) + 1)]
        async with self.database.writing() as connection:
            decision = await connection.scalar(select(tables.flow_decisions.c.id))
            rows = [
                {
                    "hour": hour,
                    "decision_id": decision,
                    "publisher": publisher,
                    "count": count,
                    "accesses": count,
                    "first_time": hour,
                    "last_time": hour,
                }
                for hour in hours
            ]
            await connection.execute(insert(tables.flow_counts), rows)

    async def refresh(self) -> list[tuple[str, str, str]]:
        """Look once; kind, key and state of every notice."""
        await self.watch.refresh()
        c = tables.notices.c
        async with self.database.reading() as connection:
            rows = await connection.execute(select(c.kind, c.key, c.state).order_by(c.key))
            return [tuple(row) for row in rows]


@pytest.fixture
async def bench(database: Database) -> Bench:
    """A flow is known, about which everything is counted."""
    value = verdict(0, 0, event_time="2025-01-01T00:00:00Z")
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", [value]))
    return Bench(database)


async def test_a_silent_publisher_is_told_until_it_speaks(bench: Bench) -> None:
    """The notice says since when, and what is usual."""
    await bench.count("crm", NOW)
    await bench.count("shop", NOW - timedelta(hours=4))
    assert await bench.refresh() == [("publisher_silent", "shop", "firing")]
    async with bench.database.reading() as connection:
        notice = (await connection.execute(select(tables.notices))).one()
    assert notice.summary == (
        "`shop` has published nothing since the hour from 2026-03-02T05:00Z; 150 events are usual "
        "in this part of the week."
    )
    metrics = bench.metrics.gauge(m.PUBLISHERS_OUT_OF_RHYTHM)
    assert metrics.labels("silent")._value.get() == 1
    await ledger_writer_of(bench.database).record_verdicts(
        in_topic(
            "verdicts",
            [verdict(0, 1, publisher="shop", event_time="2026-03-02T09:10:00Z")],
            start=1,
        )
    )
    assert await bench.refresh() == [("publisher_silent", "shop", "quiet")]


async def test_events_beyond_the_limit_of_flows_are_counted_once(bench: Bench) -> None:
    """Not once more for each of their decisions, which would be a surge here."""
    await bench.count("crm", NOW - HOUR, count=120)
    values = [
        verdict(
            0,
            number,
            event_time="2026-03-02T09:01:00Z",
            role="visitor",
            outcome="violation",
            categories={"user.a": "permitted", "user.b": "violation"},
        )
        for number in range(1, 701)
    ]
    keeper = ledger_writer_of(bench.database, max_flows=1)
    await keeper.record_verdicts(in_topic("verdicts", values, start=1))
    assert await bench.refresh() == []


async def test_a_surge_is_told(bench: Bench) -> None:
    """Within the hour."""
    await bench.count("crm", NOW - HOUR, count=120)
    values = [verdict(0, number, event_time="2026-03-02T09:01:00Z") for number in range(1, 1_201)]
    await ledger_writer_of(bench.database).record_verdicts(in_topic("verdicts", values, start=1))
    assert await bench.refresh() == [("publisher_surge", "crm", "firing")]


async def test_an_hour_is_judged_once_its_events_can_be_there(bench: Bench) -> None:
    """The last events of an hour arrive after it."""
    await bench.count("crm", NOW)
    await bench.count("shop", NOW - 2 * HOUR)
    bench.now = NOW.replace(minute=10)
    assert await bench.refresh() == []
    bench.now = NOW
    assert await bench.refresh() == [("publisher_silent", "shop", "firing")]


async def test_nothing_is_told_while_the_pipeline_is_behind(bench: Bench) -> None:
    """Neither a beginning nor an end."""
    await bench.count("crm", NOW)
    await bench.count("shop", NOW - timedelta(hours=4))
    behind = dataclasses.replace(reconcile(0, PartitionLedger(), 7))
    old = {0: NOW - timedelta(minutes=11)}
    bench.events = TopicReconciliation((behind,), open_since=old)
    assert await bench.refresh() == []
    bench.events = CAUGHT_UP
    assert await bench.refresh() == [("publisher_silent", "shop", "firing")]


async def test_nobody_is_blamed_when_nobody_gets_through(bench: Bench) -> None:
    """That is ingest, or Kafka; of a single publisher it can't be told."""
    await bench.count("crm", NOW - timedelta(hours=4))
    assert await bench.refresh() == [("publisher_silent", "crm", "firing")]
    await bench.count("shop", NOW - timedelta(hours=4))
    bench.watch._read_until = None
    assert await bench.refresh() == [("publisher_silent", "crm", "firing")]


async def test_publishers_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with the most events are watched."""
    monkeypatch.setattr(module, "MOST_PUBLISHERS", 2)
    for publisher, count in (("a", 90), ("b", 30), ("c", 60)):
        await bench.count(publisher, NOW, count=count)
    await bench.refresh()
    assert set(bench.watch._counts) == {"a", "c"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"log_end": None}, False),
        ({"pending": 3, "oldest_open": 0}, False),
        ({"pending": 3, "oldest_open": 0, "recorded_end": 9}, True),
    ],
)
def test_what_caught_up_means(change: dict[str, Any], *, expected: bool) -> None:
    """An event that was passed over stays open for ever; only what is in flight is waited for."""
    partition = dataclasses.replace(CAUGHT_UP.partitions[0], **change)
    topic = TopicReconciliation((partition,), open_since={0: NOW - timedelta(hours=1)})
    report = ReconciliationReport(NOW, topic, TopicReconciliation(), ())
    assert is_caught_up(report, NOW) == expected
    assert not is_caught_up(report, NOW + timedelta(minutes=2))
    assert not is_caught_up(None, NOW)
