"""What is kept for a while is forgotten afterwards, and nothing else."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Table, delete, func, select, update

from purposewatch_reporter.alerts.episodes import AlertLifecycle
from purposewatch_reporter.alerts.routing import Routing, WebhookSpec
from purposewatch_reporter.housekeeping import Housekeeping
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import in_topic, verdict


async def count(database: Database, table: Table) -> Any:
    """How many rows a table has."""
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def violate(database: Database, ledger_writer: LedgerWriter, *channels: str) -> None:
    """Three findings that alert on these channels."""
    values = [
        verdict(0, offset, outcome="violation", categories={f"user.n{offset}": "violation"})
        for offset in range(3)
    ]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    specs = tuple(WebhookSpec(name, None) for name in channels)  # type: ignore[arg-type]
    routing = Routing(specs=specs, default=channels)
    await AlertLifecycle(database, routing, quiet=timedelta(days=900), clock=lambda: NOW).advance()


async def forget(database: Database, days: float) -> None:
    """Prune so many days later."""
    await Housekeeping(
        database,
        event_id_days=30,
        outbox_days=7,
        finding_days=400,
        gap_days=400,
        fact_use_days=90,
        flow_hours_days=90,
        channels=("hook",),
        clock=lambda: NOW + timedelta(days=days),
    ).prune()


async def test_ids_and_delivered_alerts_are_pruned_by_age(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """An alert that waits is never pruned, however old."""
    await violate(database, ledger_writer, "hook")
    async with database.writing() as connection:
        await connection.execute(
            update(tables.outbox).where(tables.outbox.c.sequence < 3).values(done_time=NOW)
        )

    async def left_after(days: float) -> tuple[int, int]:
        await forget(database, days)
        return await count(database, tables.event_ids), await count(database, tables.outbox)

    assert await left_after(6.9) == (3, 3)
    assert await left_after(7.1) == (3, 1)
    assert await left_after(29.9) == (3, 1)
    assert await left_after(30.1) == (0, 1)


async def test_alerts_of_a_channel_that_is_gone_are_pruned(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Nobody would ever deliver them."""
    await violate(database, ledger_writer, "hook", "gone")
    await forget(database, 6.9)
    assert await count(database, tables.outbox) == 6
    await forget(database, 7.1)
    async with database.reading() as connection:
        channels = await connection.execute(select(tables.outbox.c.channel))
        assert channels.scalars().all() == ["hook"] * 3


async def test_findings_are_pruned_when_quiet_for_long(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Not while they fire, have violations, or somebody is still to be told."""
    await violate(database, ledger_writer, "hook")
    await forget(database, 401)
    assert await count(database, tables.findings) == 3
    async with database.writing() as connection:
        await connection.execute(update(tables.findings).values(state="quiet"))
        await connection.execute(
            update(tables.outbox).where(tables.outbox.c.sequence < 3).values(done_time=NOW)
        )
    await forget(database, 399)
    assert await count(database, tables.findings) == 3
    await forget(database, 401)
    assert await count(database, tables.findings) == 3
    assert await count(database, tables.violations) == 3
    async with database.writing() as connection:
        await connection.execute(delete(tables.violation_categories))
    await forget(database, 399)
    assert await count(database, tables.findings) == 3
    await forget(database, 401)
    assert await count(database, tables.findings) == 1
