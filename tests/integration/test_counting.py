"""Counting rules and discovery on PostgreSQL: exact between reporters at the same time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from purposewatch_reporter.alerts.routing import DiscoveryPolicy
from purposewatch_reporter.counting.queries import (
    prune_counting_alerts,
    read_counting_alerts,
    read_matching_flows,
)
from purposewatch_reporter.counting.record import RuleRecorder
from purposewatch_reporter.counting.rule import Hierarchy
from purposewatch_reporter.discovery.first_seen import FirstSeenRecorder
from purposewatch_reporter.discovery.publisher_watch import PublisherWatch
from purposewatch_reporter.discovery.queries import read_new_flows, read_recipients
from purposewatch_reporter.discovery.rhythm import RhythmPolicy
from purposewatch_reporter.reconciliation.reconciler import ReconciliationReport
from purposewatch_reporter.reconciliation.topic import TopicReconciliation
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.counters import prune_counters
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime import metrics as m
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.integration.test_bulk import one_waits_for_a_lock
from tests.unit.reporter.conftest import NOW, ledger_writer_of
from tests.unit.reporter.counting.records import Peak, recorder_of, stored_peaks
from tests.unit.reporter.counting.test_record import BULK, START, of_subjects
from tests.unit.reporter.discovery.test_first_seen import to
from tests.unit.reporter.records import in_topic


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    """An empty database with the current schema."""
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        opened = Database(SecretStr(server.url(await server.create_database())))
        await opened.start()
        yield opened
        await opened.stop()


class _Held:
    """Counts, and then holds the transaction open."""

    def __init__(self, recorder: RuleRecorder) -> None:
        self._recorder = recorder
        self.counted = asyncio.Event()
        self.go_on = asyncio.Event()

    async def record(self, *arguments: Any) -> Any:
        result = await self._recorder.record(*arguments)
        self.counted.set()
        await self.go_on.wait()
        return result


class _HeldFirstSeen:
    """Tells, and then holds the transaction open."""

    def __init__(self, recorder: FirstSeenRecorder) -> None:
        self._recorder = recorder
        self.told = asyncio.Event()
        self.go_on = asyncio.Event()

    async def record(self, *arguments: Any) -> None:
        await self._recorder.record(*arguments)
        self.told.set()
        await self.go_on.wait()


async def test_two_reporters_fill_a_window_together(database: Database, tmp_path: Path) -> None:
    """Neither sees what the other has not committed, so the second one waits."""
    held = _Held(recorder_of(BULK, tmp_path))
    first = of_subjects("a", "b", "a", time=START - timedelta(minutes=2), start=1)
    second = of_subjects("b", "c", time=START + timedelta(minutes=2), start=5)
    for value in second:  # they share neither hour nor decision with the first
        value["position"]["partition"] = 1
        value["data"]["purpose"] = "sales"
    known = [*of_subjects("x", time=NOW - timedelta(days=2)), {**second[0], "event_id": "y"}]
    known[1]["event_time"] = known[0]["event_time"]
    known[1]["position"] = {**second[0]["position"], "offset": 4}
    await ledger_writer_of(database).record_verdicts(in_topic("verdicts", known))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        writer = ledger_writer_of(database, counting=held)
        tasks.create_task(writer.record_verdicts(in_topic("verdicts", first, start=1)))
        await held.counted.wait()
        other = ledger_writer_of(database, counting=recorder_of(BULK, tmp_path))
        tasks.create_task(other.record_verdicts(in_topic("verdicts", second, start=1)))
        await one_waits_for_a_lock(database)
        held.go_on.set()
    assert await stored_peaks(database) == {Peak("bulk", "crm", 3)}
    async with database.writing() as connection:
        assert await prune_counters(connection, NOW + timedelta(days=1)) == 2
        [alert] = await read_counting_alerts(connection)
        flows = await read_matching_flows(connection, alert, Hierarchy({}))
        assert [each.events for each in flows] == [3, 2]
        assert await prune_counting_alerts(connection, NOW + timedelta(days=1)) == 1


async def test_what_is_new_is_told_once(database: Database) -> None:
    """Two reporters meet a third party at the same time: the second one finds it known."""
    told = FirstSeenRecorder(DiscoveryPolicy(flows=True, learning=timedelta()), dict)
    held = _HeldFirstSeen(told)
    first, second = (to(offset, "third_party.a", partition=offset) for offset in (0, 1))
    second["position"]["offset"] = 0
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        writer = ledger_writer_of(database, first_seen=held)
        tasks.create_task(writer.record_verdicts(in_topic("verdicts", [first])))
        await held.told.wait()
        other = ledger_writer_of(database, first_seen=told)
        tasks.create_task(other.record_verdicts(in_topic("verdicts", [second])))
        await one_waits_for_a_lock(database)
        held.go_on.set()
    c = tables.notices.c
    async with database.reading() as connection:
        rows = await connection.execute(select(c.kind, c.episode_count).order_by(c.kind))
        assert [tuple(row) for row in rows] == [("new_flow", 1), ("new_third_party", 1)]
        assert len(await read_recipients(connection)) == len(await read_new_flows(connection)) == 1
    report = ReconciliationReport(NOW, TopicReconciliation(), TopicReconciliation(), ())
    metric_set = m.MetricSet("reporter", version="0")
    watch = PublisherWatch(database, RhythmPolicy(), lambda: report, metric_set, clock=lambda: NOW)
    await watch.refresh()
    assert watch._counts == {"crm": {int(START.timestamp()) // 3_600: 2}}
