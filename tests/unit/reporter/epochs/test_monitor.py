"""Looking after the log epochs: who is told, what is remembered, what alerts."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from purposewatch_reporter.epochs.monitor import EpochMonitor
from purposewatch_reporter.epochs.raw_start import RawLedgerStart
from purposewatch_reporter.reconciliation.reconciler import Reconciler
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.raw_ledgers import load_raw_epochs
from purposewatch_runtime import metrics as m
from tests.unit.reporter.logs import TOPICS, Pipeline

PATIENCE = timedelta(minutes=5)


class Bench:
    """A pipeline with all that looks after its ledger."""

    def __init__(self, database: Database) -> None:
        self.pipeline = Pipeline(database)
        self.metrics = m.MetricSet("reporter", version="0")
        self.told: list[str] = []
        self.reconciler = Reconciler(
            database,
            self.pipeline.logs,
            events_topic=TOPICS.events,
            raw_topic=TOPICS.raw,
            partitions=2,
            metric_set=self.metrics,
            clock=lambda: self.pipeline.now,
        )
        self.epochs = EpochMonitor(
            database,
            self.pipeline.detector,
            self.reconciler,
            TOPICS,
            partitions=2,
            alert_after=PATIENCE,
            clock=lambda: self.pipeline.now,
            started={TOPICS.verdicts: self._tell},
        )

    async def _tell(self) -> None:
        self.told.append(TOPICS.verdicts)

    async def look(self) -> None:
        """Compare, then look after the log epochs, then compare again."""
        await self.reconciler.refresh()
        await self.epochs.check()
        await self.reconciler.refresh()

    async def firing(self) -> set[str]:
        """The notices that hold."""
        async with self.pipeline.database.reading() as connection:
            rows = await connection.execute(
                select(tables.notices.c.key).where(tables.notices.c.state == "firing")
            )
            return set(rows.scalars())

    def gauge(self, spec: Any, *labels: str) -> float:
        """A gauge's value."""
        return float(self.metrics.gauge(spec).labels(*labels)._value.get())


@pytest.fixture
def bench(database: Database) -> Bench:
    """An empty one."""
    return Bench(database)


async def test_the_consumer_learns_that_reading_starts_again(bench: Bench) -> None:
    """Once, by the look after the one that found it, whoever turned the log epoch."""
    await bench.pipeline.run(3)
    await bench.look()
    bench.pipeline.logs.recreate(TOPICS.verdicts)
    for _ in range(5):
        bench.pipeline.judge(bench.pipeline.accept())
    await bench.look()
    await bench.look()
    assert bench.told == [TOPICS.verdicts]
    assert bench.gauge(m.LOG_EPOCHS_STARTED, "verdicts") == 1


async def test_events_that_went_with_their_log_are_lost_and_alert(bench: Bench) -> None:
    """Those that were seen in Kafka and never got a verdict; for a day, the number stays."""
    await bench.pipeline.run(3)
    for _ in range(2):
        bench.pipeline.accept()
    await bench.look()
    bench.pipeline.logs.recreate(TOPICS.events)
    for _ in range(6):
        bench.pipeline.accept()
    await bench.look()
    await bench.look()
    assert {f"page/{TOPICS.events}/0", "lost/events"} <= await bench.firing()
    assert bench.reconciler.latest is not None
    [ended] = bench.reconciler.latest.events.ended
    assert (ended.events, ended.verdicts, ended.unaccounted) == (5, 3, 2)
    assert bench.gauge(m.LEDGER_LOST, "events") == 2
    assert bench.gauge(m.LEDGER_EVENTS, "0") == 11
    assert bench.gauge(m.LEDGER_VERDICTS, "0") == 3
    bench.pipeline.later(timedelta(days=1))
    await bench.look()
    assert not {f"page/{TOPICS.events}/0", "lost/events"} & await bench.firing()
    assert bench.gauge(m.LEDGER_LOST, "events") == 2


async def test_an_event_unaccounted_for_alerts_after_a_while(bench: Bench) -> None:
    """And the notice ends when its verdict comes."""
    await bench.pipeline.run(1)
    missing = bench.pipeline.accept()
    await bench.pipeline.run(1)
    await bench.look()
    assert await bench.firing() == set()
    bench.pipeline.later(PATIENCE)
    await bench.look()
    assert await bench.firing() == {"unaccounted/events"}
    bench.pipeline.judge(missing)
    await bench.pipeline.record()
    await bench.look()
    assert await bench.firing() == set()


async def test_a_short_log_alerts_until_its_log_epoch_is_turned(bench: Bench) -> None:
    """On-call hears of it before it is certain."""
    await bench.pipeline.run(3)
    await bench.look()
    bench.pipeline.logs.cut(TOPICS.events, 0, 1)
    await bench.look()
    await bench.look()
    assert await bench.firing() == {"short/events"}
    bench.pipeline.later(timedelta(minutes=1))
    await bench.look()
    await bench.look()
    assert await bench.firing() == {f"page/{TOPICS.events}/0"}


@pytest.mark.parametrize(("recorded_before", "base"), [(False, 4), (True, 7)])
async def test_raw_ledger_begins_with_what_can_be_accounted_for(
    bench: Bench,
    recorded_before: bool,  # noqa: FBT001 - a table
    base: int,
) -> None:
    """At the log's start; in an older database, which did not record origins, at its end."""
    pipeline = bench.pipeline
    pipeline.logs.starting[TOPICS.raw, 0] = 4
    for _ in range(3):
        pipeline.raw()
    if recorded_before:
        await pipeline.run(1)
    opening = RawLedgerStart(pipeline.database, pipeline.logs, TOPICS, partitions=range(2))
    await opening.start()
    pipeline.raw()
    await opening.start()
    async with pipeline.database.reading() as connection:
        epochs = await load_raw_epochs(connection, TOPICS.raw)
    assert [log_epoch.base for log_epoch in epochs[0]] == [base]
