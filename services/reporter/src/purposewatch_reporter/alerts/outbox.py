"""The outbox: alerts are written in the transaction that books their cause, delivered later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import channel_leases, id_conflicts, outbox, violations

_PRUNE_SIZE = 5_000


class AlertKind(StrEnum):
    """What an alert is about."""

    VIOLATION = "violation"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class WaitingAlert:
    """An alert to deliver, with what it is about."""

    sequence: int
    fingerprint: str
    kind: AlertKind
    attempts: int
    summary: str
    verdict: str
    """The verdict as JSON."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits on a channel."""

    waiting: int
    oldest_created: datetime | None


def outbox_rows(
    alerts: Iterable[tuple[AlertKind, str]], channels: Sequence[str], now: datetime
) -> list[dict[str, Any]]:
    """One row per alert (kind, fingerprint) and channel."""
    return [
        {
            "channel": channel,
            "fingerprint": fingerprint,
            "kind": str(kind),
            "created_time": now,
            "attempts": 0,
            "due_time": now,
        }
        for kind, fingerprint in alerts
        for channel in channels
    ]


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


async def due_alerts(
    connection: AsyncConnection, channel: str, now: datetime, limit: int
) -> Sequence[WaitingAlert]:
    """Alerts whose time has come, in the order in which they were written."""
    rows = await connection.execute(
        select(
            outbox.c.sequence,
            outbox.c.fingerprint,
            outbox.c.kind,
            outbox.c.attempts,
            case(
                (violations.c.id.is_not(None), violations.c.summary),
                else_=id_conflicts.c.summary,
            ).label("summary"),
            case(
                (violations.c.id.is_not(None), violations.c.verdict),
                else_=id_conflicts.c.verdict,
            ).label("verdict"),
        )
        .select_from(
            outbox.outerjoin(violations, violations.c.id == outbox.c.fingerprint).outerjoin(
                id_conflicts, id_conflicts.c.id == outbox.c.fingerprint
            )
        )
        .where(
            outbox.c.channel == channel,
            outbox.c.delivered_time.is_(None),
            outbox.c.due_time <= now,
        )
        .order_by(outbox.c.sequence)
        .limit(limit)
    )
    return [
        WaitingAlert(
            row.sequence,
            row.fingerprint,
            AlertKind(row.kind),
            row.attempts,
            row.summary,
            row.verdict,
        )
        for row in rows
    ]


async def mark_delivered(
    connection: AsyncConnection, sequences: Sequence[int], now: datetime
) -> None:
    """Record that the receiver has these alerts."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.sequence.in_(sequences))
        .values(delivered_time=now, attempts=outbox.c.attempts + 1, last_error=None)
    )


async def mark_failed(
    connection: AsyncConnection, sequence: int, error: str, due: datetime
) -> None:
    """Record a failed attempt; the alert isn't due again before that time."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.sequence == bindparam("failed"))
        .values(attempts=outbox.c.attempts + 1, last_error=error, due_time=due),
        {"failed": sequence},
    )


async def depth(connection: AsyncConnection, channel: str) -> Depth:
    """How many alerts wait on a channel, and since when."""
    row = (
        await connection.execute(
            select(
                func.count().label("waiting"), func.min(outbox.c.created_time).label("oldest")
            ).where(outbox.c.channel == channel, outbox.c.delivered_time.is_(None))
        )
    ).one()
    return Depth(row.waiting, row.oldest)


async def prune_delivered(connection: AsyncConnection, before: datetime) -> int:
    """Forget some of the alerts delivered before that time; the number forgotten."""
    old = select(outbox.c.sequence).where(outbox.c.delivered_time < before).limit(_PRUNE_SIZE)
    result = await connection.execute(delete(outbox).where(outbox.c.sequence.in_(old)))
    return int(result.rowcount)
