"""Compares what is read from sums with plain sums of the counts of all flows."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows import counted
from purposewatch_reporter.flows.hour_sums import FlowDimension, HourSums, close_hours, sum_hours
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import unsummed_hours

_COUNTS = ("count", "accesses")


async def check_sums(connection: AsyncConnection) -> None:
    """Check that both are equal, by everything that they have; in a snapshot."""
    sums = await HourSums.read(connection)
    shown = [(sums.events, counted.events)]
    shown += [(sums.decisions(each), counted.decisions) for each in FlowDimension]
    for summed, exact in shown:
        names = [each.name for each in summed.c if each.name not in _COUNTS]
        assert await _grouped(connection, summed, names) == await _grouped(connection, exact, names)


async def _grouped(
    connection: AsyncConnection, table: Subquery, names: list[str]
) -> Mapping[tuple[Any, ...], tuple[int, ...]]:
    key = [table.c[name] for name in names]
    sums = [func.sum(table.c[name]) for name in _COUNTS]
    rows = await connection.execute(select(*key, *sums).group_by(*key))
    return {tuple(row[: len(key)]): tuple(map(int, row[len(key) :])) for row in rows}


async def close(database: Database, before: Any) -> None:
    """Close the hours before that time, in transactions of their own."""
    left = True
    while left:
        async with database.writing() as connection:
            left = await close_hours(connection, before)


async def unsummed(database: Database) -> list[Any]:
    """The hours that are closed and not summed."""
    async with database.reading() as connection:
        hours = (await connection.execute(select(unsummed_hours.c.hour))).scalars().all()
    return sorted(hours)[:-1]


async def sum_all(database: Database) -> int:
    """Sum the hours that are closed; how many."""
    hours = await unsummed(database)
    async with database.writing() as connection:
        await sum_hours(connection, hours)
    return len(hours)
