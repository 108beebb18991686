"""Many rows at once into PostgreSQL: in the caller's transaction, and exact between reporters."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text

from purposewatch_reporter.flows.hour_sums import close_hours, sum_hours
from purposewatch_reporter.flows.record import FlowRecorder
from purposewatch_reporter.flows.roll_up import roll_up
from purposewatch_reporter.store.bulk import insert_rows
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import FirstUse, Uses, record_ids
from purposewatch_reporter.store.tables import (
    event_ids,
    event_sums,
    flow_counts,
    flow_decisions,
    flow_totals,
    flows,
)
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.unit.reporter.epochs.rows_0006 import check_upgraded, fill_0006
from tests.unit.reporter.epochs.rows_0012 import check_carried, fill_0012
from tests.unit.reporter.epochs.test_migration import to_version
from tests.unit.reporter.flows.recording import record_flows, record_in
from tests.unit.reporter.flows.summed import check_sums, close, sum_all
from tests.unit.reporter.records import uses, verdict
from tests.unit.reporter.test_migrations import differences

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    """An empty database with the current schema."""
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        opened = Database(SecretStr(server.url(await server.create_database())))
        await opened.start()
        yield opened
        await opened.stop()


def rows(*numbers: int) -> list[dict[str, object]]:
    """Rows of ids."""
    return [
        {
            "id_hash": number.to_bytes(16, "big"),
            "content_digest": b"d" * 16,
            "partition": 0,
            "event_offset": number,
            "recorded_time": NOW,
        }
        for number in numbers
    ]


async def stored(database: Database) -> int:
    """How many ids are there."""
    async with database.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(event_ids))).scalar_one()


async def one_waits_for_a_lock(database: Database) -> None:
    """Wait until a session of the server waits for another one's lock."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with asyncio.timeout(30):
        while True:
            async with database.reading() as connection:
                if (await connection.execute(waiting)).scalar_one() == 1:
                    return
            await asyncio.sleep(0.02)


async def test_rows_are_part_of_the_transaction(database: Database) -> None:
    """Even when nothing has been asked of the connection before them."""

    async def write() -> None:
        async with database.writing() as connection:
            await insert_rows(connection, event_ids, rows(1, 2))
            await insert_rows(connection, event_ids, rows(3, 2))

    with pytest.raises(asyncpg.UniqueViolationError):
        await write()
    assert await stored(database) == 0
    async with database.writing() as connection:
        await insert_rows(connection, event_ids, rows(1, 2))
    assert await stored(database) == 2


async def test_two_reporters_claim_an_id_once(database: Database) -> None:
    """The later one waits for the earlier one's transaction, and is told of its use."""
    names = [number.to_bytes(16, "big") for number in range(2_000)]
    first = {name: FirstUse(b"f" * 16, 1, at) for at, name in enumerate(names[:1_500])}
    again = {name: FirstUse(b"a" * 16, 2, at) for at, name in enumerate(names)}

    async def claim_later() -> dict[bytes, FirstUse] | None:
        async with database.writing() as connection:
            return await record_ids(connection, uses(again), NOW)

    async with database.writing() as connection:
        assert await record_ids(connection, uses(first), NOW) is None
        later = asyncio.create_task(claim_later())
        await one_waits_for_a_lock(database)
        assert not later.done()
    assert await later == first
    assert await stored(database) == len(names)


async def test_ids_are_recorded_with_the_places_of_their_events(database: Database) -> None:
    """Whatever order the ids have, and whether or not the places follow one another."""
    offsets = [*range(40, 90), 7, *range(95, 99), 93, 92]
    wanted = {
        (-number % 2**128).to_bytes(16, "big"): FirstUse(number.to_bytes(16, "big"), at % 2, at)
        for number, at in enumerate(offsets)
    }
    async with database.writing() as connection:
        assert await record_ids(connection, uses(wanted), NOW) is None
        found = (await connection.execute(select(event_ids))).all()
    assert wanted == {
        row.id_hash: FirstUse(row.content_digest, row.partition, row.event_offset) for row in found
    }
    assert {row.recorded_time for row in found} == {NOW}


async def test_an_id_that_a_batch_uses_twice_is_recorded_once(database: Database) -> None:
    """With its first use, which need not be the smaller one."""
    names = [number.to_bytes(16, "big") for number in (3, 1, 3, 2)]
    batch = Uses(
        names, b"".join(bytes([65 + n]) * 16 for n in range(4)), [(0, n) for n in range(4)]
    )
    async with database.writing() as connection:
        assert await record_ids(connection, batch, NOW) == {}
        earlier = await record_ids(connection, batch, NOW)
    assert earlier is not None
    assert earlier[names[0]] == FirstUse(b"A" * 16, 0, 0)
    assert await stored(database) == 3


