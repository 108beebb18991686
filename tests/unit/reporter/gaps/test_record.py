"""Gaps in the database: each counted once, under a bounded number of names."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from purposewatch_reporter.gaps.queries import GapQuery, Trend, read_gap_page
from purposewatch_reporter.gaps.watch import GapWatch
from purposewatch_reporter.handlers import Handlers
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.gaps import (
    GapLimits,
    prune_gap_days,
    prune_gap_ids,
    prune_gaps,
)
from purposewatch_reporter.store.tables import flow_counts
from purposewatch_runtime import metrics as m
from tests.unit.reporter.conftest import NOW, ledger_writer_of
from tests.unit.reporter.gaps.records import gap, in_gaps
from tests.unit.reporter.logs import TOPICS, Pipeline
from tests.unit.reporter.records import PREFIX


async def counts(database: Database) -> dict[tuple[str, str, str | None, str], int]:
    """The stored counts."""
    async with database.reading() as connection:
        page = await read_gap_page(connection, GapQuery(), NOW)
    keys = ("publisher", "kind", "controller", "name")
    return {tuple(row[key] for key in keys): row["count"] for row in page.rows}


async def test_gaps_are_counted_by_publisher_controller_kind_and_name(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Each gap adds its count."""
    values = [
        gap(id="1", count=3),
        gap(id="2", count=4),
        gap(id="3", controller="wework-labs"),
        gap(id="4", kind="unknown_purpose"),
        gap(id="5", publisher="shop"),
    ]
    receipt = await ledger_writer.record_gaps(in_gaps(values))
    assert await counts(database) == {
        ("crm", "unmapped_dataset", None, "crm.cards"): 7,
        ("crm", "unmapped_dataset", "wework-labs", "crm.cards"): 1,
        ("crm", "unknown_purpose", None, "crm.cards"): 1,
        ("shop", "unmapped_dataset", None, "crm.cards"): 1,
    }
    assert receipt.gaps == {
        ("unmapped_dataset", "crm"): 8,
        ("unknown_purpose", "crm"): 1,
        ("unmapped_dataset", "shop"): 1,
    }


