"""The outbox: do alerts get through?"""

from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import outbox


class Channel(BaseModel):
    """The state of one channel."""

    channel: str
    configured: bool = Field(description="False when alerts wait for a channel that is gone.")
    waiting: int
    delivered: int = Field(description="Delivered lately; pruned by age.")
    failing: int = Field(description="Waiting after at least one failed attempt.")
    oldest_waiting: datetime | None
    last_error: str | None = Field(description="Of the oldest alert that waits.")


class OutboxSummary(BaseModel):
    """The state of every channel."""

    channels: list[Channel]


def outbox_routes(database: Database, *, channels: Sequence[str]) -> APIRouter:
    """The route of /outbox."""
    router = APIRouter(tags=["outbox"])

    @router.get("/outbox")
    async def get_outbox() -> OutboxSummary:
        """How many alerts wait, since when, and what went wrong last."""
        waits = outbox.c.delivered_time.is_(None)
        query = select(
            outbox.c.channel,
            func.count().filter(waits).label("waiting"),
            func.count(outbox.c.delivered_time).label("delivered"),
            func.count().filter(waits, outbox.c.attempts > 0).label("failing"),
            func.min(outbox.c.created_time).filter(waits).label("oldest"),
            func.min(outbox.c.sequence).filter(waits).label("first"),
        ).group_by(outbox.c.channel)
        async with database.reading() as connection:
            rows = {row.channel: row for row in await connection.execute(query)}
            firsts = [row.first for row in rows.values() if row.first is not None]
            errors = await connection.execute(
                select(outbox.c.channel, outbox.c.last_error).where(outbox.c.sequence.in_(firsts))
            )
            last_errors = {row.channel: row.last_error for row in errors}
        return OutboxSummary(
            channels=[
                Channel(
                    channel=name,
                    configured=name in channels,
                    waiting=rows[name].waiting if name in rows else 0,
                    delivered=rows[name].delivered if name in rows else 0,
                    failing=rows[name].failing if name in rows else 0,
                    oldest_waiting=rows[name].oldest if name in rows else None,
                    last_error=last_errors.get(name),
                )
                for name in sorted({*channels, *rows})
            ]
        )

    return router
