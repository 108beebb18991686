"""Writing many rows at once: all of them, in the caller's transaction, or none."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from purposewatch_reporter.store.bulk import add, insert_rows
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import FirstUse, claim_ids
from purposewatch_reporter.store.tables import event_ids, hourly_verdicts

HOUR = datetime(2026, 3, 2, 8, tzinfo=UTC)
COLUMNS = ("hour", "controller", "publisher", "outcome", "kind")


def row(number: int, *, booked: datetime = HOUR) -> dict[str, object]:
    """The row of an id."""
    return {
        "id_hash": number.to_bytes(16, "big"),
        "content_digest": b"d" * 16,
        "partition": 0,
        "event_offset": number,
        "booked_time": booked,
    }


async def test_rows_are_stored_as_the_columns_want_them(database: Database) -> None:
    """Times in UTC, whatever zone they were given in."""
    elsewhere = HOUR.astimezone(timezone(timedelta(hours=8)))
    async with database.writing() as connection:
        await insert_rows(connection, event_ids, [row(1, booked=elsewhere), row(2)])
    async with database.reading() as connection:
        found = (await connection.execute(select(event_ids))).all()
    assert [(each.booked_time, each.event_offset) for each in found] == [(HOUR, 1), (HOUR, 2)]


async def test_rows_are_part_of_the_transaction(database: Database) -> None:
    """What comes after them can still undo them."""

    async def write() -> None:
        async with database.writing() as connection:
            await insert_rows(connection, event_ids, [row(1), row(2)])
            await insert_rows(connection, event_ids, [row(3), row(2)])

    with pytest.raises(IntegrityError):
        await write()
    async with database.reading() as connection:
        assert (await connection.execute(select(event_ids))).all() == []


async def test_no_rows_are_no_statement(database: Database) -> None:
    """An empty batch is nothing to write."""
    async with database.writing() as connection:
        await insert_rows(connection, event_ids, [])
        await add(connection, hourly_verdicts, COLUMNS, {})
        assert await claim_ids(connection, {}, HOUR) == {}


async def test_counters_begin_and_grow(database: Database) -> None:
    """Keys that are new and keys that are there, in one statement."""
    one, other = (HOUR, "a", "crm", "permitted", "none"), (HOUR, "b", "crm", "permitted", "none")
    async with database.writing() as connection:
        await add(connection, hourly_verdicts, COLUMNS, {one: 2})
        await add(connection, hourly_verdicts, COLUMNS, {other: 5, one: 3})
    async with database.reading() as connection:
        rows = (await connection.execute(select(hourly_verdicts))).all()
    assert {each.controller: each._mapping["count"] for each in rows} == {"a": 5, "b": 5}


@pytest.mark.parametrize("taken", [0, 1, 1_500])
async def test_ids_are_claimed_once(database: Database, taken: int) -> None:
    """Of a batch that is partly known, the known ones come back with their first use."""
    names = [number.to_bytes(16, "big") for number in range(2_000)]
    first = {name: FirstUse(b"f" * 16, 1, at) for at, name in enumerate(names[:taken])}
    again = {name: FirstUse(b"a" * 16, 2, at) for at, name in enumerate(names)}
    async with database.writing() as connection:
        assert await claim_ids(connection, first, HOUR) == {}
        assert first == await claim_ids(connection, again, HOUR)
        assert {**again, **first} == await claim_ids(connection, again, HOUR)
