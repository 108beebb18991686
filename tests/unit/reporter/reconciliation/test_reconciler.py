"""Comparing the ledger with Kafka."""

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.reconciliation.reconciler import Reconciler
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import GaugeSpec
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import PREFIX, in_topic, verdict

WRITTEN = NOW - timedelta(minutes=5)


EVENTS, RAW = f"{PREFIX}.events", f"{PREFIX}.raw"


class Kafka:
    """Log ends as the test sets them."""

    def __init__(self) -> None:
        self.log_ends: Mapping[int, int] = {0: 0, 1: 0}
        self.raw_ends: Mapping[int, int] = {0: 0, 1: 0}
        self.away = False
        self.fetches = 0

    async def ends(
        self, topics: Iterable[str], _: Collection[int]
    ) -> Mapping[str, Mapping[int, int]]:
        """Stand in for `LogObserver.ends`."""
        if self.away:
            raise TimeoutError
        return {topic: self.raw_ends if topic == RAW else self.log_ends for topic in topics}

    async def starts(self, _: str, partitions: Collection[int]) -> Mapping[int, int]:
        """Partition 1 has lost its first ten events to the retention."""
        return {partition: 10 * partition for partition in partitions}

    async def written_at(self, _: str, __: int, ___: int) -> datetime:
        """All events are five minutes old."""
        self.fetches += 1
        return WRITTEN


class Bench:
    """A watch over a Kafka that the test moves."""

    def __init__(self, database: Database) -> None:
        self.kafka = Kafka()
        self.metrics = m.MetricSet("reporter", version="0")
        self.watch = Reconciler(
            database,
            self.kafka,
            events_topic=EVENTS,
            raw_topic=RAW,
            partitions=2,
            metric_set=self.metrics,
            clock=lambda: NOW,
        )

    async def look(self, *ends: int) -> Any:
        """Refresh with these log ends; the ledger of all partitions."""
        self.kafka.log_ends = dict(enumerate(ends))
        await self.watch.refresh()
        assert self.watch.latest is not None
        return self.watch.latest.partitions

    def gauge(self, spec: GaugeSpec, *labels: str) -> float:
        """A gauge's value."""
        return float(self.metrics.gauge(spec).labels(*labels)._value.get())


@pytest.fixture
async def bench(database: Database, ledger_writer: LedgerWriter) -> Bench:
    """Offsets 0, 1 and 3 of partition 0 are recorded, one of them as a violation."""
    values = [verdict(0, 0), verdict(0, 1, outcome="violation"), verdict(0, 3)]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    return Bench(database)


async def test_gauges_show_the_ledger(bench: Bench) -> None:
    """Per partition, with what is missing and what is under way."""
    first, second = await bench.look(6, 12)
    assert (first.events, first.unaccounted, first.pending) == (6, 1, 2)
    assert (second.base, second.events, second.pending) == (10, 2, 2)
    assert bench.gauge(m.LEDGER_UNACCOUNTED, "0") == 1
    assert bench.gauge(m.LEDGER_PENDING, "0") == 2
    assert bench.gauge(m.LEDGER_VERDICTS, "0") == 3


async def test_the_oldest_open_event_has_the_age_of_its_record(bench: Bench) -> None:
    """Asked for once, and not for an event that has only just come."""
    await bench.look(4, 10)
    await bench.look(4, 10)
    assert bench.gauge(m.LEDGER_OLDEST_SECONDS, "0") == 300
    await bench.look(4, 11)
    assert bench.kafka.fetches == 1
    assert bench.gauge(m.LEDGER_OLDEST_SECONDS, "1") == 0
    await bench.look(4, 11)
    assert bench.gauge(m.LEDGER_OLDEST_SECONDS, "1") == 300


async def test_what_is_not_seen_is_unknown(bench: Bench) -> None:
    """Without Kafka no number is made up, and the service isn't ready."""
    assert not (await bench.watch.check()).ok
    await bench.look(4, 10)
    assert (await bench.watch.check()).ok
    bench.kafka.away = True
    with pytest.raises(TimeoutError):
        await bench.watch.refresh()
    assert bench.watch.latest is not None
    assert [one.reconciled for one in bench.watch.latest.partitions] == [None, None]
    assert math.isnan(bench.gauge(m.LEDGER_EVENTS, "0"))
    assert bench.gauge(m.LEDGER_VERDICTS, "0") == 3
    assert not (await bench.watch.check()).ok


async def test_a_recreated_topic_is_seen(bench: Bench) -> None:
    """Its events would be taken for repeats; the ledger must not claim balance."""
    first, _ = await bench.look(2, 10)
    assert first.log_is_short
    assert first.reconciled is False
