"""Writing many rows at once: all of them, in the caller's transaction, or none."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from purposewatch_reporter.store.bulk import add, insert_rows
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import FirstUse, Uses, record_ids
from purposewatch_reporter.store.tables import event_ids, gap_days, gaps
from tests.unit.reporter.records import uses

HOUR = datetime(2026, 3, 2, 8, tzinfo=UTC)
COLUMNS = ("gap_id", "day")


def row(number: int, *, recorded: datetime = HOUR) -> dict[str, object]:
    """The row of an id."""
    return {
        "id_hash": number.to_bytes(16, "big"),
        "content_digest": b"d" * 16,
        "partition": 0,
        "event_offset": number,
        "recorded_time": recorded,
    }


async def test_rows_are_stored_as_the_columns_want_them(database: Database) -> None:
    """Times in UTC, whatever zone they were given in."""
    elsewhere = HOUR.astimezone(timezone(timedelta(hours=8)))
    async with database.writing() as connection:
        await insert_rows(connection, event_ids, [row(1, recorded=elsewhere), row(2)])
    async with database.reading() as connection:
        found = (await connection.execute(select(event_ids))).all()
    assert [(each.recorded_time, each.event_offset) for each in found] == [(HOUR, 1), (HOUR, 2)]


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
        await add(connection, gap_days, COLUMNS, count={})
        assert await record_ids(connection, uses({}), HOUR) is None


async def test_counters_begin_and_grow(database: Database) -> None:
    """Keys that are new and keys that are there, in one statement."""
    one, other = ("a" * 32, HOUR), ("b" * 32, HOUR)
    of_gap: dict[str, object] = {column.name: "x" for column in gaps.c if not column.nullable}
    of_gap |= {column.name: HOUR for column in gaps.c if column.name.endswith("_time")}
    async with database.writing() as connection:
        named = [of_gap | {"id": name, "count": 0} for name, _ in (one, other)]
        await insert_rows(connection, gaps, named)
        await add(connection, gap_days, COLUMNS, count={one: 2})
        await add(connection, gap_days, COLUMNS, count={other: 5, one: 3})
    async with database.reading() as connection:
        rows = (await connection.execute(select(gap_days))).all()
    counted = {each.gap_id: each._mapping["count"] for each in rows}
    assert counted == {one[0]: 5, other[0]: 5}


@pytest.mark.parametrize("taken", [0, 1, 1_500])
async def test_ids_are_claimed_once(database: Database, taken: int) -> None:
    """Of a batch that is partly known, the known ones come back with their first use."""
    names = [number.to_bytes(16, "big") for number in range(2_000)]
    first = {name: FirstUse(b"f" * 16, 1, at) for at, name in enumerate(names[:taken])}
    again = {name: FirstUse(b"a" * 16, 2, at) for at, name in enumerate(names)}
    async with database.writing() as connection:
        assert await record_ids(connection, uses(first), HOUR) is None
        assert (first or None) == await record_ids(connection, uses(again), HOUR)
        assert {**again, **first} == await record_ids(connection, uses(again), HOUR)


async def test_of_two_uses_in_a_batch_the_first_is_recorded(database: Database) -> None:
    """The other one is for the caller to tell apart: no use was recorded before this batch."""
    name = b"n" * 16
    twice = Uses(names=[name, name], digests=b"a" * 16 + b"b" * 16, positions=[(1, 7), (0, 2)])
    async with database.writing() as connection:
        assert await record_ids(connection, twice, HOUR) == {}
        recorded = {name: FirstUse(b"a" * 16, 1, 7)}
        assert recorded == await record_ids(connection, twice, HOUR)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=30))
def test_runs_stand_for_the_places_that_they_are_made_of(positions: list[tuple[int, int]]) -> None:
    """One after the other, whatever order the places come in."""
    batch = Uses([bytes(16)] * len(positions), bytes(16 * len(positions)), positions)
    assert positions == [
        (run.partition, run.first_offset + step) for run in batch.runs() for step in range(run.size)
    ]
    sizes = [run.size for run in batch.runs()]
    assert [run.start for run in batch.runs()] == [sum(sizes[:at]) for at in range(len(sizes))]


def test_places_without_a_gap_are_one_run() -> None:
    """That is why they are cheap to send."""
    batch = Uses([bytes(16)] * 4, bytes(64), [(1, 5), (1, 6), (1, 7), (2, 8)])
    assert [tuple(run) for run in batch.runs()] == [(1, 5, 0, 3), (2, 8, 3, 1)]


@pytest.mark.parametrize(("name", "digest"), [(16, 15), (15, 16), (17, 17)])
def test_hashes_of_another_size_are_refused(name: int, digest: int) -> None:
    """They are sent one behind the other, and would be cut in the wrong places."""
    with pytest.raises(ValueError, match="known by 16 bytes each"):
        Uses([bytes(name)], bytes(digest), [(0, 0)])