async def test_reporters_that_claim_the_same_ids_never_wait_for_each_other(
    database: Database,
) -> None:
    """In whatever order the events came to them: a deadlock would fail one of them."""
    for attempt in range(5):
        wanted = {
            (attempt * 10_000 + number).to_bytes(16, "big"): FirstUse(b"f" * 16, 0, number)
            for number in range(3_000)
        }

        async def expected(batch: dict[bytes, FirstUse]) -> int:
            async with database.writing() as connection:
                return len(await record_ids(connection, uses(batch), NOW) or ())

        recorded = await asyncio.gather(expected(wanted), expected(dict(reversed(wanted.items()))))
        assert sorted(recorded) == [0, 3_000]


async def test_flows_of_two_reporters_add_up(database: Database) -> None:
    """Whatever order they come in, and while others sum hours up to days.

    Each flow is new to one of them, within the limit. What is summed by the hour is right at every
    moment, while hours are closed and summed.
    """
    roles = [f"role_{number}" for number in range(12)]
    values = [
        verdict(
            event_time=f"2026-03-02T{ord(name) - 97:02}:30:00Z",
            role=role,
            publisher=name,
            count=2,
        )
        for role in roles
        for name in "abcde"
    ]

    async def reporter(order: int) -> int:
        recorder = FlowRecorder(limit=10)
        new = 0
        for number in range(10):
            size = 5 * (2 + number)
            admission = await record_flows(database, recorder, values[::order][:size], order + 1)
            new += len(admission.new)
        return new

    async def housekeeping() -> int:
        rolled_up = 0
        for _ in range(60):
            async with database.writing() as connection:
                rolled_up += await roll_up(connection, NOW + timedelta(days=1))
        return rolled_up

    async def summing() -> int:
        summed = 0
        for number in range(20):
            await close(database, NOW + timedelta(hours=number / 4 - 9))
            summed += await sum_all(database)
            async with database.snapshot() as connection:
                await check_sums(connection)
        return summed

    *new, one, other, some, others = await asyncio.gather(
        reporter(1), reporter(-1), housekeeping(), housekeeping(), summing(), summing()
    )
    assert sum(new) == 10
    assert some + others > 0
    assert one + other > 0
    async with database.reading() as connection:
        own = select(func.count()).select_from(flows).where(~flows.c.is_other)
        assert (await connection.execute(own)).scalar_one() == 10
        events = 2 * sum(5 * (2 + number) for number in range(10))
        for table in (flow_counts, flow_totals):
            events_of = (
                select(func.sum(table.c["count"]), func.sum(table.c.accesses))
                .select_from(table.join(flow_decisions))
                .where(flow_decisions.c.counts_events)
            )
            assert tuple((await connection.execute(events_of)).one()) == (events, 2 * events)


async def test_hours_are_closed_between_batches(database: Database) -> None:
    """A batch that began before counts for the sums; one that waits for it finds the hour closed.

    Twice, because the statement of the second batch is prepared already.
    """
    recorder = FlowRecorder()
    for hour in (NOW, NOW + timedelta(hours=1)):
        until = hour + timedelta(hours=1)
        values = [verdict(event_time=f"{hour:%Y-%m-%dT%H:%M:%SZ}")]
        async with database.writing() as connection:
            await record_in(connection, recorder, values, 1)
            closing = asyncio.create_task(close(database, hour))
            await one_waits_for_a_lock(database)
        await closing
        await sum_all(database)
        async with database.writing() as connection:
            await close_hours(connection, until)
            await sum_hours(connection, [hour])
            recording = asyncio.create_task(record_flows(database, recorder, values, 1))
            await one_waits_for_a_lock(database)
        await recording
        async with database.snapshot() as connection:
            await check_sums(connection)
            summed = select(func.sum(event_sums.c.count)).where(event_sums.c.hour == hour)
            assert await connection.scalar(summed) == 1
        assert await sum_all(database) == 1
        async with database.snapshot() as connection:
            await check_sums(connection)
            assert await connection.scalar(summed) == 2


async def test_databases_of_earlier_schemas_are_upgraded() -> None:
    """0006: every row is there under the columns' new names. 0012: events have accesses."""
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        old = Database(SecretStr(server.url(await server.create_database())))
        async with old.writing() as connection:
            await connection.run_sync(to_version, "0006")
            await fill_0006(connection)
        await old.start()
        async with old.writing() as connection:
            await check_upgraded(connection)
            assert await connection.run_sync(differences) == []
        await old.stop()
        counted = Database(SecretStr(server.url(await server.create_database())))
        async with counted.writing() as connection:
            await connection.run_sync(to_version, "0012")
            await fill_0012(connection)
        await counted.start()
        async with counted.reading() as connection:
            await check_carried(connection)
        await counted.stop()