async def test_repeats_and_redeliveries_count_once(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """An id that was sent again has a new offset; a redelivery has the old one."""
    first = in_gaps([gap(id="1", count=3), gap(id="1", count=3), gap(id="2")])
    await ledger_writer.record_gaps(first)
    again = await ledger_writer.record_gaps(first)
    sent_again = await ledger_writer.record_gaps(in_gaps([gap(id="1", count=9)], start=3))
    assert await counts(database) == {("crm", "unmapped_dataset", None, "crm.cards"): 4}
    assert (again.repeats, again.gaps, sent_again.gaps) == (3, {}, {})
    async with database.writing() as connection:
        assert await prune_gap_ids(connection, NOW + timedelta(days=1)) == 2
    await ledger_writer.record_gaps(first)  # ids are forgotten, positions are not
    assert await counts(database) == {("crm", "unmapped_dataset", None, "crm.cards"): 4}
    other = gap(id="1", publisher="shop")  # ids are unique to their publisher only
    assert (await ledger_writer.record_gaps(in_gaps([other], start=4))).gaps.total() == 1


async def test_a_batch_that_fails_counts_nothing(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Counts, ids and the position are one transaction."""
    values = [gap(id="1"), gap(id="2", name="other")]
    async with database.writing() as connection:
        await connection.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON gap_days BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(SQLAlchemyError):
        await ledger_writer.record_gaps(in_gaps(values))
    assert await counts(database) == {}
    assert await ledger_writer.positions(f"{PREFIX}.gaps", [0]) == {0: 0}
    async with database.writing() as connection:
        await connection.exec_driver_sql("DROP TRIGGER fail")
    await ledger_writer.record_gaps(in_gaps(values))
    assert sum((await counts(database)).values()) == 2
    assert await ledger_writer.positions(f"{PREFIX}.gaps", [0]) == {0: 2}


async def test_names_beyond_the_limit_are_counted_together(database: Database) -> None:
    """The limit is for each publisher and kind; known names keep their own row."""
    writer = ledger_writer_of(database, gap_limits=GapLimits(names=2))
    names = ["a", "b", "c", "a", "d"]
    values = [gap(name, id=str(number)) for number, name in enumerate(names)]
    values += [gap("c", id="5", publisher="shop"), gap("c", id="6", kind="unknown_role")]
    await writer.record_gaps(in_gaps(values))
    more = [gap("b", id="7"), gap("e", id="8"), gap("b", id="9", controller="wework-labs")]
    await writer.record_gaps(in_gaps(more, start=len(values)))
    kind = "unmapped_dataset"
    assert await counts(database) == {
        ("crm", kind, None, "a"): 2,
        ("crm", kind, None, "b"): 2,
        ("crm", kind, "wework-labs", "b"): 1,
        ("crm", kind, None, "(other)"): 3,
        ("shop", kind, None, "c"): 1,
        ("crm", "unknown_role", None, "c"): 1,
    }


async def test_an_unreadable_gap_becomes_a_dead_letter(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """It is listed once, and the gaps around it count."""
    values = [gap(id="1"), b"nonsense", {"kind": "unmapped_dataset"}, None, gap(id="2")]
    receipt = await ledger_writer.record_gaps(in_gaps(values))
    assert receipt.dead_letters == {"not_json": 1, "internal": 1, "empty": 1}
    assert (await ledger_writer.record_gaps(in_gaps(values))).dead_letters == {}
    assert sum((await counts(database)).values()) == 2


async def test_the_trend_compares_two_weeks(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """By the days of the gaps' own times; `count`, first and last time are over all."""
    ages = {0: 1, 6: 2, 7: 4, 13: 8, 14: 16, 500: 32}
    start = NOW.replace(hour=0)
    values = [
        gap(id=str(age), count=count, time=(start - timedelta(days=age)).isoformat())
        for age, count in ages.items()
    ]
    await ledger_writer.record_gaps(in_gaps(values))
    async with database.reading() as connection:
        page = await read_gap_page(connection, GapQuery(), NOW)
    [row] = page.rows
    assert page.trends[row["id"]] == Trend(3, 12)
    assert (row["count"], page.count, page.total) == (63, 63, 1)
    assert (row["first_time"], row["last_time"]) == (start - timedelta(days=500), start)


async def test_old_days_and_unused_names_are_pruned(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """A day at a time; a name goes with its days once it was not recorded for long."""
    values = [gap(id="1"), gap(id="2", time="2026-03-01T08:15:00Z")]
    await ledger_writer.record_gaps(in_gaps(values))
    async with database.writing() as connection:
        assert await prune_gap_days(connection, datetime(2026, 3, 2, tzinfo=UTC)) == 1
        assert await prune_gap_days(connection, datetime(2026, 3, 2, tzinfo=UTC)) == 0
        assert await prune_gaps(connection, NOW) == 0
        assert await prune_gaps(connection, NOW + timedelta(seconds=1)) == 1
    assert await counts(database) == {}


def sample(metric_set: m.MetricSet, name: str, **labels: str) -> float | None:
    """A value as it is exported."""
    return metric_set.registry.get_sample_value(name, labels)


async def test_metrics_show_counts_and_names(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Every kind of a publisher that has gaps begins at 0, so that the next one is an increase."""
    metric_set = m.MetricSet("reporter", version="0")
    handlers, watch = Handlers(ledger_writer, metric_set), GapWatch(database, metric_set)
    await watch.refresh()
    await handlers.gaps(in_gaps([gap(id="1", count=5), gap("b", id="2")]))
    await watch.refresh()
    labels = {"publisher": "crm", "kind": "unmapped_dataset"}
    assert sample(metric_set, "purposewatch_gaps_total", **labels) == 6
    assert sample(metric_set, "purposewatch_gap_names", **labels) == 2
    dropped = {"publisher": "crm", "kind": "dropped"}
    assert sample(metric_set, "purposewatch_gaps_total", **dropped) == 0
    assert sample(metric_set, "purposewatch_gap_names", **dropped) == 0
    async with database.writing() as connection:
        await prune_gaps(connection, NOW + timedelta(seconds=1))
    await watch.refresh()
    assert sample(metric_set, "purposewatch_gap_names", **labels) == 0


async def test_verdicts_are_not_affected(database: Database, ledger_writer: LedgerWriter) -> None:
    """A gap has no verdict: the topics of verdicts and gaps have positions of their own."""
    await ledger_writer.record_gaps(in_gaps([gap()]))
    assert await ledger_writer.positions(f"{PREFIX}.verdicts", [0]) == {0: 0}
    async with database.reading() as connection:
        events = await connection.scalar(select(func.count()).select_from(flow_counts))
    assert events == 0


async def test_a_replaced_log_is_read_from_its_beginning(database: Database) -> None:
    """Its offsets name other gaps, which count; what was sent again does not."""
    pipeline = Pipeline(database)
    topic = TOPICS.gaps
    first = [pipeline.logs.append(topic, 0, gap(id=str(number))) for number in range(3)]
    await pipeline.ledger_writer.record_gaps(first)
    pipeline.logs.recreate(topic)
    for number in (2, 7):
        pipeline.logs.append(topic, 0, gap(id=str(number)))
    assert await pipeline.ledger_writer.positions(topic, [0]) == {0: 0}
    await pipeline.ledger_writer.record_gaps(pipeline.logs.of(topic))
    assert sum((await counts(database)).values()) == 4
