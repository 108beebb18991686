"""What becomes of a row of the outbox when its receiver was told, or was not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.outbox import State, Waiting, as_time
from purposewatch_reporter.store.tables import outbox


@dataclass(frozen=True, slots=True)
class ResendPolicy:
    """What a channel's receiver needs beyond being told once."""

    resend: timedelta | None = None
    """Firing episodes are told again this often."""
    hold: timedelta = timedelta(0)
    """An end is not told sooner after the beginning was."""
    linger: timedelta = timedelta(0)
    """An end is told again for so long."""
    by_state: bool = False
    """The receiver keeps one state per fingerprint: only the latest episode matters."""


async def mark_told(
    connection: AsyncConnection, told: Sequence[Waiting], cadence: ResendPolicy, now: datetime
) -> None:
    """Record what the receiver has taken, and when it is to hear of it again, if at all."""
    resend = None if cadence.resend is None else now + cadence.resend
    taken = {
        "told": outbox.c.told + 1,
        "attempts": outbox.c.attempts + 1,
        "failures": 0,
        "last_error": None,
    }
    begun = [item.sequence for item in told if item.telling is State.FIRING]
    if begun:
        first = func.coalesce(outbox.c.resolve_after, as_time(now + cadence.hold))
        # it may have ended while the receiver was being told of its beginning
        over = outbox.c.state == str(State.RESOLVED)
        await connection.execute(
            update(outbox)
            .where(outbox.c.sequence.in_(begun))
            .values(
                **taken,
                resolve_after=first,
                due_time=case((over, first), else_=as_time(resend)),
                waiting_since=case((over, first), else_=as_time(None)),
            )
        )
    ended = [item for item in told if item.telling is State.RESOLVED]
    lingering = [item.sequence for item in ended if resend and _lingers(item, cadence, now)]
    done = [item.sequence for item in ended if item.sequence not in set(lingering)]
    for names, fate in (
        (lingering, {"due_time": resend, "waiting_since": None}),
        (done, {"done_time": now, "due_time": None, "waiting_since": None}),
    ):
        if names:
            await connection.execute(
                update(outbox).where(outbox.c.sequence.in_(names)).values(**taken, **fate)
            )


def _lingers(item: Waiting, cadence: ResendPolicy, now: datetime) -> bool:
    return item.resolved_time is not None and now < item.resolved_time + cadence.linger


async def mark_superseded(
    connection: AsyncConnection, sequences: Sequence[int], now: datetime
) -> None:
    """Be done with episodes that a later one has taken the place of."""
    if sequences:
        await connection.execute(
            update(outbox)
            .where(outbox.c.sequence.in_(sequences))
            .values(done_time=now, due_time=None, waiting_since=None)
        )


async def mark_failed(
    connection: AsyncConnection, sequence: int, error: str, due: datetime
) -> None:
    """Record a failed attempt; the alert isn't due again before that time."""
    await connection.execute(
        update(outbox)
        .where(outbox.c.sequence == sequence)
        .values(
            attempts=outbox.c.attempts + 1,
            failures=outbox.c.failures + 1,
            last_error=error,
            due_time=due,
        )
    )
