"""Hourly counts become counts of days, and stay exact."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from purposewatch_reporter.flows.record import FlowRecorder
from purposewatch_reporter.flows.roll_up import roll_up
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import flow_counts
from tests.unit.reporter.flows.recording import record_flows
from tests.unit.reporter.records import verdict

DAY = datetime(2026, 3, 2, tzinfo=UTC)


async def roll_up_all(database: Database, before: datetime) -> None:
    """Roll up until nothing is left, in transactions of their own."""
    done = 0
    rolled = 1
    while rolled:
        async with database.writing() as connection:
            rolled = await roll_up(connection, before)
        done += 1
        assert done < 50


async def rows(database: Database) -> list[tuple[Any, ...]]:
    """Hour, its width, publisher, count, accesses."""
    columns = ("hour", "hours", "publisher", "count", "accesses")
    query = select(*(flow_counts.c[name] for name in columns))
    async with database.reading() as connection:
        found = await connection.execute(query.order_by(*flow_counts.primary_key))
        return [((row.hour - DAY) / timedelta(hours=1), *row[1:]) for row in found]


def at(time: str, **more: Any) -> dict[str, Any]:
    """A verdict at a time of the day."""
    return verdict(event_time=f"2026-03-02T{time}Z", **more)


async def test_hours_become_days(database: Database) -> None:
    """Of each publisher and decision; what is younger stays by the hour."""
    values = [
        at("00:10:00", count=2),
        at("00:20:00"),
        at("09:00:00"),
        at("23:59:59", publisher="shop"),
        verdict(event_time="2026-03-03T01:00:00Z"),
    ]
    await record_flows(database, FlowRecorder(), values)
    await roll_up_all(database, DAY + timedelta(hours=23))
    assert len(await rows(database)) == 4, "the day is not over"
    await roll_up_all(database, DAY + timedelta(days=1, hours=5))
    assert await rows(database) == [
        (0, 24, "crm", 3, 4),
        (0, 24, "shop", 1, 1),
        (25, 1, "crm", 1, 1),
    ]
    async with database.reading() as connection:
        [first] = (
            await connection.execute(
                select(flow_counts.c.first_time, flow_counts.c.last_time).where(
                    flow_counts.c.publisher == "crm", flow_counts.c.hours == 24
                )
            )
        ).all()
    assert (first.first_time, first.last_time) == (
        DAY + timedelta(minutes=10),
        DAY + timedelta(hours=9),
    )


@pytest.mark.parametrize("time", ["00:30:00", "13:00:00"])
async def test_late_events_join_their_day(database: Database, time: str) -> None:
    """Whether its row has their hour or not."""
    recorder = FlowRecorder()
    await record_flows(database, recorder, [at("10:00:00"), at("11:00:00")])
    await roll_up_all(database, DAY + timedelta(days=1))
    await record_flows(database, recorder, [at(time, count=7)])
    await roll_up_all(database, DAY + timedelta(days=1))
    assert await rows(database) == [(0, 24, "crm", 3, 9)]


async def test_many_decisions_take_several_transactions(database: Database) -> None:
    """None is left out, and none is counted twice when one of them is rolled back."""
    values = [
        at(f"{hour:02}:00:00", role=f"role_{number}") for number in range(250) for hour in (3, 4)
    ]
    await record_flows(database, FlowRecorder(), values)
    async with database.writing() as connection:
        assert await roll_up(connection, DAY + timedelta(days=1)) == 400
        await connection.rollback()
    await roll_up_all(database, DAY + timedelta(days=1))
    assert await rows(database) == [(0, 24, "crm", 2, 2)] * 250
