"""Who delivers on a channel: one process at a time."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import channel_leases


async def lease(
    connection: AsyncConnection, channel: str, holder: str, now: datetime, length: timedelta
) -> bool:
    """Take or renew the right to deliver on a channel; False while another process has it.

    It keeps alerts in order. Were two processes to deliver at once, for want of equal clocks,
    the receiver would only get some of them twice.
    """
    values = {"channel": channel, "holder": holder, "until": now + length}
    statement = insert_into(connection, channel_leases)
    result = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["channel"],
            set_={"holder": statement.excluded.holder, "until": statement.excluded.until},
            where=or_(channel_leases.c.holder == holder, channel_leases.c.until < now),
        ).returning(channel_leases.c.holder),
        values,
    )
    held_by: str | None = result.scalar_one_or_none()
    return held_by == holder


async def end_lease(connection: AsyncConnection, channel: str, holder: str) -> None:
    """Give the right back, so that another process need not wait for its end."""
    await connection.execute(
        delete(channel_leases).where(
            channel_leases.c.channel == channel, channel_leases.c.holder == holder
        )
    )
