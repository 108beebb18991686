"""Whether channels get through: written by whoever delivers, read by everyone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import channel_health


@dataclass(frozen=True, slots=True)
class Health:
    """How a channel does."""

    failing_since: datetime | None = None
    """The first failure after the last success, if any."""
    last_success_time: datetime | None = None
    last_error: str | None = None


async def save_success(connection: AsyncConnection, channel: str, now: datetime) -> None:
    """A receiver took something."""
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
    """A receiver took nothing of what it was given."""
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
    """Every channel that was ever used."""
    rows = await connection.execute(select(channel_health))
    return {
        row.channel: Health(row.failing_since, row.last_success_time, row.last_error)
        for row in rows
    }
