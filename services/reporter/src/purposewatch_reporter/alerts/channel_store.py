"""What reporters share about channels: which process delivers, and whether deliveries succeed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import channel_health, channel_leases


async def acquire_lease(
    connection: AsyncConnection, channel: str, holder: str, now: datetime, length: timedelta
) -> bool:
    """Acquire or renew the lease on a channel; False while another process holds it.

    Leases keep alerts in order. If two processes deliver at once because their clocks differ, the
    receiver gets some alerts twice.
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


async def release_lease(connection: AsyncConnection, channel: str, holder: str) -> None:
    """Release the lease, so that another process need not wait until it expires."""
    await connection.execute(
        delete(channel_leases).where(
            channel_leases.c.channel == channel, channel_leases.c.holder == holder
        )
    )


@dataclass(frozen=True, slots=True)
class Health:
    """Whether deliveries on a channel succeed."""

    failing_since: datetime | None = None
    """The first failure after the last success, if any."""
    last_success_time: datetime | None = None
    last_error: str | None = None


async def save_success(connection: AsyncConnection, channel: str, now: datetime) -> None:
    """Record that a receiver accepted something."""
    statement = insert_into(connection, channel_health)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["channel"],
            set_={"failing_since": None, "last_success_time": now, "last_error": None},
        ),
        {"channel": channel, "last_success_time": now},
    )


async def save_failure(
    connection: AsyncConnection, channel: str, error: str, now: datetime
) -> None:
    """Record that a receiver accepted nothing of what it was sent."""
    statement = insert_into(connection, channel_health)
    since = channel_health.c.failing_since
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["channel"],
            set_={
                "failing_since": case(
                    (since.is_(None), statement.excluded.failing_since), else_=since
                ),
                "last_error": error,
            },
        ),
        {"channel": channel, "failing_since": now, "last_error": error},
    )


async def load_health(connection: AsyncConnection) -> Mapping[str, Health]:
    """The health of every channel that was ever used."""
    rows = await connection.execute(select(channel_health))
    return {
        row.channel: Health(row.failing_since, row.last_success_time, row.last_error)
        for row in rows
    }
