"""The outbox: whether alerts are delivered."""

from collections.abc import Callable, Sequence
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from purposewatch_reporter.alerts.channel_store import Health, load_health
from purposewatch_reporter.alerts.outbox import depth
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import outbox


class Channel(BaseModel):
    """The state of one channel."""

    channel: str
    configured: bool = Field(
        description="False when alerts wait for a channel that is no longer configured."
    )
    waiting: int = Field(description="Undelivered firing and resolved notifications.")
    open: int = Field(description="Alerts whose resolved notification is not delivered yet.")
    delivered: int = Field(description="Alerts fully delivered; pruned by age.")
    failing: int = Field(description="Alerts whose last attempt failed.")
    oldest_waiting: datetime | None
    failing_since: datetime | None = Field(description="The first failure after the last success.")
    last_success: datetime | None
    last_error: str | None


class OutboxSummary(BaseModel):
    """The state of every channel."""

    channels: list[Channel]


def outbox_routes(
    database: Transactions, *, channels: Sequence[str], clock: Callable[[], datetime]
) -> APIRouter:
    """The route of /outbox."""
    router = APIRouter(tags=["outbox"])

    @router.get("/outbox")
    async def get_outbox() -> OutboxSummary:
        """How many alerts wait on each channel, since when, and the last error."""
        stays = outbox.c.done_time.is_(None)
        query = select(
            outbox.c.channel,
            func.count().filter(stays).label("open"),
            func.count(outbox.c.done_time).label("delivered"),
            func.count().filter(stays, outbox.c.failures > 0).label("failing"),
        ).group_by(outbox.c.channel)
        now = clock()
        async with database.reading() as connection:
            rows = {row.channel: row for row in await connection.execute(query)}
            names = sorted({*channels, *rows})
            depths = {name: await depth(connection, name, now) for name in names}
            healths = await load_health(connection)
        return OutboxSummary(
            channels=[
                Channel(
                    channel=name,
                    configured=name in channels,
                    waiting=depths[name].waiting,
                    open=rows[name].open if name in rows else 0,
                    delivered=rows[name].delivered if name in rows else 0,
                    failing=rows[name].failing if name in rows else 0,
                    oldest_waiting=depths[name].oldest_waiting,
                    failing_since=healths.get(name, Health()).failing_since,
                    last_success=healths.get(name, Health()).last_success_time,
                    last_error=healths.get(name, Health()).last_error,
                )
                for name in names
            ]
        )

    return router
