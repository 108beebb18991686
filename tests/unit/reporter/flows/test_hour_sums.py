"""Sums of all flows by the hour: always what the counts of each flow add up to."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.engine import Engine

from purposewatch_reporter.flows.hour_sums import FlowDimension, HourSummer, HourSums
from purposewatch_reporter.flows.record import FlowRecorder
from purposewatch_reporter.flows.roll_up import roll_up
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import decision_sums, event_sums, unsummed_hours
from tests.unit.reporter.flows.recording import record_flows
from tests.unit.reporter.flows.summed import check_sums, close, sum_all, unsummed
from tests.unit.reporter.records import verdict

DAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def happened(chance: random.Random) -> dict[str, Any]:
    """A verdict about one of some flows, in one of some hours."""
    time = DAY + chance.randrange(30) * HOUR + timedelta(minutes=chance.randrange(60))
    outcomes = ["permitted", "violation", "unknown"]
    categories = chance.sample(["user.name", "user.contact.email"], chance.randint(1, 2))
    return verdict(
        event_time=f"{time:%Y-%m-%dT%H:%M:%SZ}",
        publisher=chance.choice(["crm", "shop"]),
        role=f"role_{chance.randrange(5)}",
        outcome=chance.choice(outcomes),
        categories={each: chance.choice(outcomes) for each in categories},
        count=chance.randint(1, 3),
    )


async def sums_of(database: Database) -> int:
    """How many events the sums have, whether they are read or not."""
    async with database.reading() as connection:
        return await connection.scalar(select(func.sum(event_sums.c.count))) or 0


@pytest.mark.parametrize("seed", range(2))
async def test_sums_are_what_the_flows_add_up_to(database: Database, seed: int) -> None:
    """At every moment, whatever is late, beyond the limit of flows, or summed up to days."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    recorder = FlowRecorder(limit=3)
    for _ in range(25):
        step = chance.choice(["record", "record", "close", "sum", "roll up"])
        if step == "record":
            batch = [happened(chance) for _ in range(chance.randint(1, 8))]
            await record_flows(database, recorder, batch, chance.randrange(2))
        elif step == "close":
            await close(database, DAY + chance.randrange(36) * HOUR)
        elif step == "sum":
            await sum_all(database)
        else:
            async with database.writing() as connection:
                await roll_up(connection, DAY + chance.randrange(36) * HOUR)
        async with database.snapshot() as connection:
            await check_sums(connection)
    await close(database, DAY + 40 * HOUR)
    assert await sum_all(database) > 0
    async with database.snapshot() as connection:
        await check_sums(connection)
        everything = (await HourSums.read(connection)).events
        assert await connection.scalar(select(func.sum(everything.c.count))) > 0
    assert await sum_all(database) == 0


async def test_a_late_event_has_its_hour_summed_again(database: Database) -> None:
    """Only that hour; one that comes before its hour is closed changes nothing else."""
    recorder = FlowRecorder()
    late = verdict(event_time="2026-03-02T01:30:00Z")
    await record_flows(database, recorder, [late, verdict(event_time="2026-03-02T03:30:00Z")])
    await close(database, DAY + 3 * HOUR)
    assert await sum_all(database) == 2
    assert await sums_of(database) == 1
    await record_flows(database, recorder, [verdict(event_time="2026-03-02T03:40:00Z")])
    assert await unsummed(database) == []
    await record_flows(database, recorder, [late])
    assert await unsummed(database) == [DAY + HOUR]
    await sum_all(database)
    assert await sums_of(database) == 2


async def test_the_counts_of_flows_are_not_read_where_hours_are_summed(database: Database) -> None:
    """Sums are read instead, else this would be as slow as without them."""
    await record_flows(database, FlowRecorder(), [verdict()])
    await close(database, DAY + 12 * HOUR)
    await sum_all(database)
    async with database.writing() as connection:
        for table in (event_sums, decision_sums):
            await connection.execute(table.update().values(count=77))
    async with database.snapshot() as connection:
        sums = await HourSums.read(connection)
        for read in (sums.events, *map(sums.decisions, FlowDimension)):
            assert await connection.scalar(select(read.c.count)) == 77


async def test_more_hours_than_are_asked_for_one_by_one(database: Database) -> None:
    """Then the counts of all flows are read."""
    await record_flows(database, FlowRecorder(), [verdict()])
    rows = [{"hour": DAY + number * HOUR} for number in range(600)]
    async with database.writing() as connection:
        await connection.execute(unsummed_hours.insert(), rows)
    async with database.snapshot() as connection:
        assert not (await HourSums.read(connection)).are_kept
        await check_sums(connection)


async def test_hours_are_summed_once_they_are_over(database: Database) -> None:
    """Unless the ledger is behind: what it records then would be late."""
    await record_flows(database, FlowRecorder(), [verdict(event_time="2026-03-02T08:15:00Z")])
    now, is_caught_up = DAY + timedelta(hours=9, minutes=9), True
    summer = HourSummer(database, lambda: is_caught_up, lambda: now)
    await summer.refresh()
    assert await sums_of(database) == 0, "it may still get late ones"
    now, is_caught_up = DAY + timedelta(hours=9, minutes=10), False
    await summer.refresh()
    assert await sums_of(database) == 0
    is_caught_up = True
    await summer.refresh()
    assert await sums_of(database) == 1
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement.split(maxsplit=1)[0])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await summer.refresh()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert {"SELECT"} == {each for each in sent if each != "BEGIN"}
