"""What is kept for a while is forgotten afterwards, and nothing else."""

from datetime import timedelta

from sqlalchemy import func, select, update

from purposewatch_reporter.booking.book import Bookkeeper
from purposewatch_reporter.housekeeping import Housekeeping
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.records import in_topic, verdict


async def test_ids_and_delivered_alerts_are_pruned_by_age(
    database: Database, bookkeeper: Bookkeeper
) -> None:
    """An alert that waits is never pruned, however old."""
    values = [verdict(0, offset, outcome="violation") for offset in range(3)]
    await bookkeeper.book_verdicts(in_topic("verdicts", values))
    async with database.writing() as connection:
        await connection.execute(
            update(tables.outbox).where(tables.outbox.c.sequence < 3).values(delivered_time=NOW)
        )

    async def left_after(days: float) -> tuple[int | None, int | None]:
        await Housekeeping(
            database, event_id_days=30, outbox_days=7, clock=lambda: NOW + timedelta(days=days)
        ).prune()
        async with database.reading() as connection:
            ids = await connection.scalar(select(func.count()).select_from(tables.event_ids))
            alerts = await connection.scalar(select(func.count()).select_from(tables.outbox))
        return ids, alerts

    assert await left_after(6.9) == (3, 3)
    assert await left_after(7.1) == (3, 1)
    assert await left_after(29.9) == (3, 1)
    assert await left_after(30.1) == (0, 1)
